"""The routes of orders."""

from typing import Any

from chalice import Response

from common.health import ServiceHealth, service_health
from common.http import ServiceApp, json_response, path_id
from common.operations import Listing
from order import service
from order.schemas import OrderIn, OrderOut, OrderQuery, OrderStatistics, StatisticsQuery

app = ServiceApp("order", before_request=service.warm_up.ensure)


@app.route("/api/orders", methods=["GET"], query=OrderQuery, answers=Listing("orders", OrderOut))
def list_orders() -> dict[str, Any]:
    return service.list_orders(app.query(OrderQuery))


@app.route("/api/orders", methods=["POST"], body=OrderIn, creates=OrderOut, refuses=[409])
def create_order() -> Response:
    new = app.body(OrderIn)
    return app.create(lambda session: service.create_order(session, new), location="/api/orders")


@app.route("/api/orders/statistics", methods=["GET"], query=StatisticsQuery, answers=OrderStatistics)
def order_statistics() -> dict[str, Any]:
    return service.statistics(app.query(StatisticsQuery))


@app.route("/api/orders/product/{product_id}", methods=["GET"], query=OrderQuery, answers=Listing("orders", OrderOut))
def list_orders_of_product(product_id: str) -> dict[str, Any]:
    return service.list_orders(app.query(OrderQuery, product_id=path_id("product_id", product_id)))


@app.route("/api/orders/customer/{customer_id}", methods=["GET"], query=OrderQuery, answers=Listing("orders", OrderOut))
def list_orders_of_customer(customer_id: str) -> dict[str, Any]:
    return service.list_orders(app.query(OrderQuery, customer_id=path_id("customer_id", customer_id)))


@app.route("/api/orders/{order_id}", methods=["GET"], answers=OrderOut)
def get_order(order_id: str) -> dict[str, Any]:
    return service.get_order(path_id("order_id", order_id))


@app.route("/api/orders/{order_id}/cancel", methods=["POST"], answers=OrderOut, refuses=[409])
def cancel_order(order_id: str) -> dict[str, Any]:
    app.no_body()
    return app.change(lambda session: service.cancel_order(session, path_id("order_id", order_id)))


@app.route("/health", methods=["GET"], public=True, answers=ServiceHealth)
@app.route("/api/orders/health", methods=["GET"], public=True, answers=ServiceHealth)
def health() -> Response:
    status, document = service_health("order", dependencies=["customer", "product", "inventory"], warm_up=service.warm_up)
    return json_response(document, status=status)
