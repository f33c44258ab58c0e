"""Deals summed up as they settle: statistics say what the deals say, whatever was summed before and whatever changed since."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from sqlalchemy import text

from common import positions, sums
from common.db import transaction
from common.redis_client import get_redis
from order import repository as orders
from order import service
from tests.factories import given_customer, given_order, given_procurement, given_product
from tests.gateway import acting_as
from tests.integration.services.conftest import count, wait_until_somebody_waits_for_a_row

SINCE = datetime(2026, 3, 1, tzinfo=UTC)
PERIODS = (
    "since=2026-03-01T00:00:00Z&until=2026-03-05T00:00:00Z",
    "since=2026-03-01T00:10:00Z&until=2026-03-04T23:50:00.5Z&by=hour",
    "since=2026-03-01T00:10:00Z&until=2026-03-04T12:00:00Z&utc_offset=330",
    "since=2026-03-01T00:10:00Z&until=2026-03-01T00:29:00Z",
    "since=2026-03-01T00:10:00Z&until=2026-03-03T00:00:00Z&utc_offset=345",
)


@pytest.fixture(autouse=True)
def _settled_at_once(monkeypatch):
    monkeypatch.setattr(positions, "SETTLED_AFTER", timedelta(0))


@pytest.fixture
def product(api):
    return given_product(api, stock=1000)


def made_at(table, row_id, moment):
    """Let a deal have been made at another time, before anybody sums it up."""
    with transaction() as session:
        session.execute(
            text(f"UPDATE {table} SET timestamp = :moment WHERE id = :id"), {"moment": moment.replace(tzinfo=None), "id": row_id}
        )


def ask(api, plural, query):
    get_redis().flushall()
    return api.get(f"/api/{plural}/statistics?{query}").json


def read_off(api, plural, query, monkeypatch):
    """The same without any sums."""
    with monkeypatch.context() as without:
        without.setattr(sums.Sums, "within", lambda *_: None)
        return ask(api, plural, query)


def test_statistics_of_orders_are_those_of_the_orders_whatever_becomes_of_them(api, deliver, product, monkeypatch):
    draw = Random(7)
    customer = given_customer(api)
    made = []
    for _ in range(40):
        order = given_order(api, product, draw.randint(1, 9), customer_id=customer["id"])
        made_at("orders", order["id"], SINCE + timedelta(seconds=draw.randrange(4 * 86400)))
        made.append(order["id"])
        match draw.randrange(5):
            case 0:
                deliver()
            case 1:
                api.post(f"/api/orders/{draw.choice(made)}/cancel")
            case _:
                ask(api, "orders", PERIODS[0])
    for query in PERIODS:
        found = ask(api, "orders", query)
        assert found == read_off(api, "orders", query, monkeypatch), query
    assert {row["status"] for row in found["by_status"] if row["count"]} <= {"pending", "confirmed", "cancelled"}
    with transaction() as session:
        assert session.scalar(text("SELECT deal_id FROM order_summed")) == max(made)
        counted = Counter(
            {row.status: int(row.n) for row in session.execute(text("SELECT status, SUM(count) AS n FROM order_sums GROUP BY status"))}
        )
        there = Counter({row.status: row.n for row in session.execute(text("SELECT status, COUNT(*) AS n FROM orders GROUP BY status"))})
    assert +counted == there
    assert len(there) >= 2


def test_statistics_of_procurements_are_those_of_the_procurements(api, product, monkeypatch):
    for number in range(12):
        made_at("procurements", given_procurement(api, product, number + 1)["id"], SINCE + timedelta(hours=7 * number, minutes=11))
        if number % 3 == 0:
            ask(api, "procurements", PERIODS[0])
    for query in PERIODS:
        assert ask(api, "procurements", query) == read_off(api, "procurements", query, monkeypatch), query
    assert count("procurement_sums") > 3


def test_nothing_is_summed_up_before_it_has_settled(api, product, monkeypatch):
    monkeypatch.setattr(positions, "SETTLED_AFTER", timedelta(minutes=1))
    given_order(api, product, 3)
    for _ in range(3):
        assert ask(api, "orders", "by=hour")["quantity"] == 3
    assert count("order_sums") == 0


def test_who_sums_up_waits_for_whoever_is_changing_an_order(api, product):
    summed = given_order(api, product, 3)
    made_at("orders", summed["id"], SINCE)
    for _ in range(2):
        ask(api, "orders", PERIODS[0])
    fresh = given_order(api, product, 4)
    made_at("orders", fresh["id"], SINCE)
    assert ask(api, "orders", PERIODS[0])["quantity"] == 7
    with transaction() as session:
        # The one is summed up, the other is the next to be.
        assert session.scalar(text("SELECT deal_id FROM order_summed")) == summed["id"]
        assert session.scalar(text("SELECT id FROM list_horizons WHERE list = 'order_sums'")) == fresh["id"]

    def sum_up():
        with acting_as("order"), transaction() as session:
            orders.SUMS.add_settled(session)

    with ThreadPoolExecutor(1) as thread:
        with acting_as("order"), transaction() as session:
            service.cancel_order(session, summed["id"])
            service.cancel_order(session, fresh["id"])
            summing = thread.submit(sum_up)
            wait_until_somebody_waits_for_a_row()
        summing.result(60)
    found = ask(api, "orders", PERIODS[0])
    assert {row["status"]: row["quantity"] for row in found["by_status"]} == {"pending": 0, "confirmed": 0, "rejected": 0, "cancelled": 7}
