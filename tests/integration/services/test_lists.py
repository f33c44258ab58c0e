"""Every list answers, page by page, what looking at all rows would have found, by whichever way it is read."""

import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest

from common import lists, search
from common.config import get_settings
from common.db import transaction
from common.search import searched_words, words_of
from customer.models import Customer
from infra.progress import Silent
from infra.seed import scale
from infra.seed.sizes import Sizes
from inventory import repository as inventory
from inventory.schemas import MovementQuery, StorageQuery
from order import repository as orders
from order.models import Order
from order.schemas import OrderQuery
from product import repository as products
from product.schemas import ProductQuery
from tests.factories import given_customer, given_order, given_procurement, given_product, party

UNTIL = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIZES = Sizes(suppliers=2, customers=6, products=8, orders=90, movements=150)


@pytest.fixture
def seeded(clean):
    scale.fill(get_settings(), SIZES, seed=3, until=UNTIL, days=40, progress=Silent())


@pytest.fixture
def everything_is_much(seeded, monkeypatch):
    """Few rows are much already, so that the ways of reading many of them are gone."""
    for module in (lists, search):
        monkeypatch.setattr(module, "FEW", 4)
    monkeypatch.setattr(lists, "_SORTED", 12)
    monkeypatch.setattr(lists, "_LOOKED_AT", 9)


def all_orders():
    with transaction() as session:
        return list(session.query(Order))


def matches(order, query):
    words = words_of(order.product_name, order.product_code, _called[order.customer_id])
    return (
        query.product_id in (None, order.product_id)
        and query.customer_id in (None, order.customer_id)
        and query.status in (None, order.status)
        and (query.since is None or order.timestamp >= query.since)
        and (query.until is None or order.timestamp < query.until)
        and all(any(word.startswith(wanted) for word in words) for wanted in searched_words(query.q or ""))
    )


# Customers are found by their city and contact as well, which orders do not show.
_called = {}


@pytest.fixture
def called(seeded):
    with transaction() as session:
        _called.update({c.id: f"{c.name} {c.city} {c.contact_person}" for c in session.query(Customer)})


def key(order, query):
    name = query.sort.removeprefix("-")
    by_clock = query.status is not None or query.since is not None or query.until is not None
    if name == "id":
        return (order.timestamp, order.id) if by_clock else (order.id,)
    return (order.status, order.timestamp, order.id) if name == "status" else (getattr(order, name), order.id)


def read_through(page_of, query_of, **narrowed):
    """All pages, one after the other by cursor; the ids of their rows."""
    seen, after = [], None
    for _ in range(500):
        query = query_of(**narrowed, limit=7, **({"after": after} if after is not None else {}))
        with transaction() as session:
            page = page_of(session, query)
        seen += [row.id for row in page.rows]
        after = page.next_after
        if after is None:
            return seen
    raise AssertionError("the pages do not end")


def searches():
    """A word that customers have, one that products have, one of each, the beginnings of many, one that nobody has."""
    some = all_orders()[0]
    customer, product = words_of(some.customer_name)[0], words_of(some.product_name)
    return [None, customer, product[0], f"{product[-1][:3]} {customer[:2]}", "s", "a b", f"{product[0]} nobody"]


def test_orders_are_what_looking_at_all_of_them_finds(everything_is_much, called):
    whole = all_orders()
    some = whole[0]
    choices = list(
        itertools.product(
            (None, some.product_id),
            (None, some.customer_id),
            (None, "confirmed", "rejected"),
            (None, UNTIL - timedelta(days=20)),
            (None, UNTIL - timedelta(days=3)),
            searches(),
            [f"{sign}{name}" for sign in ("", "-") for name in OrderQuery.sortable],
        )
    )
    found = 0
    for product_id, customer_id, status, since, until, q, sort in random.Random(5).sample(choices, 60):
        narrowed = {
            name: value
            for name, value in zip(
                ("product_id", "customer_id", "status", "since", "until", "q"),
                (product_id, customer_id, status, since, until, q),
                strict=True,
            )
            if value is not None
        }
        query = OrderQuery(**narrowed, sort=sort)
        expected = sorted((o for o in whole if matches(o, query)), key=lambda o: key(o, query), reverse=sort.startswith("-"))
        assert read_through(orders.page, OrderQuery, **narrowed, sort=sort) == [order.id for order in expected], (narrowed, sort)
        found += bool(expected)
    assert found > 15


def test_a_total_is_exact_or_at_least_what_there_is(everything_is_much, called):
    whole = all_orders()
    inexact = 0
    for q, status, sort in itertools.product(searches(), (None, "confirmed", "rejected"), ("-id", "total_cost")):
        narrowed = {name: value for name, value in (("q", q), ("status", status)) if value is not None}
        query = OrderQuery(**narrowed, sort=sort, limit=7)
        with transaction() as session:
            page = orders.page(session, query)
        number = sum(matches(order, query) for order in whole)
        assert page.total == number if page.exact else page.total <= number, (narrowed, sort)
        inexact += not page.exact
    assert inexact > 3


def test_a_page_is_where_counting_leads(seeded, monkeypatch):
    """Deep in a list by id, rows are found by their position; elsewhere they are counted, up to a bound."""
    monkeypatch.setattr(lists.positions, "STEP", 10)
    for sort in ("id", "-id"):
        with transaction() as session:
            whole = [row.id for row in orders.page(session, OrderQuery(limit=500, sort=sort)).rows]
        for start in (0, 5, 11, 25, 60, 83, 89, 90, 200):
            with transaction() as session:
                page = orders.page(session, OrderQuery(start=start, limit=7, sort=sort))
            assert [row.id for row in page.rows] == whole[start : start + 7], (sort, start)
            assert page.total == 90
            assert page.next_after == (whole[start + 6] if start + 7 < 90 else None), (sort, start)


def test_counting_goes_no_deeper_than_it_is_quick(everything_is_much, api):
    assert api.get("/api/orders?sort=quantity&start=4").status == 200
    answer = api.get("/api/orders?sort=quantity&start=5")
    assert (answer.status, answer.json["code"]) == (422, "start_too_deep")
    assert [error["field"] for error in answer.json["errors"]] == ["start"]
    assert api.get("/api/orders?start=85").status == 200


def test_storages_movements_and_products_are_read_through(everything_is_much):
    for sort, low in itertools.product(("id", "-quantity", "product_id"), (None, True, False)):
        narrowed = {} if low is None else {"low": low}
        with transaction() as session:
            every = inventory.page(session, StorageQuery(limit=500, sort=sort)).rows
        expected = [storage.id for storage in every if low is None or storage.low == low]
        assert read_through(inventory.page, StorageQuery, **narrowed, sort=sort) == expected
    with transaction() as session:
        movements = inventory.movements(session, MovementQuery(limit=500)).rows
    for reason in ("order", "count", "damage"):
        assert read_through(inventory.movements, MovementQuery, reason=reason) == [m.id for m in movements if m.reason == reason]
    prefix = next(m.reference for m in movements if m.reason == "order")[:7]
    assert read_through(inventory.movements, MovementQuery, q=prefix) == [m.id for m in movements if (m.reference or "").startswith(prefix)]
    with transaction() as session:
        listed = products.page(session, ProductQuery(limit=500)).rows
    for q in ("a", "s", words_of(listed[0].name)[0], f"{words_of(listed[0].name)[0][:2]} {listed[0].product_code}"):
        expected = [
            p.id for p in listed if all(any(w.startswith(q_) for w in words_of(p.name, p.product_code)) for q_ in searched_words(q))
        ]
        assert read_through(products.page, ProductQuery, q=q) == expected


def test_orders_and_procurements_are_found_by_what_their_parties_were_called(api):
    product, customer = given_product(api, name="Copper kettle", stock=50), given_customer(api, name="Northern Star")
    order, procurement = given_order(api, product, customer_id=customer["id"]), given_procurement(api, product, 5)
    fields = ("name", "product_code", "category", "price_buy", "price_sell", "measure_unit", "supplier_id")
    assert api.put(f"/api/products/{product['id']}", {name: product[name] for name in fields} | {"name": "Brass pan"}).status == 200
    assert api.put(f"/api/customers/{customer['id']}", party(name="Southern Cross")).status == 200
    for q in ("copper", "brass", "northern", "southern", "kettle%20star", "brass%20cross"):
        assert [o["id"] for o in api.get(f"/api/orders?q={q}").json["orders"]] == [order["id"]], q
    for q in ("copper", "brass"):
        assert procurement["id"] in [p["id"] for p in api.get(f"/api/procurements?q={q}").json["procurements"]], q
        assert [s["product_id"] for s in api.get(f"/api/inventory?q={q}").json["inventory"]] == ([product["id"]] if q == "brass" else [])
    assert api.get("/api/products?q=copper").json["products"] == []
