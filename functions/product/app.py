"""The routes of products."""

from typing import Any

from chalice import Response

from common.health import ServiceHealth, service_health
from common.http import ServiceApp, json_response, path_id
from common.identity import Role
from common.importing import ImportOutcome
from common.operations import Listing
from product import service
from product.schemas import ProductImport, ProductIn, ProductQuery, SuppliedProduct

app = ServiceApp("product", before_request=service.warm_up.ensure)


@app.route("/api/products", methods=["GET"], query=ProductQuery, answers=Listing("products", SuppliedProduct))
def list_products() -> dict[str, Any]:
    return service.list_products(app.query(ProductQuery))


@app.route("/api/products", methods=["POST"], body=ProductIn, creates=SuppliedProduct, refuses=[409])
def create_product() -> Response:
    new = app.body(ProductIn)
    return app.create(lambda session: service.create_product(session, new), location="/api/products")


@app.route("/api/products/import", methods=["POST"], role=Role.MANAGER, body=ProductImport, answers=ImportOutcome)
def import_products() -> Response:
    """New products, and changes of those whose codes exist, up to 500 at once."""
    return app.change_each_once(app.body(ProductImport).products, service.import_products)


@app.route("/api/products/{product_id}", methods=["GET"], answers=SuppliedProduct)
def get_product(product_id: str) -> dict[str, Any]:
    return service.get_product(path_id("product_id", product_id))


@app.route("/api/products/{product_id}", methods=["PUT"], body=ProductIn, answers=SuppliedProduct, refuses=[409])
def update_product(product_id: str) -> dict[str, Any]:
    new = app.body(ProductIn)
    return app.change(lambda session: service.update_product(session, path_id("product_id", product_id), new))


@app.route("/api/products/{product_id}", methods=["DELETE"], refuses=[409])
def delete_product(product_id: str) -> None:
    app.change(lambda session: service.delete_product(session, path_id("product_id", product_id)))


@app.route("/health", methods=["GET"], public=True, answers=ServiceHealth)
@app.route("/api/products/health", methods=["GET"], public=True, answers=ServiceHealth)
def health() -> Response:
    status, document = service_health("product", dependencies=["supplier"], warm_up=service.warm_up)
    return json_response(document, status=status)
