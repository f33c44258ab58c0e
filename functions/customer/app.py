"""The routes of customers."""

from typing import Any

from chalice import Response

from common.health import ServiceHealth, service_health
from common.http import ServiceApp, json_response, path_id
from common.identity import Role
from common.importing import ImportOutcome
from common.operations import Listing
from customer import service
from customer.schemas import CustomerImport, CustomerIn, CustomerOut, CustomerQuery

app = ServiceApp("customer", before_request=service.warm_up.ensure)


@app.route("/api/customers", methods=["GET"], query=CustomerQuery, answers=Listing("customers", CustomerOut))
def list_customers() -> dict[str, Any]:
    return service.list_customers(app.query(CustomerQuery))


@app.route("/api/customers", methods=["POST"], body=CustomerIn, creates=CustomerOut)
def create_customer() -> Response:
    new = app.body(CustomerIn)
    return app.create(lambda session: service.create_customer(session, new), location="/api/customers")


@app.route("/api/customers/import", methods=["POST"], role=Role.MANAGER, body=CustomerImport, answers=ImportOutcome)
def import_customers() -> Response:
    """New customers, and changes of those that rows name by their ids, up to 500 at once."""
    return app.change_each_once(app.body(CustomerImport).customers, service.import_customers)


@app.route("/api/customers/city/{city}", methods=["GET"], query=CustomerQuery, answers=Listing("customers", CustomerOut))
def list_customers_of_city(city: str) -> dict[str, Any]:
    return service.list_customers(app.query(CustomerQuery, city=city))


@app.route("/api/customers/{customer_id}", methods=["GET"], answers=CustomerOut)
def get_customer(customer_id: str) -> dict[str, Any]:
    return service.get_customer(path_id("customer_id", customer_id))


@app.route("/api/customers/{customer_id}", methods=["PUT"], body=CustomerIn, answers=CustomerOut)
def update_customer(customer_id: str) -> dict[str, Any]:
    new = app.body(CustomerIn)
    return app.change(lambda session: service.update_customer(session, path_id("customer_id", customer_id), new))


@app.route("/api/customers/{customer_id}", methods=["DELETE"], refuses=[409])
def delete_customer(customer_id: str) -> None:
    app.change(lambda session: service.delete_customer(session, path_id("customer_id", customer_id)))


@app.route("/health", methods=["GET"], public=True, answers=ServiceHealth)
@app.route("/api/customers/health", methods=["GET"], public=True, answers=ServiceHealth)
def health() -> Response:
    status, document = service_health("customer", warm_up=service.warm_up)
    return json_response(document, status=status)
