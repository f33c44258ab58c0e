"""How often a route asks the database and Redis: few times, and as often for many rows as for few."""

from __future__ import annotations

import importlib
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pymysql
import pytest
import redis as redis_package

import common.db
from common.redis_client import get_redis
from tests.factories import event, given_customer, given_order, given_procurement, given_product, given_supplier, party, product
from tests.gateway import acting
from tests.integration.services.conftest import hand_over, mark_delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.gateway import Gateway


@dataclass
class Asked:
    """Statements (COMMIT counts as one) and trips to Redis, of which one may carry many commands."""

    sql: int = 0
    redis: int = 0


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Counts what functions ask while a block lasts; what a test asks by itself does not count."""
    found = Asked()
    execute, send = pymysql.connections.Connection._execute_command, redis_package.connection.AbstractConnection.send_packed_command

    def executing(self: Any, *arguments: Any) -> Any:
        found.sql += acting() != ""
        return execute(self, *arguments)

    def sending(self: Any, *arguments: Any, **options: Any) -> Any:
        found.redis += acting() != ""
        return send(self, *arguments, **options)

    # However slow the machine is: a connection that was not used for a while would be asked whether it is alive.
    monkeypatch.setattr(common.db, "_ALIVE_SECONDS", float("inf"))
    monkeypatch.setattr(pymysql.connections.Connection, "_execute_command", executing)
    monkeypatch.setattr(redis_package.connection.AbstractConnection, "send_packed_command", sending)

    @contextmanager
    def count() -> Iterator[Asked]:
        found.sql = found.redis = 0
        yield found

    return count


class Company:
    """So many of everything, one of each kind by its name in the paths below."""

    def __init__(self, api: Gateway, deliver: Callable[[], Any], rows: int) -> None:
        self.api = api
        self.products = [given_product(api, supplier_id=given_supplier(api)["id"]) for _ in range(rows)]
        customers = [given_customer(api) for _ in range(rows)]
        for each in self.products:
            given_procurement(api, each, 50)
        deliver()
        self.orders = [given_order(api, made, customer_id=customer["id"]) for made, customer in zip(self.products, customers, strict=True)]
        deliver()
        self.ids = {
            "supplier_id": self.products[0]["supplier_id"],
            "product_id": self.products[0]["id"],
            "customer_id": customers[0]["id"],
            "order_id": self.orders[0]["id"],
            "storage_id": api.get("/api/inventory").json["inventory"][0]["id"],
            "procurement_id": api.get("/api/procurements").json["procurements"][0]["id"],
        }

    def url(self, path: str) -> str:
        return path.format(**self.ids, city="Bath")


# What a read asks where the cache knows nothing, and then where it knows what it can: statements and trips, each.
ENTITIES = {
    "/api/suppliers/{supplier_id}": (2, 2, 0, 1),
    "/api/customers/{customer_id}": (2, 2, 0, 1),
    # Its supplier is asked for: a breaker is looked at, and an invocation does as much again.
    "/api/products/{product_id}": (4, 8, 0, 2),
    "/api/orders/{order_id}": (2, 2, 0, 1),
    "/api/procurements/{procurement_id}": (2, 2, 0, 1),
    # Stock is always read; its product is asked for, and the product's supplier.
    "/api/inventory/{storage_id}": (6, 12, 2, 1),
    "/api/inventory/product/{product_id}": (6, 12, 2, 1),
}
LISTS = {
    "/api/suppliers": (3, 3, 0, 2),
    "/api/suppliers?q=party": (4, 3, 0, 2),
    "/api/suppliers/city/{city}": (3, 3, 0, 2),
    "/api/customers": (3, 3, 0, 2),
    "/api/customers?q=party": (4, 3, 0, 2),
    "/api/customers/city/{city}": (3, 3, 0, 2),
    "/api/products": (5, 9, 0, 3),
    "/api/products?q=product&sort=name": (6, 9, 0, 3),
    "/api/products?category=lamps": (5, 9, 0, 3),
    "/api/orders": (3, 3, 0, 2),
    "/api/orders?status=confirmed&sort=-id": (3, 3, 0, 2),
    "/api/orders/product/{product_id}": (3, 3, 0, 2),
    "/api/orders/customer/{customer_id}": (3, 3, 0, 2),
    "/api/procurements": (3, 3, 0, 2),
    "/api/procurements/product/{product_id}": (3, 3, 0, 2),
    "/api/procurements/supplier/{supplier_id}": (3, 3, 0, 2),
    "/api/inventory": (7, 12, 3, 1),
    "/api/inventory?low=false": (7, 12, 3, 1),
    "/api/inventory/alerts": (3, 0, 3, 0),
    "/api/inventory/movements": (3, 0, 3, 0),
    "/api/inventory/product/{product_id}/movements": (5, 0, 5, 0),
    "/api/inventory/reconcile": (9, 0, 8, 0),
    # Where nothing is summed up yet, as here, it is looked whether it may be.
    "/api/inventory/statistics": (9, 0, 6, 0),
    "/api/orders/statistics": (17, 3, 0, 2),
    "/api/procurements/statistics": (17, 3, 0, 2),
}
# What a write asks, with all the cache can know and an Idempotency-Key where it is honoured.
WRITES = {
    "POST /api/suppliers": (6, 2),
    "PUT /api/suppliers/{supplier_id}": (6, 2),
    "POST /api/customers": (6, 2),
    "PUT /api/customers/{customer_id}": (6, 2),
    "POST /api/products": (6, 3),
    "PUT /api/products/{product_id}": (6, 3),
    "POST /api/procurements": (5, 3),
    "POST /api/orders": (5, 4),
    "POST /api/orders/{order_id}/cancel": (5, 2),
    "PUT /api/inventory/{storage_id}": (8, 2),
    "POST /api/inventory": (8, 2),
    "DELETE /api/products/{unused_id}": (7, 2),
}
# What a consumer asks for a batch of events of one kind, however many they are.
BATCHES = {"inventory procurement_stock_in": (6, 2), "inventory order_stock_out": (8, 2), "order order_confirmed": (5, 2)}


def reads(company: Company, counting: Callable[[], Any], path: str) -> tuple[int, int, int, int]:
    """What a path asks, cold and then warm."""
    get_redis().flushall()
    taken: list[int] = []
    for _ in range(2):
        with counting() as asked:
            answer = company.api.get(company.url(path))
        assert answer.status == 200, answer.text
        taken += (asked.sql, asked.redis)
    return taken[0], taken[1], taken[2], taken[3]


def too_many(found: dict[str, Any], bounds: dict[str, Any]) -> dict[str, str]:
    return {
        what: f"{asked}, at most {bounds[what]}"
        for what, asked in found.items()
        if any(one > bound for one, bound in zip(asked, bounds[what], strict=True))
    }


def test_every_read_asks_as_much_of_forty_rows_as_of_three_and_little(api, deliver, counting):
    bounds = ENTITIES | LISTS
    few = Company(api, deliver, 3)
    found = {path: reads(few, counting, path) for path in bounds}
    assert too_many(found, bounds) == {}
    many = Company(api, deliver, 40)
    assert too_many({path: reads(many, counting, path) for path in bounds}, found) == {}


def test_every_route_that_reads_has_a_bound():
    services = ("supplier", "customer", "product", "inventory", "procurement", "order")
    operations = [each for service in services for each in importlib.import_module(f"{service}.app").app.operations]
    asked = {path.partition("?")[0] for path in ENTITIES | LISTS}
    assert {each.path for each in operations if each.method == "GET" and not each.path.endswith("/health")} == asked


def test_writes_ask_little(api, deliver, counting):
    company = Company(api, deliver, 3)
    unused, fresh = given_product(api), given_product(api)
    deliver()
    company.ids |= {"unused_id": unused["id"]}
    bodies = {
        "suppliers": party(),
        "customers": party(),
        "procurements": {"supplier_id": company.ids["supplier_id"], "product_id": company.ids["product_id"], "quantity": 1},
        "orders": {"customer_id": company.ids["customer_id"], "product_id": company.ids["product_id"], "quantity": 1},
        "PUT inventory": {"delta": 1},
        "POST inventory": {"product_id": fresh["id"], "quantity": 5},
    }
    found = {}
    for what in WRITES:
        method, path = what.split(" ")
        plural = path.split("/")[2]
        body = product(company.ids["supplier_id"]) if plural == "products" else bodies.get(plural) or bodies.get(f"{method} {plural}")
        bare = method == "DELETE" or path.endswith("cancel")
        with counting() as asked:
            headers = {"idempotency-key": uuid.uuid4().hex}
            answer = api.request(method, company.url(path), None if bare else body, headers=headers)
        assert answer.status in {200, 201, 204}, answer.text
        found[what] = (asked.sql, asked.redis)
    assert too_many(found, WRITES) == {}


def test_a_batch_asks_no_more_than_one_event(api, deliver, counting):
    company = Company(api, deliver, 30)
    bought = [
        event("procurement_stock_in", procurement_id=1000 + number, product_id=each["id"], quantity=5)
        for number, each in enumerate(company.products * 2)
    ]
    orders = [given_order(api, each, customer_id=company.ids["customer_id"]) for each in company.products]
    sold = [event("order_stock_out", order_id=each["id"], product_id=each["product_id"], quantity=1) for each in orders]
    decided = [event("order_confirmed", order_id=each["id"], product_id=each["product_id"], quantity=1, available=50) for each in orders]
    mark_delivered()
    events = {"inventory procurement_stock_in": bought, "inventory order_stock_out": sold, "order order_confirmed": decided}
    found = {}
    for what, batch in events.items():
        for part in (batch[:1], batch[1:]):
            with counting() as asked:
                assert hand_over(what.split(" ")[0], *part) == []
            found[what] = (max(asked.sql, found.get(what, (0, 0))[0]), max(asked.redis, found.get(what, (0, 0))[1]))
    assert too_many(found, BATCHES) == {}
