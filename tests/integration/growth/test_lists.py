"""What a page costs does not grow with the table: entries read at a thousand orders, and at a hundred thousand."""

import itertools
from datetime import timedelta

import pytest

from common.db import transaction
from common.lists import _LOOKED_AT, FEW
from customer import repository as customers
from customer.schemas import CustomerQuery
from inventory import repository as inventory
from inventory.schemas import AlertQuery, MovementQuery, StorageQuery
from order import repository as orders
from order.schemas import OrderQuery
from procurement import repository as procurements
from procurement.schemas import ProcurementQuery
from product import repository as products
from product.schemas import ProductQuery
from system import repository as system
from system.schemas import DeadLetterQuery, EventQuery
from tests.integration.growth.conftest import UNTIL, effort, grow
from tests.integration.services.conftest import count

LISTS = {
    "orders": (orders.page, OrderQuery),
    "procurements": (procurements.page, ProcurementQuery),
    "products": (products.page, ProductQuery),
    "customers": (customers.page, CustomerQuery),
    "inventory": (inventory.page, StorageQuery),
    "movements": (inventory.movements, MovementQuery),
    "alerts": (inventory.alerts, AlertQuery),
    "events": (system.events, EventQuery),
    "dead_letters": (system.dead_letters, DeadLetterQuery),
}
WHOLE = ("orders", "procurements", "products", "inventory", "movements")
# A page of fifty rows and one more, the same again where they are joined by id, what positions take, and the root of an index.
PAGE = 51
SKIPPED = 1000
FILTERS = {
    "orders": {
        "product_id": 17,
        "customer_id": 1,
        "status": "rejected",
        "since": UNTIL - timedelta(days=9),
        "until": UNTIL + timedelta(days=1500),
    },
    "procurements": {"product_id": 17, "supplier_id": 1, "since": UNTIL - timedelta(days=9), "until": UNTIL + timedelta(days=1500)},
    "products": {"category": "Kitchen", "supplier_id": 1, "product_code": "none", "ids": "1,2,3"},
    "customers": {"city": "Oslo", "name": "nobody", "ids": "1,2,3"},
    "inventory": {"low": True, "product_id": 17, "product_ids": "1,2"},
    "movements": {"product_id": 17, "reason": "damage", "event_ids": "a,b"},
    "alerts": {"status": "cleared", "product_id": 17},
    "events": {"channel": "inventory_alert", "trace_id": "nothing"},
    "dead_letters": {"consumer": "inventory"},
}
SEARCHES = ("s", "blue", "blue mug", "zzz", "order:1")


def read(name, /, **asked):
    """The effort of reading one page of a list."""
    page_of, query = LISTS[name]
    with effort() as (found, session):
        page_of(session, query(**asked))
    return found


def unfiltered(name):
    """Every order, at the beginning and behind a row in the middle; by id also where counting leads, at the end."""
    yield {}
    for sort in LISTS[name][1].sortable:
        for sign in ("", "-"):
            yield {"sort": f"{sign}{sort}"}
            yield {"sort": f"{sign}{sort}", "after": 100}
    yield {"start": 900}
    yield {"start": 900, "sort": "-id"}


def narrowed(name):
    """Every filter, every two of them, each searched as well, in every order."""
    filters = [{}, *({key: value} for key, value in FILTERS[name].items())]
    filters += [dict(pair) for pair in itertools.combinations(FILTERS[name].items(), 2)]
    for chosen, sort in itertools.product(filters, LISTS[name][1].sortable):
        if chosen:
            yield {**chosen, "sort": f"-{sort}"}
    for q, chosen in itertools.product(SEARCHES, filters[: len(FILTERS[name]) + 1]):
        yield {**chosen, "q": q}


@pytest.fixture(scope="module")
def before(small):
    """What pages of whole lists cost of a thousand orders, and of a hundred thousand from then on."""
    costs = [(name, query, read(name, **query).reads) for name in WHOLE for query in unfiltered(name)]
    assert_small_tables_count_exactly()
    grow()
    return costs


def assert_small_tables_count_exactly():
    for name, asked in itertools.product(("orders", "products"), ({"q": "s"}, {"q": "blue", "sort": "-id"}, {})):
        page_of, query = LISTS[name]
        with transaction() as session:
            assert page_of(session, query(**asked)).exact


def test_pages_cost_the_same_of_a_hundred_times_as_much(before):
    deep = {"orders": 99_000, "movements": 140_000}
    for name, query, reads in before:
        now = {**query, **({"start": deep[name]} if query.get("start") and name in deep else {})}
        assert read(name, **now).reads <= 3 * max(reads, PAGE) + SKIPPED * ("start" in query), (name, now, reads)


def test_narrowed_pages_read_no_more_than_is_bearable(before):
    # For what is looked at it is looked up in turn whether its product, or customer, has the words.
    bound = 8 * _LOOKED_AT
    worst = 0
    for name in LISTS:
        for query in narrowed(name):
            found = read(name, **query)
            worst = max(worst, found.reads)
            assert found.reads <= bound, (name, query, found.reads)
            explain(found.statements)
    assert worst > FEW


def explain(statements):
    """No statement goes over a whole table, nor over a whole index but to take from its beginning."""
    with transaction() as session:
        connection = session.connection()
        for statement, parameters in statements:
            # What came after the last noted position is counted, and that may be all of a small table.
            if not statement.startswith("SELECT") or "list_positions" in statement:
                continue
            for row in connection.exec_driver_sql(f"EXPLAIN FORMAT=TRADITIONAL {statement}", parameters).mappings():
                ours = row["table"] is not None and not row["table"].startswith("<")
                assert not ours or row["type"] != "ALL" or count(row["table"]) <= FEW, (statement, dict(row))
                assert row["type"] != "index" or "LIMIT" in statement, (statement, dict(row))
