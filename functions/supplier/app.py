"""The routes of suppliers."""

from typing import Any

from chalice import Response

from common.health import ServiceHealth, service_health
from common.http import ServiceApp, json_response, path_id
from common.identity import Role
from common.importing import ImportOutcome
from common.operations import Listing
from supplier import service
from supplier.schemas import SupplierImport, SupplierIn, SupplierOut, SupplierQuery

app = ServiceApp("supplier", before_request=service.warm_up.ensure)


@app.route("/api/suppliers", methods=["GET"], query=SupplierQuery, answers=Listing("suppliers", SupplierOut))
def list_suppliers() -> dict[str, Any]:
    return service.list_suppliers(app.query(SupplierQuery))


@app.route("/api/suppliers", methods=["POST"], body=SupplierIn, creates=SupplierOut)
def create_supplier() -> Response:
    new = app.body(SupplierIn)
    return app.create(lambda session: service.create_supplier(session, new), location="/api/suppliers")


@app.route("/api/suppliers/import", methods=["POST"], role=Role.MANAGER, body=SupplierImport, answers=ImportOutcome)
def import_suppliers() -> Response:
    """New suppliers, and changes of those that rows name by their ids, up to 500 at once."""
    return app.change_each_once(app.body(SupplierImport).suppliers, service.import_suppliers)


@app.route("/api/suppliers/city/{city}", methods=["GET"], query=SupplierQuery, answers=Listing("suppliers", SupplierOut))
def list_suppliers_of_city(city: str) -> dict[str, Any]:
    return service.list_suppliers(app.query(SupplierQuery, city=city))


@app.route("/api/suppliers/{supplier_id}", methods=["GET"], answers=SupplierOut)
def get_supplier(supplier_id: str) -> dict[str, Any]:
    return service.get_supplier(path_id("supplier_id", supplier_id))


@app.route("/api/suppliers/{supplier_id}", methods=["PUT"], body=SupplierIn, answers=SupplierOut)
def update_supplier(supplier_id: str) -> dict[str, Any]:
    new = app.body(SupplierIn)
    return app.change(lambda session: service.update_supplier(session, path_id("supplier_id", supplier_id), new))


@app.route("/api/suppliers/{supplier_id}", methods=["DELETE"], refuses=[409])
def delete_supplier(supplier_id: str) -> None:
    app.change(lambda session: service.delete_supplier(session, path_id("supplier_id", supplier_id)))


@app.route("/health", methods=["GET"], public=True, answers=ServiceHealth)
@app.route("/api/suppliers/health", methods=["GET"], public=True, answers=ServiceHealth)
def health() -> Response:
    status, document = service_health("supplier", warm_up=service.warm_up)
    return json_response(document, status=status)
