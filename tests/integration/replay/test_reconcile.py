"""The reconciliation finds nothing in a healthy database, and each kind of mismatch once it is forced."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import text

from common import positions
from common.db import transaction
from common.redis_client import get_redis
from infra.reconcile.checks import CHECKS
from infra.reconcile.reconciliation import Reconciliation, reconcile_api, reconcile_database, until_clean
from infra.reconcile.sums import SUMS
from tests.factories import Json, given_order, given_procurement, given_product
from tests.integration.services.conftest import count

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.gateway import Gateway


@pytest.fixture
def check(servers: Mapping[str, str]) -> Callable[..., Reconciliation]:
    """The reconciliation, in which nothing is too young to be looked at unless the test says so."""
    return lambda grace=0.0: reconcile_database(servers, grace)


@pytest.fixture
def business(api: Gateway, deliver: Callable[[], list[Json]], monkeypatch: pytest.MonkeyPatch) -> Json:
    """A product bought, sold, sold and cancelled, returned, damaged, and one order that was too much; all settled and summed up."""
    monkeypatch.setattr(positions, "SETTLED_AFTER", timedelta(0))
    product = given_product(api, stock=30)
    procurement = given_procurement(api, product, 50)
    deliver()
    confirmed, cancelled, undone = (given_order(api, product, quantity) for quantity in (7, 5, 2))
    assert api.post(f"/api/orders/{undone['id']}/cancel").status == 200
    deliver()
    assert api.post(f"/api/orders/{cancelled['id']}/cancel").status == 200
    # Both were possible when they were asked for, but not together.
    greedy, late = (given_order(api, product, quantity) for quantity in (60, 40))
    deliver()
    storage = api.get(f"/api/inventory/product/{product['id']}").json
    for change in ({"delta": 3, "reason": "return"}, {"delta": -1, "reason": "damage"}):
        assert api.put(f"/api/inventory/{storage['id']}", change).status == 200
    deliver()
    statuses = [api.get(f"/api/orders/{order['id']}").json["status"] for order in (confirmed, cancelled, undone, greedy, late)]
    assert statuses == ["confirmed", "cancelled", "cancelled", "confirmed", "rejected"]
    for _ in range(2):
        for path in ("orders/statistics", "procurements/statistics", "inventory/statistics", "inventory/reconcile"):
            get_redis().flushall()
            assert api.get(f"/api/{path}").status == 200
    return {"product": product, "procurement": procurement, "confirmed": confirmed, "cancelled": cancelled, "rejected": late}


def force(statement: str, **values: object) -> None:
    """Do to the database what no service does."""
    with transaction() as session:
        assert session.execute(text(statement), values).rowcount, "the statement changed nothing"


def names(made: Reconciliation) -> set[str]:
    return {mismatch.check for mismatch in made.mismatches}


def test_a_settled_business_reconciles(business, check):
    made = check()
    assert made.clean, made.mismatches
    assert all(count(sums.table) for sums in SUMS)
    assert made.counted == {
        "products": 1,
        "movements": 10,
        "orders": 5,
        "confirmed": 2,
        "procurements": 1,
        "events": made.counted["events"],
    }


def test_an_empty_system_reconciles(clean, check):
    assert check().clean


FORCED = {
    "stock_is_sum_of_movements": "UPDATE storages SET quantity = quantity + 1",
    "balances_follow_one_another": "UPDATE stock_movements SET balance_after = balance_after + 1 WHERE reason = 'procurement'",
    "ledger_goes_forward": "UPDATE stock_movements SET created_at = created_at - INTERVAL 1 DAY WHERE reason = 'cancellation'",
    "stock_is_what_was_traded": "UPDATE procurements SET quantity = quantity + 1",
    "orders_are_decided": "UPDATE orders SET status = 'pending' WHERE status = 'rejected'",
    "confirmed_orders_moved_stock_once": "DELETE FROM stock_movements WHERE reference = CONCAT('order:', :confirmed)",
    "rejected_orders_moved_nothing": "UPDATE orders SET status = 'rejected' WHERE id = :confirmed",
    "cancelled_orders_net_to_zero": "DELETE FROM stock_movements WHERE reason = 'cancellation' AND delta <> 0",
    "procurements_moved_stock_once": "UPDATE stock_movements SET reason = 'correction' WHERE reason = 'procurement'",
    "movements_have_their_cause": "UPDATE stock_movements SET reference = 'order:999999' WHERE reference = CONCAT('order:', :confirmed)",
    "events_are_delivered": "UPDATE outbox SET delivered_at = NULL WHERE channel = 'order_status' LIMIT 1",
    "delivered_events_were_processed": "DELETE FROM processed_events WHERE consumer = 'inventory' LIMIT 1",
    "no_dead_letters": (
        "INSERT INTO dead_letters (consumer, event_id, channel, payload, reason, attempts, failed_at) "
        "SELECT 'inventory', event_id, channel, payload, 'poison', 5, UTC_TIMESTAMP(6) FROM outbox LIMIT 1"
    ),
    "order_sums_add_up": "UPDATE orders SET status = 'rejected' WHERE id = :confirmed",
    "order_product_sums_add_up": "UPDATE order_product_sums SET value = value - 0.01",
    "procurement_product_sums_add_up": "UPDATE procurement_product_sums SET block = block - 1",
    "procurement_sums_add_up": "DELETE FROM procurement_sums",
    "ledger_sums_add_up": "UPDATE ledger_sums SET procured = procured + 1, returned = returned - 1",
    "stock_sums_add_up": "UPDATE stock_sums SET enough = enough + 1 LIMIT 1",
}


def test_each_check_is_forced_to_fail_below():
    assert FORCED.keys() == {check.name for check in CHECKS}


@pytest.mark.parametrize("name", FORCED)
def test_a_forced_mismatch_is_found(name, business, check):
    values = {"confirmed": business["confirmed"]["id"]} if ":confirmed" in FORCED[name] else {}
    force(FORCED[name], **values)
    found = [mismatch for mismatch in check().mismatches if mismatch.check == name]
    assert found
    assert all(mismatch.subject and mismatch.detail for mismatch in found)


COPY = (
    "INSERT INTO stock_movements (product_id, delta, balance_after, reason, event_id, reference, trace_id, created_at) "
    "SELECT product_id, delta, balance_after, reason, UUID(), reference, trace_id, created_at FROM stock_movements WHERE {} LIMIT 1"
)


def test_an_order_applied_twice_is_found(business, check):
    force(COPY.format("reference = CONCAT('order:', :id)"), id=business["confirmed"]["id"])
    assert {"confirmed_orders_moved_stock_once", "stock_is_sum_of_movements", "balances_follow_one_another"} <= names(check())


def test_a_procurement_applied_twice_is_found_even_if_the_stock_agrees_with_the_ledger(business, check):
    force("UPDATE storages SET quantity = quantity + 50")
    force(COPY.format("reason = 'procurement'"))
    assert {"procurements_moved_stock_once", "stock_is_what_was_traded"} <= names(check())


def test_an_order_lost_on_both_sides_of_the_ledger_is_found(business, check):
    force("DELETE FROM stock_movements WHERE reference = CONCAT('order:', :id)", id=business["confirmed"]["id"])
    force("UPDATE storages SET quantity = quantity + 7")
    assert {"confirmed_orders_moved_stock_once", "stock_is_what_was_traded"} <= names(check())


def test_a_cancelled_order_returned_twice_is_found(business, check):
    force(COPY.format("reason = 'cancellation' AND reference = CONCAT('order:', :id)"), id=business["cancelled"]["id"])
    assert "cancelled_orders_net_to_zero" in names(check())


def test_a_movement_of_another_product_than_its_order_is_found(business, api, check):
    other = given_product(api)
    force(
        "UPDATE stock_movements SET product_id = :other WHERE reference = CONCAT('order:', :id)",
        other=other["id"],
        id=business["confirmed"]["id"],
    )
    assert {"confirmed_orders_moved_stock_once", "movements_have_their_cause"} <= names(check())


def test_what_has_just_begun_is_no_mismatch_and_what_is_late_is(business, api, deliver, check):
    given_procurement(api, business["product"], 4)
    order = given_order(api, business["product"], 1)
    assert api.post(f"/api/orders/{business['confirmed']['id']}/cancel").status == 200
    assert check(grace=60).clean, check(grace=60).mismatches
    late = names(check(grace=0))
    assert {"orders_are_decided", "procurements_moved_stock_once", "cancelled_orders_net_to_zero", "events_are_delivered"} <= late
    deliver()
    assert api.get(f"/api/orders/{order['id']}").json["status"] == "confirmed"
    assert check().clean, check().mismatches


def test_what_the_service_itself_finds_wrong_is_told(business, api):
    class Client:
        def get(self, path: str, **query: Any) -> Json:
            return dict(api.get(f"{path}?{urlencode(query)}").json)

    others = [given_product(api, stock=1) for _ in range(2)]
    assert reconcile_api(Client()) == []
    force("UPDATE storages SET quantity = 5 WHERE product_id = :id", id=others[-1]["id"])
    assert [mismatch.subject for mismatch in reconcile_api(Client())] == [f"product {others[-1]['id']}"]


def test_waiting_ends_as_soon_as_everything_agrees(business, check):
    force("UPDATE storages SET quantity = quantity + 1")
    looks = 0

    def look() -> Reconciliation:
        nonlocal looks
        looks += 1
        if looks == 2:
            force("UPDATE storages SET quantity = quantity - 1")
        return check()

    assert until_clean(look, wait_seconds=30).clean
    assert looks == 2
