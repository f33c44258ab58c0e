"""The routes of stock."""

from typing import Any

from chalice import Response

from common.health import ServiceHealth, service_health
from common.http import ServiceApp, json_response, path_id
from common.identity import Role
from common.operations import Listing
from inventory import service
from inventory.schemas import (
    AlertOut,
    AlertQuery,
    CorrectionsOutcome,
    InventoryStatistics,
    MomentQuery,
    MovementOut,
    MovementQuery,
    ReconcileQuery,
    Reconciliation,
    StockChange,
    StockCorrections,
    StorageIn,
    StorageOut,
    StorageQuery,
    StoredProduct,
)

app = ServiceApp("inventory")


@app.route("/api/inventory", methods=["GET"], query=StorageQuery, answers=Listing("inventory", StoredProduct))
def list_storages() -> dict[str, Any]:
    return service.list_storages(app.query(StorageQuery))


@app.route("/api/inventory", methods=["POST"], body=StorageIn, creates=StorageOut, refuses=[409])
def open_storage() -> Response:
    new = app.body(StorageIn)
    return app.create(lambda session: service.open_storage(session, new), location="/api/inventory")


@app.route("/api/inventory/alerts", methods=["GET"], query=AlertQuery, answers=Listing("alerts", AlertOut))
def list_alerts() -> dict[str, Any]:
    return service.list_alerts(app.query(AlertQuery))


@app.route("/api/inventory/movements", methods=["GET"], query=MovementQuery, answers=Listing("movements", MovementOut))
def list_movements() -> dict[str, Any]:
    return service.list_movements(app.query(MovementQuery))


@app.route("/api/inventory/statistics", methods=["GET"], answers=InventoryStatistics)
def inventory_statistics() -> dict[str, Any]:
    return service.statistics()


@app.route("/api/inventory/reconcile", methods=["GET"], query=ReconcileQuery, answers=Reconciliation)
def reconcile() -> dict[str, Any]:
    return service.reconcile(app.query(ReconcileQuery))


@app.route("/api/inventory/corrections", methods=["POST"], role=Role.MANAGER, body=StockCorrections, answers=CorrectionsOutcome)
def correct_stock() -> Response:
    """Changes of many products' stock, up to 500 at once, done one after the other."""
    return app.change_each_once(app.body(StockCorrections).corrections, service.correct_stock)


@app.route("/api/inventory/product/{product_id}", methods=["GET"], query=MomentQuery, answers=StoredProduct)
def get_storage_of_product(product_id: str) -> dict[str, Any]:
    return service.get_storage_of_product(path_id("product_id", product_id), app.query(MomentQuery))


@app.route("/api/inventory/product/{product_id}/movements", methods=["GET"], query=MovementQuery, answers=Listing("movements", MovementOut))
def list_movements_of_product(product_id: str) -> dict[str, Any]:
    identity = path_id("product_id", product_id)
    return service.list_movements_of_product(identity, app.query(MovementQuery, product_id=identity))


@app.route("/api/inventory/{storage_id}", methods=["GET"], query=MomentQuery, answers=StoredProduct)
def get_storage(storage_id: str) -> dict[str, Any]:
    return service.get_storage(path_id("storage_id", storage_id), app.query(MomentQuery))


@app.route("/api/inventory/{storage_id}", methods=["PUT"], body=StockChange, answers=StorageOut, repeatable=True, refuses=[409])
def change_storage(storage_id: str) -> Response:
    change = app.body(StockChange)
    return app.change_once(lambda session: service.change_storage(session, path_id("storage_id", storage_id), change))


@app.route("/health", methods=["GET"], public=True, answers=ServiceHealth)
@app.route("/api/inventory/health", methods=["GET"], public=True, answers=ServiceHealth)
def health() -> Response:
    status, document = service_health("inventory", dependencies=["product"])
    return json_response(document, status=status)
