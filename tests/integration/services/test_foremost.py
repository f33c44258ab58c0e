"""The foremost products are those that reading off every deal of the period shows, wherever one begins to look for them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from sqlalchemy import insert, text

from common import foremost, positions, statistics
from common.db import transaction
from common.redis_client import get_redis
from order import repository as orders
from order.models import Order
from procurement import repository as procurements
from procurement.models import Procurement
from tests.factories import given_customer, given_product
from tests.gateway import acting_as
from tests.integration.services.conftest import count

SINCE = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAYS = 12
REPOSITORIES = {"orders": orders, "procurements": procurements}
_numbers = itertools.count(1)


@pytest.fixture
def company(api, monkeypatch):
    """A customer and thirty products; what is asked is looked for by sums of five days, however few deals there are."""
    monkeypatch.setattr(positions, "SETTLED_AFTER", timedelta(0))
    monkeypatch.setattr(statistics, "_READ_OFF", 0)
    monkeypatch.setattr(foremost, "BLOCK_SECONDS", 5 * 86400)
    monkeypatch.setattr(foremost, "_LOOKED_AT", (18, 45))
    monkeypatch.setattr(foremost, "_LEAST_DEPTH", 4)
    monkeypatch.setattr(foremost, "_SUMMED_AT_ONCE", 70)
    first = given_product(api)
    return given_customer(api), [first, *(given_product(api, supplier_id=first["supplier_id"]) for _ in range(29))]


def deal(draw, company, moment, *, product=None, quantity=None, **fields):
    """A row of either table. Few products sell most, and of many of them as much as of others."""
    customer, products = company
    product = product or products[int(len(products) * draw.random() ** 5)]
    quantity, price = quantity or draw.choice([1, 1, 2, 5]), draw.choice([0, 1, 1, 2.5])
    same = {"product_id": product["id"], "product_code": product["product_code"], "product_name": product["name"]}
    return (
        {"quantity": quantity, "unit_price": price, "total_cost": quantity * price, "timestamp": moment}
        | same
        | fields
        | (
            {"customer_id": customer["id"], "customer_name": "c"}
            if "status" in fields
            else {"supplier_id": products[0]["supplier_id"], "supplier_name": "s"}
        )
    )


def trade(draw, company, number):
    """Deals at any time of the period, some of them before it and after it; orders of any status."""
    moments = [SINCE + timedelta(seconds=draw.uniform(-3, DAYS + 3) * 86400) for _ in range(number)]
    sold = [
        deal(draw, company, moment, status=draw.choice(["confirmed", "confirmed", "pending", "cancelled", "rejected"]))
        for moment in moments
    ]
    with transaction() as session:
        session.execute(insert(Order), sold)
        session.execute(insert(Procurement), [deal(draw, company, moment) for moment in moments])


def ask(api, plural, top, since=SINCE, until=SINCE + timedelta(days=DAYS)):
    get_redis().flushall()
    moments = {name: moment.isoformat().replace("+00:00", "Z") for name, moment in (("since", since), ("until", until))}
    answer = api.get(f"/api/{plural}/statistics?since={moments['since']}&until={moments['until']}&top={top}")
    assert answer.status == 200, answer.text
    return answer.json


def read_off(api, monkeypatch, *asked, **period):
    """The same without knowing where to look."""
    with monkeypatch.context() as without:
        without.setattr(statistics, "_READ_OFF", 10**9)
        return ask(api, *asked, **period)


@pytest.fixture
def looks(monkeypatch):
    """Whether each asking found the foremost by looking for them, or gave up and read off all."""
    seen = []
    look_for = foremost.Bounds.foremost

    def looking(*arguments):
        found = look_for(*arguments)
        seen.append(found is not None)
        return found

    monkeypatch.setattr(foremost.Bounds, "foremost", looking)
    return seen


@pytest.mark.parametrize("plural", REPOSITORIES)
@pytest.mark.parametrize("top", [1, 3])
def test_they_are_those_of_all_deals_whatever_was_summed_up_and_whatever_became_of_them(api, company, looks, monkeypatch, plural, top):
    draw = Random(top)
    for step in range(12):
        trade(draw, company, 40)
        if plural == "orders":
            with transaction() as session:
                undone = "UPDATE orders SET status = 'cancelled' WHERE status = 'confirmed' ORDER BY total_cost DESC LIMIT 2"
                session.execute(text(undone))
        begin, days = draw.uniform(0, 8), draw.choice([0.5, 3, 6, DAYS])
        period = {"since": SINCE + timedelta(days=begin), "until": SINCE + timedelta(days=begin + days)}
        assert ask(api, plural, top, **period) == read_off(api, monkeypatch, plural, top, **period), step
    assert count(f"{plural[:-1]}_product_sums") > 30
    assert sum(looks) >= 4, looks


def test_one_that_became_foremost_since_it_was_summed_up_is_found(api, company, looks, monkeypatch):
    draw = Random(1)
    trade(draw, company, 120)
    for _ in range(3):
        ask(api, "orders", 2)
    monkeypatch.setattr(positions, "SETTLED_AFTER", timedelta(hours=1))
    with transaction() as session:
        late = deal(draw, company, SINCE + timedelta(days=1), product=company[1][-1], quantity=999, status="pending")
        session.execute(insert(Order), [late | {"total_cost": 999}])
    del looks[:]
    found = ask(api, "orders", 2)
    assert looks == [True]
    assert [found[f"top_by_{by}"][0]["product_id"] for by in ("value", "quantity")] == [company[1][-1]["id"]] * 2
    assert found == read_off(api, monkeypatch, "orders", 2)


def test_where_all_products_are_alike_all_deals_are_read_off(api, company, looks, monkeypatch):
    draw = Random(2)
    with transaction() as session:
        for product in company[1]:
            session.execute(insert(Procurement), [deal(draw, company, SINCE + timedelta(hours=1), product=product, quantity=7)])
    for _ in range(3):
        found = ask(api, "procurements", 3)
    assert looks == [False] * 3
    assert [row["product_id"] for row in found["top_by_quantity"]] == [product["id"] for product in company[1][:3]]


def test_much_that_is_not_summed_up_yet_is_read_off(api, company, looks, monkeypatch):
    monkeypatch.setattr(foremost, "MOST_RECENT", 50)
    trade(Random(3), company, 120)
    found = [ask(api, "orders", 3) for _ in range(4)]
    assert looks[0] is False
    assert looks[-1] is True
    assert all(each == found[0] for each in found)


def test_two_who_sum_up_at_once_do_it_once(api, company):
    trade(Random(4), company, 60)
    ask(api, "orders", 1)
    with acting_as("order"), transaction() as first:
        orders.sum_up(first)
        with transaction() as second:
            orders.sum_up(second)
    with transaction() as session:
        summed, there = (session.scalar(text(f"SELECT SUM(quantity) FROM {table}")) for table in ("order_product_sums", "orders"))
    assert summed == there
