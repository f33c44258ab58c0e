"""Stock that came apart from its ledger is set right by it, and by nothing else."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from common import positions
from common.db import transaction
from common.events import new_event_id
from common.redis_client import get_redis
from infra.reconcile.rebuild import drifts, repair
from infra.reconcile.reconciliation import reconcile_database
from infra.reconcile.sums import SUMS, make_anew, wrong_sums
from inventory.stock import StockBook
from order import service as order_service
from tests.factories import given_order, given_procurement, given_product
from tests.gateway import acting_as
from tests.integration.services.conftest import movements_of, wait_until_somebody_waits_for_a_row


@pytest.fixture
def products(api):
    """Three products with 30 of each, of which 5 were damaged."""
    made = [given_product(api, stock=30) for _ in range(3)]
    for product in made:
        with transaction() as session:
            move(session, product, -5)
    return made


def move(session, product, delta):
    book = StockBook(session, [product["id"]])
    book.change_by_hand(product["id"], Decimal(delta), "damage", new_event_id(), None)
    book.write()


def force(statement, **values):
    """Do to the database what no service does."""
    with transaction() as session:
        assert session.execute(text(statement), values).rowcount


def stock(product):
    with transaction() as session:
        return session.scalar(text("SELECT quantity FROM storages WHERE product_id = :id"), product)


def ledger():
    with transaction() as session:
        return session.execute(text("SELECT * FROM stock_movements ORDER BY id")).all()


def test_nothing_is_found_where_nothing_drifted(products, servers):
    assert drifts(servers) == []


def test_a_look_finds_what_drifted_and_changes_nothing(products, servers):
    force("UPDATE storages SET quantity = 24 WHERE product_id = :id", id=products[1]["id"])
    (found,) = drifts(servers)
    assert (found.product_id, found.quantity, found.ledger, found.movements, found.certain) == (products[1]["id"], 24, 25, 2, True)
    assert found.document()["quantity"] == "24.000"
    assert stock(products[1]) == 24


def test_what_drifted_is_set_to_the_sum_of_its_movements_and_the_ledger_stays(api, products, servers):
    before = ledger()
    force("UPDATE storages SET quantity = 24, version = 7, moved_at = NULL WHERE product_id = :id", id=products[0]["id"])
    force("DELETE FROM storages WHERE product_id = :id", id=products[1]["id"])
    told = []

    assert repair(servers, drifts(servers), told.append) == []

    assert [(drift.product_id, drift.ledger) for drift in told] == [(products[0]["id"], 25), (products[1]["id"], 25)]
    assert [stock(product) for product in products] == [25, 25, 25]
    assert api.get(f"/api/inventory/product/{products[0]['id']}").json["version"] == 8
    assert ledger() == before
    assert reconcile_database(servers).mismatches == []
    # The next movement goes on from there.
    with transaction() as session:
        move(session, products[0], -1)
    assert [m["balance_after"] for m in movements_of(api, products[0])] == [30, 25, 24]


def test_stock_without_a_movement_is_set_to_nothing(api, servers):
    product = given_product(api)
    with transaction() as session:
        StockBook(session, [product["id"]])
    force("UPDATE storages SET quantity = 3 WHERE product_id = :id", id=product["id"])
    assert repair(servers, drifts(servers), lambda _: None) == []
    assert stock(product) == 0


def test_a_ledger_that_contradicts_itself_decides_nothing(products, servers):
    force("UPDATE stock_movements SET delta = delta + 1 WHERE product_id = :id AND reason = 'damage'", id=products[0]["id"])
    force("UPDATE storages SET quantity = 3 WHERE product_id = :id", id=products[1]["id"])
    (left,) = repair(servers, drifts(servers), lambda _: None)
    assert (left.product_id, left.ledger, left.last_balance, left.certain) == (products[0]["id"], 26, 25, False)
    assert [stock(product) for product in products] == [25, 25, 25]
    assert repair(servers, [left], lambda _: None, by_sum=True) == []
    assert [stock(product) for product in products] == [26, 25, 25]


def test_a_sum_below_zero_is_never_taken(products, servers):
    force("UPDATE stock_movements SET delta = -31 WHERE product_id = :id AND reason = 'damage'", id=products[0]["id"])
    (left,) = repair(servers, drifts(servers), lambda _: None, by_sum=True)
    assert (left.product_id, left.ledger) == (products[0]["id"], -1)
    assert stock(products[0]) == 25


def test_what_moves_while_stock_is_repaired_counts(products, servers):
    force("UPDATE storages SET quantity = 24 WHERE product_id = :id", id=products[0]["id"])
    told = []
    with transaction() as session:
        move(session, products[0], -4)
        session.flush()
        repairing = threading.Thread(target=repair, args=[servers, drifts(servers), told.append], kwargs={"by_sum": True})
        repairing.start()
        wait_until_somebody_waits_for_a_row()
    repairing.join(60)
    assert [drift.ledger for drift in told] == [21]
    assert stock(products[0]) == 21


@pytest.fixture
def summed(api, deliver, products, monkeypatch):
    """Sums of everything."""
    monkeypatch.setattr(positions, "SETTLED_AFTER", timedelta(0))
    given_procurement(api, products[0], 20)
    order = given_order(api, products[0], 3)
    deliver()
    for path in ["orders/statistics", "procurements/statistics", "inventory/statistics", "inventory/reconcile"] * 2:
        get_redis().flushall()
        assert api.get(f"/api/{path}").status == 200
    return order


OF = {sums.table: sums for sums in SUMS}


@pytest.mark.parametrize("table", OF)
def test_sums_that_do_not_add_up_are_made_anew_and_no_others(summed, servers, table):
    sums = OF[table]
    assert wrong_sums(servers) == []
    held = rows(sums)
    force(f"UPDATE {sums.table} SET {sums.figures[-1]} = {sums.figures[-1]} + 1")
    assert wrong_sums(servers) == [sums]
    make_anew(servers, [sums])
    assert wrong_sums(servers) == []
    assert sums.in_parts or rows(sums) == held


def test_sums_are_made_anew_while_stock_moves_and_orders_are_cancelled(api, deliver, products, summed, servers):
    """Whoever has changed stock or an order before waits, or is waited for; either way it counts once."""
    force("UPDATE stock_sums SET quantity = 1000")
    force("UPDATE order_sums SET quantity = 1000")
    with ThreadPoolExecutor(1) as thread:
        with transaction() as session:
            move(session, products[1], -2)
            for action in session.info.pop("before_commit"):
                action()
            making = thread.submit(make_anew, servers, [OF["stock_sums"]])
            wait_until_somebody_waits_for_a_row()
        making.result(60)
        with acting_as("order"), transaction() as session:
            order_service.cancel_order(session, summed["id"])
            making = thread.submit(make_anew, servers, [OF["order_sums"]])
            wait_until_somebody_waits_for_a_row()
        making.result(60)
    assert wrong_sums(servers) == []
    assert api.get("/api/inventory/statistics").json["quantity"] == 3 * 25 + 20 - 3 - 2
    deliver()
    assert reconcile_database(servers).mismatches == []


def rows(sums):
    with transaction() as session:
        return session.execute(text(f"SELECT * FROM {sums.table} ORDER BY 1, 2")).all()
