"""A made-up history is the one that the services would have left, and the same each time."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime

import pytest

from common.events import of_channel
from common.search import words_of
from common.topology import TOPOLOGY
from infra.seed.history import COLUMNS, LOW_STOCK, NUMBERED, History
from infra.seed.sizes import Sizes
from inventory.models import LOW_STOCK as LOW_STOCK_OF_INVENTORY
from inventory.schemas import OrderDecision, StockCrossing
from order.schemas import OrderStock
from procurement.schemas import StockIn

UNTIL = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIZES = Sizes.of(0.001)
FIELDS = {
    "order_stock_out": OrderStock,
    "order_cancelled": OrderStock,
    "order_confirmed": OrderDecision,
    "order_rejected": OrderDecision,
    "procurement_stock_in": StockIn,
    "low_stock": StockCrossing,
    "stock_recovered": StockCrossing,
}


def history(sizes=SIZES, seed=1, first=1, days=30):
    return History(sizes, seed=seed, until=UNTIL, days=days, first_ids=dict.fromkeys(NUMBERED, first))


@pytest.fixture(scope="module")
def rows():
    tables = defaultdict(list)
    for table, row in history().rows():
        tables[table].append(dict(zip(COLUMNS[table], row, strict=True)))
    return tables


def test_there_are_as_many_as_were_asked_for(rows):
    assert Sizes(suppliers=1, customers=20, products=100, orders=1000, movements=3000) == SIZES
    for name, table in {
        "movements": "stock_movements",
        **{name: name for name in ("suppliers", "customers", "products", "orders")},
    }.items():
        assert len(rows[table]) == getattr(SIZES, name), name


@pytest.mark.parametrize(
    "sizes",
    [
        Sizes(suppliers=1, customers=1, products=1, orders=8, movements=11),
        Sizes(suppliers=2, customers=1, products=3, orders=0, movements=3),
        Sizes(suppliers=1, customers=3, products=50, orders=200, movements=300),
        Sizes(suppliers=1, customers=3, products=2, orders=10, movements=5000),
    ],
)
def test_odd_companies_have_as_many_as_were_asked_for_too(sizes):
    made = Counter(table for table, _ in history(sizes).rows())
    assert (made["products"], made["orders"], made["stock_movements"]) == (sizes.products, sizes.orders, sizes.movements)


def test_a_company_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="at least 11 movements"):
        Sizes(suppliers=1, customers=1, products=1, orders=8, movements=10)
    with pytest.raises(ValueError, match="customers"):
        Sizes.of(1, customers=0)


def test_the_same_seed_makes_the_same_rows_and_another_does_not():
    assert list(history().rows()) == list(history().rows())
    assert list(history(seed=2).rows()) != list(history().rows())


def test_ids_follow_one_another_from_the_first():
    made = defaultdict(list)
    for table, row in history(first=5000).rows():
        made[table].append(row[0])
    for table in NUMBERED:
        assert sorted(made[table]) == list(range(5000, 5000 + len(made[table]))), table


def test_stock_is_never_below_zero_and_equals_its_movements(rows):
    stock = Counter()
    for movement in rows["stock_movements"]:
        stock[movement["product_id"]] += movement["delta"]
        assert movement["balance_after"] == stock[movement["product_id"]] >= 0
    assert {storage["product_id"]: storage["quantity"] for storage in rows["storages"]} == dict(stock)


def test_every_outcome_of_an_order_comes_up(rows):
    moved = defaultdict(list)
    for movement in rows["stock_movements"]:
        moved[movement["reference"]].append((movement["reason"], movement["delta"]))
    statuses = Counter()
    for order in rows["orders"]:
        out, back = ("order", -order["quantity"]), ("cancellation", order["quantity"])
        expected = {"confirmed": [out], "rejected": [], "cancelled": [out, back]}[order["status"]]
        assert moved[f"order:{order['id']}"] == expected
        statuses[order["status"]] += 1
    assert set(statuses) == {"confirmed", "rejected", "cancelled"}


def test_alerts_tell_each_crossing_once(rows):
    assert LOW_STOCK == LOW_STOCK_OF_INVENTORY
    low, falls = {}, {}
    for alert in sorted(rows["stock_alerts"], key=lambda alert: alert["id"]):
        product = alert["product_id"]
        if alert["kind"] == "low_stock":
            falls[product] = alert
        else:
            assert falls.pop(product)["cleared_at"] == alert["occurred_at"]
        assert (alert["kind"] == "low_stock") == (alert["quantity"] < LOW_STOCK) == (not low.get(product, False))
        low[product] = alert["kind"] == "low_stock"
    assert all(fall["cleared_at"] is None for fall in falls.values())
    for storage in rows["storages"]:
        assert (storage["low_since"] is not None) == low.get(storage["product_id"], False)
    assert {alert["kind"] for alert in rows["stock_alerts"]} == {"low_stock", "stock_recovered"}


def test_recent_events_are_those_that_services_write(rows):
    told = Counter()
    for event in rows["outbox"]:
        payload = json.loads(event["payload"])
        event_type = payload["event_type"]
        assert of_channel(event["channel"], [payload]) == [payload]
        assert set(payload) == set(FIELDS[event_type].model_fields) | {"event_id", "event_type", "occurred_at", "trace_id"}
        told[event_type] += 1
    assert set(told) == set(FIELDS)
    processed = {(row["consumer"], row["event_id"]) for row in rows["processed_events"]}
    assert processed == {(consumer, event["event_id"]) for event in rows["outbox"] for consumer in TOPOLOGY[event["channel"]].consumers}


def test_what_is_made_is_found_by_its_words(rows):
    found = {(row["kind"], row["entity_id"]) for row in rows["search_words"]}
    assert found == {(kind, row["id"]) for kind in ("supplier", "customer", "product") for row in rows[f"{kind}s"]}
    product = rows["products"][7]
    words = {row["word"] for row in rows["search_words"] if (row["kind"], row["entity_id"]) == ("product", product["id"])}
    assert words == set(words_of(product["name"], product["product_code"]))


def test_trade_is_in_order_of_time_and_ends_with_the_history(rows):
    moments = [order["timestamp"] for order in rows["orders"]]
    assert moments == sorted(moments)
    assert moments[0] > "2026-01-30"
    assert "2026-02-28" < moments[-1] < "2026-03-01 12:00:01"


def test_the_last_day_is_as_busy_as_the_others():
    rows = [dict(zip(COLUMNS[table], row, strict=True)) for table, row in history(Sizes.of(0.01)).rows() if table == "orders"]
    days = Counter(row["timestamp"][:10] for row in rows)
    *others, last = (days[day] for day in sorted(days))
    assert 0 < last <= max(others)
