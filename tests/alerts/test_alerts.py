"""Each alert is raised by what it is for, by a real Prometheus that reads a real system, and goes when that is over."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pymysql
import pytest
import redis
import yaml

from infra.stack import Ports, Stack, launcher
from infra.stack.instance import PROJECT_DIR
from tests.administrator import database_of
from tests.alerts.prometheus import OBSERVABILITY, Prometheus
from tests.bridge_children import child_pid
from tests.e2e.client import Clerk, eventually, product_fields, unique

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 120
RULES = [rule["alert"] for rule in yaml.safe_load((OBSERVABILITY / "alerts.yml").read_text())["groups"][0]["rules"]]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("system"), Ports.free())
    try:
        launcher.up(stack)
        yield stack
    finally:
        launcher.down(stack)


@pytest.fixture(scope="module")
def prometheus(system: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    made = Prometheus(system, tmp_path_factory.mktemp("prometheus"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def clerk(system: Stack) -> Clerk:
    return Clerk(system.gateway_url)


@pytest.fixture
def raised(prometheus: Prometheus):
    """Waits for an alert, and that the test leaves none of those behind."""
    seen = []

    def wait(name: str, meanwhile=lambda: None, **labels: str) -> None:
        def look() -> bool:
            meanwhile()
            return prometheus.firing(name, **labels)

        eventually(look, seconds=PATIENCE, what=f"the alert {name} {labels}")
        seen.append((name, labels))

    def are_over() -> None:
        for name, labels in seen:
            eventually(lambda: not prometheus.firing(name, **labels), seconds=PATIENCE, what=f"the end of {name} {labels}")  # noqa: B023

    wait.are_over = are_over
    return wait


def test_nothing_is_raised_while_all_is_well(prometheus, clerk):
    customer, product = clerk.customer(), clerk.stocked_product(50)
    for _ in range(10):
        clerk.decided(clerk.order(customer, product, 1).json()["id"])
    eventually(lambda: not any(prometheus.firing(name) for name in RULES), seconds=PATIENCE, what="silence")


def test_a_server_that_is_away(system, raised):
    with launcher.without(system, ["redis"]):
        raised("ServerAway", server="redis")
    with launcher.without(system, ["bridge"]):
        raised("ServerAway", job="bridge")
    raised.are_over()


def test_a_consumer_that_is_given_up_and_the_events_that_wait_for_it(system, clerk, raised):
    crash = system.run_dir / "crash-points" / "product.at_start"
    crash.parent.mkdir(exist_ok=True)
    crash.write_text("always")
    os.kill(child_pid(system, "product"), signal.SIGKILL)
    clerk.supplier()
    raised("ConsumerGivenUp", consumer="product")
    raised("EventsLate", consumer="product")
    crash.unlink()
    assert _inventory(system, "revive").returncode == 0
    raised.are_over()


def test_events_that_no_consumer_can_take(system, clerk, raised):
    event_id = unique("poison")
    event = {"event_id": event_id, "event_type": "procurement_stock_in", "occurred_at": "2026-01-01T00:00:00+00:00", "trace_id": "poison"}
    event |= {"procurement_id": 1, "product_id": 2_000_000_000, "quantity": 1}
    with database_of(system) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO outbox (event_id, channel, payload, trace_id, created_at) VALUES (%s, %s, %s, 'poison', UTC_TIMESTAMP(6))",
            (event_id, event["event_type"], json.dumps(event)),
        )
        raised("DeadLetters", consumer="inventory")
        cursor.execute("DELETE FROM dead_letters WHERE event_id = %s", (event_id,))
        cursor.execute("DELETE FROM outbox WHERE event_id = %s", (event_id,))
    raised.are_over()


def test_a_breaker_that_trips_and_requests_that_fail(system, clerk, raised):
    with _configured(
        system, "inventory-supplier", lambda now: {"Environment": {"Variables": now["Environment"]["Variables"] | {"DATABASE_PORT": "1"}}}
    ):
        _forget_suppliers(system)
        for _ in range(8):
            assert clerk.http.post("/api/products", json=product_fields(1)).status_code == 503
        raised("BreakerTripped", dependency="supplier")
        # A counter grows for Prometheus from the second time it is seen.
        raised("RequestsFail", lambda: clerk.http.post("/api/products", json=product_fields(1)))
    _ask_until_nothing_fails(clerk)
    raised.are_over()


def test_a_function_that_cannot_be_loaded(system, clerk, raised):
    with _configured(system, "inventory-customer", lambda now: {"Handler": "no_such_module.handler"}):
        for _ in range(5):
            assert clerk.http.get("/api/customers").status_code == 502
        raised("FunctionsFail", function="inventory-customer")
    _ask_until_nothing_fails(clerk)
    raised.are_over()


def test_more_invocations_than_environments(system, clerk, raised):
    def ask() -> None:
        with contextlib.suppress(Exception):  # whoever waited for too long is refused, which is not what is looked at
            clerk.get("/api/suppliers", q=unique("nobody"))

    with database_of(system) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLES suppliers WRITE")
        crowd = [threading.Thread(target=ask, daemon=True) for _ in range(20)]
        for one in crowd:
            one.start()
        raised("InvocationsQueue", function="inventory-supplier")
        cursor.execute("UNLOCK TABLES")
    for one in crowd:
        one.join(60)
    _ask_until_nothing_fails(clerk)
    raised.are_over()


def test_redis_nearly_full(system, raised):
    client = redis.Redis(port=system.ports.redis)
    limit = client.config_get("maxmemory")["maxmemory"]
    client.config_set("maxmemory", int(client.info()["used_memory"] * 1.1))
    raised("RedisNearlyFull")
    client.config_set("maxmemory", limit)
    raised.are_over()


def test_connections_nearly_exhausted(system, raised):
    addresses = system.addresses()
    with contextlib.ExitStack() as connections:
        for _ in range(250):
            connection = pymysql.connect(
                host="127.0.0.1", port=system.ports.mysql, user=addresses["DATABASE_USER"], password=addresses["DATABASE_PASSWORD"]
            )
            connections.callback(connection.close)
        raised("ConnectionsNearlyExhausted")
    raised.are_over()


def test_localstack_that_grows(prometheus, raised):
    prometheus.with_rules({"> 1.5e9": "> 1e6"})
    raised("LocalStackGrows")
    prometheus.with_rules({})
    raised.are_over()


def test_every_alert_is_caused_here():
    assert [name for name in RULES if f'raised("{name}"' not in Path(__file__).read_text()] == []


@contextlib.contextmanager
def _configured(system, function, change):
    """A function whose configuration is another."""
    client = boto3.client(
        "lambda", endpoint_url=system.localstack_url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )

    def configure(values):
        client.update_function_configuration(FunctionName=function, **values)
        client.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1})

    now = client.get_function_configuration(FunctionName=function)
    changed = change(now)
    configure(changed)
    try:
        yield
    finally:
        configure(
            {"Environment": {"Variables": now["Environment"]["Variables"]}} if "Environment" in changed else {"Handler": now["Handler"]}
        )


def _ask_until_nothing_fails(clerk):
    """Shares of what failed need something that does not."""

    def ask():
        return all(
            clerk.http.get(path, params={"limit": 1}).status_code == 200 for path in ("/api/suppliers", "/api/customers", "/api/products")
        )

    for _ in range(20):
        eventually(ask, seconds=PATIENCE, what="answers")


def _forget_suppliers(system):
    client = redis.Redis(port=system.ports.redis)
    for key in client.scan_iter("supplier:*"):
        client.delete(key)


def _inventory(system, *arguments):
    command = [Path(sys.executable).with_name("inventory"), "--run-dir", system.run_dir, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=PROJECT_DIR)
