"""Redis stopped: everything answers, nobody waits for a time-out, and nothing stale is served when it is back."""

import time
from contextlib import ExitStack, contextmanager
from statistics import median

import pytest
from prometheus_client.parser import text_string_to_metric_families

from common.redis_client import get_redis, guard_state
from infra.bridge.cache_repair import repair
from infra.bridge.database import close, connect
from infra.bridge.metrics import exposition
from infra.stack import Ports, Stack
from infra.stack.foreground import running
from tests.factories import given_customer, given_order, given_procurement, given_product, party, product
from tests.integration.services.conftest import begin_anew, count, undelivered

# What common.redis_client waits for a connection.
TIME_OUT = 0.2


class OwnRedis:
    """A Redis that a test may stop and start."""

    def __init__(self, stack):
        self._stack = stack
        self._running = ExitStack()
        self.environment = {name: value for name, value in stack.addresses().items() if name.startswith("REDIS_")}

    def start(self):
        self._running.enter_context(running(self._stack, "redis"))

    def stop(self):
        self._running.close()


@pytest.fixture
def own_redis(tmp_path):
    server = OwnRedis(Stack(tmp_path, Ports.free()))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def servers(mariadb, own_redis):
    return {**mariadb, **own_redis.environment}


class Timed:
    """Requests, and how long they take."""

    def __init__(self, api):
        self._api = api
        self.taken = {}

    def __call__(self, method, url, body=None, status=200):
        began = time.perf_counter()
        answer = self._api.request(method, url, body)
        self.taken[f"{len(self.taken)}: {method} {url}"] = time.perf_counter() - began
        assert answer.status == status, answer.text
        return answer.json if answer.text else None

    def seconds(self):
        """Of one as most are: what all of them wait for is their own doing, what one waits for the machine's."""
        return median(self.taken.values())


def work(request, made, prices):
    for _ in range(5):
        assert request("GET", f"/api/products/{made['id']}")["price_sell"] == made["price_sell"]
        for path in ("products", "suppliers", "customers", "orders", "procurements", "inventory"):
            request("GET", f"/api/{path}")
    body = {name: made[name] for name in made if name not in ("id", "version", "supplier")}
    for price in prices:
        request("PUT", f"/api/products/{made['id']}", body | {"price_sell": price})
        assert request("GET", f"/api/products/{made['id']}")["price_sell"] == price
        assert request("GET", "/api/products")["products"][0]["price_sell"] == price


def test_reads_and_writes_answer_and_what_they_did_shows_when_it_is_back(api, own_redis, deliver, stock_of):
    made = given_product(api, stock=40, price_sell=1)
    customer = given_customer(api)
    deliver()
    with_redis, quickly = Timed(api), Timed(api)
    work(with_redis, made, (4, 1))
    own_redis.stop()

    work(quickly, made, (2, 3))
    renamed = quickly("POST", "/api/suppliers", party(name="Made while Redis was away"), status=201)
    quickly("POST", "/api/products", product(renamed["id"]), status=201)
    order = quickly("POST", "/api/orders", {"customer_id": customer["id"], "product_id": made["id"], "quantity": 4}, status=201)
    assert quickly("GET", "/api/products/health")["status"] == "degraded"
    assert quickly.seconds() < with_redis.seconds() + TIME_OUT, quickly.taken
    assert "order_stock_out" in [event["event_type"] for _, event in undelivered()]

    own_redis.start()
    deadline = time.monotonic() + 30
    while api.get("/api/products/health").json["redis"]["ok"] is False and time.monotonic() < deadline:
        pass
    deliver()
    assert api.get(f"/api/orders/{order['id']}").json["status"] == "confirmed"
    assert stock_of(made) == 36
    assert api.get(f"/api/products/{made['id']}").json["price_sell"] == 3
    assert {p["price_sell"] for p in api.get("/api/products").json["products"]} == {3, 2.5}
    assert renamed in api.get("/api/suppliers").json["suppliers"]
    assert api.get("/api/orders").json["orders"][0]["status"] == "confirmed"
    assert api.get("/api/products/health").json["cache"] == {"warm": True}


def test_write_in_the_second_redis_came_back_is_not_shown_stale(api, own_redis, deliver):
    """The guard is still open then; other environments, whose guard is not, must see the write."""
    made = given_product(api, price_sell=1)
    own_redis.stop()
    while guard_state() != "open":
        api.get(f"/api/products/{made['id']}")
    own_redis.start()
    get_redis().set(f"product:{made['id']}", f'1:{{"id":{made["id"]},"version":1,"price_sell":1,"supplier_id":{made["supplier_id"]}}}')
    body = {name: made[name] for name in made if name not in ("id", "version", "supplier")}
    assert api.put(f"/api/products/{made['id']}", body | {"price_sell": 2}).status == 200
    begin_anew()
    assert api.get(f"/api/products/{made['id']}").json["price_sell"] == 2


def test_consumers_work_without_redis(api, own_redis, deliver, stock_of):
    made = given_product(api)
    own_redis.stop()
    given_procurement(api, made, 5)
    given_procurement(api, made, 7)
    deliver()
    assert stock_of(made) == 12
    order = given_order(api, made, 3)
    deliver()
    assert api.get(f"/api/orders/{order['id']}").json["status"] == "confirmed"


@contextmanager
def read_only(client):
    """As a replica whose master is not there, which answers what is asked and takes nothing new."""
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        yield
    finally:
        client.execute_command("REPLICAOF", "NO", "ONE")


def test_what_was_written_while_redis_took_nothing_is_put_right_by_the_bridge(api, own_redis, deliver):
    made, customer = given_product(api, stock=40, price_sell=1), given_customer(api)
    order = given_order(api, made, customer_id=customer["id"])
    deliver()
    assert api.get(f"/api/orders/{order['id']}").json["status"] == api.get("/api/orders").json["orders"][0]["status"] == "confirmed"
    assert api.get(f"/api/products/{made['id']}").json["price_sell"] == 1
    with read_only(get_redis()):
        assert api.post(f"/api/orders/{order['id']}/cancel").status == 200
        body = {name: made[name] for name in made if name not in ("id", "version", "supplier")}
        assert api.put(f"/api/products/{made['id']}", body | {"price_sell": 2}).status == 200
    begin_anew()

    connection = connect()
    try:
        assert repair(connection) == 2
        assert repair(connection) == 0
    finally:
        close(connection)

    assert api.get(f"/api/orders/{order['id']}").json["status"] == "cancelled"
    assert api.get("/api/orders").json["orders"][0]["status"] == "cancelled"
    assert api.get(f"/api/products/{made['id']}").json["price_sell"] == 2


def test_while_redis_is_away_nothing_is_told_and_nothing_forgotten(api, own_redis):
    made = given_product(api)
    own_redis.stop()
    body = {name: made[name] for name in made if name not in ("id", "version", "supplier")}
    assert api.put(f"/api/products/{made['id']}", body | {"price_sell": 2}).status == 200
    connection = connect()
    try:
        assert repair(connection) == 0
        assert count("cache_doubts") == 1
        own_redis.start()
        assert repair(connection) == 1
    finally:
        close(connection)


def test_metrics_of_redis_are_missing_rather_than_zero(api, own_redis):
    own_redis.stop()
    families = text_string_to_metric_families(exposition().decode())
    metrics = {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}
    assert (metrics["up_of", "redis"], metrics["up_of", "mariadb"]) == (0, 1)
    assert not [name for name in metrics if name[0].startswith(("redis_", "breaker_"))]
    assert metrics["bridge_consumer_state", "order", "unknown"] == 1
    assert ("outbox_undelivered",) in metrics
