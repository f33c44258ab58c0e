"""The stock a file needs before its lines can be sold: bought by procurements, and waited for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from common.fields import as_json_number
from infra.api_client import ApiClient, GaveUpError, RefusedError, work_through

if TYPE_CHECKING:
    from infra.progress import Progress
    from infra.replay.catalogue import Catalogue
    from infra.replay.plan import Plan, ProductWanted
    from infra.replay.run import Run

_LOOK_AGAIN = 0.25


def procure(client: ApiClient, run: Run, plan: Plan, catalogue: Catalogue, progress: Progress, at_once: int) -> list[tuple[int, int]]:
    """Buy what the file will sell. Returns the procurements as (id, product id)."""
    made: list[tuple[int, int]] = []
    progress.begin("procurements", sum(bool(product.procurements) for product in plan.products.values()))

    def buy(wanted: ProductWanted) -> None:
        product_id = catalogue.products[wanted.code]
        for number, quantity in enumerate(wanted.procurements):
            document = {
                "supplier_id": catalogue.supplier_id,
                "product_id": product_id,
                "quantity": as_json_number(quantity),
                "unit_price": as_json_number(wanted.price),
            }
            made.append((client.create("/api/procurements", document, run.key(f"procurement {product_id} {number}"))["id"], product_id))
        progress.advance(bool(wanted.procurements))

    work_through(plan.products.values(), buy, at_once=at_once)
    return made


def wait_for_stock(
    client: ApiClient, procurements: list[tuple[int, int]], progress: Progress, at_once: int, patience_seconds: float
) -> None:
    """Return when each procurement has its movement, so that no order is turned away for stock that is on its way.

    Asked per procurement rather than by quantity: another replay may be selling the same products. Raises GaveUpError
    when nothing comes in for so long.
    """
    progress.begin("stock coming in", len(procurements))
    deadline = time.monotonic() + patience_seconds
    waiting = procurements
    while waiting:
        missing: list[tuple[int, int]] = []

        def look(procurement: tuple[int, int], missing: list[tuple[int, int]] = missing) -> None:
            if _came_in(client, *procurement):
                progress.advance()
            else:
                missing.append(procurement)

        work_through(waiting, look, at_once=at_once)
        if len(missing) < len(waiting):
            deadline = time.monotonic() + patience_seconds
        waiting = missing
        if waiting and time.monotonic() > deadline:
            raise GaveUpError(
                f"{len(waiting)} procurements have not raised the stock, and none has for {patience_seconds:.0f} s; see: inventory status"
            )
        if waiting:
            time.sleep(_LOOK_AGAIN)


def storages(client: ApiClient, plan: Plan, catalogue: Catalogue, at_once: int, patience_seconds: float) -> dict[str, int]:
    """The storage of each product that comes back in the file, by product code. Raises GaveUpError."""
    found: dict[str, int] = {}
    deadline = time.monotonic() + patience_seconds

    def find(wanted: ProductWanted) -> None:
        while wanted.code not in found:
            try:
                found[wanted.code] = client.get(f"/api/inventory/product/{catalogue.products[wanted.code]}")["id"]
            except RefusedError as refused:
                # Inventory opens a storage when it hears of the product.
                if refused.status != 404:
                    raise
                if time.monotonic() > deadline:
                    raise GaveUpError(
                        f"product {wanted.code} has no storage after {patience_seconds:.0f} s; see: inventory status"
                    ) from refused
                time.sleep(_LOOK_AGAIN)

    work_through([product for product in plan.products.values() if product.comes_back], find, at_once=at_once)
    return found


def _came_in(client: ApiClient, procurement_id: int, product_id: int) -> bool:
    reference = f"procurement:{procurement_id}"
    try:
        found = client.get(f"/api/inventory/product/{product_id}/movements", reason="procurement", q=reference, sort="-id", limit=10)
    except RefusedError as refused:
        if refused.status != 404:
            raise
        return False
    return any(movement["reference"] == reference for movement in found["movements"])
