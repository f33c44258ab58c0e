"""An order on its way, at each point of which somebody dies: see docs/nothing-is-lost.md, which names these tests."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.chaos.kinds import CONSUMER_POINTS, FUNCTION_POINTS
from tests.chaos.run import Happened, reviving
from tests.chaos.system import eventually
from tests.e2e.client import Clerk

if TYPE_CHECKING:
    from tests.chaos.system import ChaosSystem

pytestmark = pytest.mark.timeout(900)  # what is waited for in it has limits of its own

STOCK, ORDERED = 20, 5


@pytest.mark.parametrize("point", FUNCTION_POINTS)
def test_each_function_that_dies_there_is_made_up_for(attacked: ChaosSystem, point: str):
    everybody_dies_once(attacked, point, ("order", "inventory-consumer", "order-consumer"))


@pytest.mark.parametrize("point", CONSUMER_POINTS)
def test_each_consumer_process_that_dies_there_is_made_up_for(attacked: ChaosSystem, point: str):
    everybody_dies_once(attacked, point, ("inventory", "order"))


def everybody_dies_once(system: ChaosSystem, point: str, who: tuple[str, ...]) -> None:
    """Order something while each of them is to die at that point; it is ordered, taken and told once all the same."""
    clerk = Clerk(system.stack.gateway_url)
    customer, product = clerk.customer(), clerk.stocked_product(STOCK)
    deaths = [system.crash_points / f"{name}.{point}" for name in who]
    # What died within the last minute, in other tests too, counts towards being given up.
    with reviving(system, Happened()), contextlib.ExitStack() as afterwards:
        for death in deaths:
            death.write_text("once")
            afterwards.callback(death.unlink, missing_ok=True)  # or it would kill in the next test
        key = uuid.uuid4().hex

        def order() -> int | None:
            """What a careful client does: the same key until there is an answer."""
            answer = clerk.order(customer, product, ORDERED, **{"idempotency-key": key})
            return answer.json()["id"] if answer.status_code == 201 else None

        order_id = eventually(order, 30, "an answer")
        assert clerk.decided(order_id, seconds=30)["status"] == "confirmed"
        eventually(lambda: not any(death.exists() for death in deaths), 30, f"a death of each of {who}")
        assert clerk.stock(product) == STOCK - ORDERED
        assert clerk.get(f"/api/orders/product/{product['id']}")["total"] == 1
        moved = clerk.get(f"/api/inventory/product/{product['id']}/movements")["movements"]
        assert [movement["delta"] for movement in moved if movement["reason"] == "order"] == [-ORDERED]
