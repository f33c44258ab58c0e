"""The routes of procurements."""

from typing import Any

from chalice import Response

from common.health import ServiceHealth, service_health
from common.http import ServiceApp, json_response, path_id
from common.operations import Listing
from common.statistics import PeriodStatistics
from procurement import service
from procurement.schemas import ProcurementIn, ProcurementOut, ProcurementQuery, StatisticsQuery

app = ServiceApp("procurement", before_request=service.warm_up.ensure)


@app.route("/api/procurements", methods=["GET"], query=ProcurementQuery, answers=Listing("procurements", ProcurementOut))
def list_procurements() -> dict[str, Any]:
    return service.list_procurements(app.query(ProcurementQuery))


@app.route("/api/procurements", methods=["POST"], body=ProcurementIn, creates=ProcurementOut)
def create_procurement() -> Response:
    new = app.body(ProcurementIn)
    return app.create(lambda session: service.create_procurement(session, new), location="/api/procurements")


@app.route("/api/procurements/statistics", methods=["GET"], query=StatisticsQuery, answers=PeriodStatistics)
def procurement_statistics() -> dict[str, Any]:
    return service.statistics(app.query(StatisticsQuery))


@app.route(
    "/api/procurements/product/{product_id}", methods=["GET"], query=ProcurementQuery, answers=Listing("procurements", ProcurementOut)
)
def list_procurements_of_product(product_id: str) -> dict[str, Any]:
    return service.list_procurements(app.query(ProcurementQuery, product_id=path_id("product_id", product_id)))


@app.route(
    "/api/procurements/supplier/{supplier_id}", methods=["GET"], query=ProcurementQuery, answers=Listing("procurements", ProcurementOut)
)
def list_procurements_of_supplier(supplier_id: str) -> dict[str, Any]:
    return service.list_procurements(app.query(ProcurementQuery, supplier_id=path_id("supplier_id", supplier_id)))


@app.route("/api/procurements/{procurement_id}", methods=["GET"], answers=ProcurementOut)
def get_procurement(procurement_id: str) -> dict[str, Any]:
    return service.get_procurement(path_id("procurement_id", procurement_id))


@app.route("/health", methods=["GET"], public=True, answers=ServiceHealth)
@app.route("/api/procurements/health", methods=["GET"], public=True, answers=ServiceHealth)
def health() -> Response:
    status, document = service_health("procurement", dependencies=["supplier", "product"], warm_up=service.warm_up)
    return json_response(document, status=status)
