from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from common.db import transaction
from tests.factories import given_customer, given_order, given_procurement, given_product


def move(table, row_id, moment):
    """Let a deal have been made at another time."""
    with transaction() as session:
        session.execute(text(f"UPDATE {table} SET timestamp = :moment WHERE id = :id"), {"moment": moment, "id": row_id})


def at(moment):
    return moment.isoformat().replace("+00:00", "Z")


@pytest.fixture
def product(api):
    return given_product(api, stock=100)


def test_orders_are_counted_by_status_and_what_was_refused_is_not_sold(api, deliver, product):
    kept = given_order(api, product, 3)
    cancelled = given_order(api, product, 5)
    deliver()
    api.post(f"/api/orders/{cancelled['id']}/cancel")
    pending = given_order(api, product, 2)
    day = datetime(2026, 3, 1, tzinfo=UTC)  # today may end meanwhile
    for order in (kept, cancelled, pending):
        move("orders", order["id"], (day + timedelta(hours=12)).replace(tzinfo=None))
    found = api.get(f"/api/orders/statistics?since={at(day)}&until={at(day + timedelta(days=1))}").json
    assert (found["count"], found["quantity"], found["value"]) == (2, 5, kept["unit_price"] * 5)
    assert {row["status"]: (row["count"], row["quantity"]) for row in found["by_status"]} == {
        "pending": (1, 2),
        "confirmed": (1, 3),
        "rejected": (0, 0),
        "cancelled": (1, 5),
    }
    assert [row["count"] for row in found["over_time"]] == [2]


def test_a_period_has_every_day_and_its_end_is_excluded(api, product):
    day = datetime(2026, 3, 1, tzinfo=UTC)
    for hours in (0, 23, 49, 72):
        move("orders", given_order(api, product, 1)["id"], (day + timedelta(hours=hours)).replace(tzinfo=None))
    found = api.get(f"/api/orders/statistics?since={at(day)}&until={at(day + timedelta(days=3))}").json
    assert [(row["start"], row["count"]) for row in found["over_time"]] == [
        ("2026-03-01T00:00:00Z", 2),
        ("2026-03-02T00:00:00Z", 0),
        ("2026-03-03T00:00:00Z", 1),
    ]
    assert found["count"] == 3


def test_days_begin_where_the_clock_of_the_asker_says_so(api, product):
    move("orders", given_order(api, product, 1)["id"], datetime(2026, 3, 1, 23, 30))  # noqa: DTZ001  # as the column holds it
    query = "since=2026-02-28T22:00:00Z&until=2026-03-02T22:00:00Z&utc_offset=120"
    found = api.get(f"/api/orders/statistics?{query}").json
    assert [(row["start"], row["count"]) for row in found["over_time"]] == [("2026-02-28T22:00:00Z", 0), ("2026-03-01T22:00:00Z", 1)]
    by_hour = api.get("/api/orders/statistics?since=2026-03-01T22:00:00Z&until=2026-03-02T00:00:00Z&by=hour").json
    assert [row["count"] for row in by_hour["over_time"]] == [0, 1]


def test_without_a_period_it_is_the_last_thirty_days_today_included(api):
    found = api.get("/api/orders/statistics").json
    assert len(found["over_time"]) == 30
    assert found["since"].endswith("T00:00:00Z")
    assert len(api.get("/api/procurements/statistics?by=hour").json["over_time"]) == 24


def test_foremost_products_by_value_are_not_those_by_quantity(api):
    dear = given_product(api, stock=100, price_sell=50)
    cheap = given_product(api, stock=100, price_sell=1)
    customer = given_customer(api)["id"]
    for product, quantity in ((dear, 2), (cheap, 20), (dear, 1)):
        given_order(api, product, quantity, customer_id=customer)
    found = api.get("/api/orders/statistics?top=1").json
    (by_value,), (by_quantity,) = found["top_by_value"], found["top_by_quantity"]
    assert (by_value["product_id"], by_value["value"], by_value["count"]) == (dear["id"], 150, 2)
    assert (by_quantity["product_code"], by_quantity["quantity"]) == (cheap["product_code"], 20)


def test_figures_of_one_product_or_customer(api):
    one, other = given_product(api, stock=10), given_product(api, stock=10)
    order = given_order(api, one, 4)
    given_order(api, other, 1)
    assert api.get(f"/api/orders/statistics?product_id={one['id']}").json["quantity"] == 4
    assert api.get(f"/api/orders/statistics?customer_id={order['customer_id']}").json["quantity"] == 4


def test_procurements_have_figures_as_well(api):
    product = given_product(api, price_buy=2)
    given_procurement(api, product, 50)
    given_procurement(api, product, 10, unit_price=3)
    given_procurement(api, given_product(api), 1)
    found = api.get(f"/api/procurements/statistics?supplier_id={product['supplier_id']}").json
    assert (found["count"], found["quantity"], found["value"]) == (2, 60, 130)
    assert [row["product_id"] for row in found["top_by_value"]] == [product["id"]]


@pytest.mark.parametrize(
    "query",
    [
        "since=2026-03-02T00:00:00Z&until=2026-03-01T00:00:00Z",
        "since=2020-01-01T00:00:00Z&until=2026-03-01T00:00:00Z",
        "by=week",
        "utc_offset=900",
        "top=-1",
        "since=yesterday",
        "until=0001-01-15T00:00:00Z",
        "until=9999-12-31T23:59:59Z&utc_offset=840",
        "since=0001-01-01T00:00:00Z&until=0001-01-01T10:00:00Z&utc_offset=60",
        "since=9999-12-31T20:00:00Z&until=9999-12-31T23:00:00Z&utc_offset=-840&by=hour",
    ],
)
def test_a_period_that_is_none_is_refused(api, query):
    for plural in ("orders", "procurements"):
        assert api.get(f"/api/{plural}/statistics?{query}").status == 422


def test_a_period_may_lie_anywhere_where_there_are_days(api):
    for query in ("until=1970-01-01T00:00:01Z&utc_offset=840", "since=9998-12-30T00:00:00Z&until=9998-12-31T23:59:59Z&utc_offset=-840"):
        assert api.get(f"/api/orders/statistics?{query}").status == 200


def test_stock_is_worth_its_buying_price_even_when_that_changes(api, deliver):
    lamp = given_product(api, price_buy=2.5)
    given_product(api)
    deliver()
    storage = api.get(f"/api/inventory/product/{lamp['id']}").json
    api.put(f"/api/inventory/{storage['id']}", {"quantity": 40, "reason": "count"})
    assert api.get("/api/inventory/statistics").json == {"storages": 2, "quantity": 40, "value": 100, "low": 1, "empty": 1}
    fields = {name: lamp[name] for name in lamp if name not in {"id", "version", "supplier"}}
    api.put(f"/api/products/{lamp['id']}", fields | {"price_buy": 3})
    deliver()
    assert api.get("/api/inventory/statistics").json["value"] == 120


def test_a_price_heard_of_late_does_not_undo_a_newer_one(api, deliver):
    lamp = given_product(api, price_buy=1)
    fields = {name: lamp[name] for name in lamp if name not in {"id", "version", "supplier"}}
    api.put(f"/api/products/{lamp['id']}", fields | {"price_buy": 2})
    with transaction() as session:  # the later event is heard first, and makes the storage
        session.execute(text("UPDATE outbox SET id = id + 1000 WHERE payload LIKE '%product_created%'"))
    deliver()
    storage = api.get(f"/api/inventory/product/{lamp['id']}").json
    api.put(f"/api/inventory/{storage['id']}", {"quantity": 1})
    assert api.get("/api/inventory/statistics").json["value"] == 2


def test_stock_of_a_page_of_products(api, deliver):
    products = [given_product(api) for _ in range(3)]
    deliver()
    wanted = f"{products[0]['id']},{products[2]['id']}"
    found = api.get(f"/api/inventory?product_ids={wanted}").json
    assert [row["product_id"] for row in found["inventory"]] == [products[0]["id"], products[2]["id"]]
    assert api.get("/api/inventory?product_ids=1,x").status == 422


def test_movements_of_all_products_newest_first(api):
    one, other = given_product(api, stock=1), given_product(api, stock=2)
    found = api.get("/api/inventory/movements?sort=-id").json
    assert [(row["product_id"], row["delta"]) for row in found["movements"]] == [(other["id"], 2), (one["id"], 1)]
    event_id = found["movements"][1]["event_id"]
    assert [row["product_id"] for row in api.get(f"/api/inventory/movements?event_ids={event_id},nothing").json["movements"]] == [one["id"]]
