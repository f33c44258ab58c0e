"""Processes die; what they were doing does not."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.e2e.client import Clerk, eventually, pid_of

pytestmark = pytest.mark.supervised


def _consumer(clerk, name):
    return clerk.health()["consumers"].get(name, {})


def _running(clerk, name):
    """The process of a consumer that runs; None while it does not."""
    consumer = _consumer(clerk, name)
    return consumer["pid"] if consumer.get("state") == "running" else None


def _taken(clerk, customer, product, key):
    """What a careful client does: the same key until there is an answer. The order's id, None while it is not taken."""
    answer = clerk.order(customer, product, 1, **{"idempotency-key": key})
    return answer.json()["id"] if answer.status_code == 201 else None


def test_a_killed_consumer_is_back_and_its_events_are_applied(system):
    clerk = Clerk(system.gateway_url)
    customer, product = clerk.customer(), clerk.stocked_product(20)
    pid = eventually(lambda: _running(clerk, "inventory"), what="the consumer's pid")

    os.kill(pid, signal.SIGKILL)
    order = clerk.order(customer, product, 5).json()

    eventually(lambda: _running(clerk, "inventory") not in {None, pid}, what="a new consumer")
    assert clerk.decided(order["id"])["status"] == "confirmed"
    assert clerk.stock(product) == 15


def test_a_killed_bridge_is_back_and_nothing_is_lost(system):
    clerk = Clerk(system.gateway_url)
    customer, product = clerk.customer(), clerk.stocked_product(20)

    os.kill(pid_of(system, "bridge"), signal.SIGKILL)
    orders = [clerk.order(customer, product, 1).json()["id"] for _ in range(5)]

    assert {clerk.decided(order_id)["status"] for order_id in orders} == {"confirmed"}
    assert clerk.stock(product) == 15


def test_killed_function_processes_lose_and_double_nothing(system):
    clerk = Clerk(system.gateway_url)
    customer, product = clerk.customer(), clerk.stocked_product(100)
    orders = []
    for number in range(20):
        if number % 4 == 0:
            environments = httpx.get(f"{system.localstack_url}/_lambda/environments", timeout=30).json()["environments"]
            for environment in environments:
                if environment["pid"] and environment["function"] in {"inventory-order", "inventory-inventory-consumer"}:
                    _kill(environment["pid"])

        key = f"kill-{product['id']}-{number}"
        orders.append(eventually(lambda key=key: _taken(clerk, customer, product, key), what="an answer"))

    assert {clerk.decided(order_id)["status"] for order_id in orders} == {"confirmed"}
    assert len(set(orders)) == 20
    assert clerk.stock(product) == 80


def test_a_killed_database_comes_back_with_everything(system):
    clerk = Clerk(system.gateway_url)
    customer, product = clerk.customer(), clerk.stocked_product(20)
    order_id = clerk.order(customer, product, 2).json()["id"]

    os.kill(pid_of(system, "mariadb"), signal.SIGKILL)
    answer = clerk.http.get("/api/orders", params={"sort": "-id", "limit": 1, "q": product["product_code"]})
    assert answer.status_code in {200, 503}  # cached, or told honestly
    eventually(lambda: clerk.http.get("/api/orders/health").status_code == 200, seconds=60, what="the database")

    assert clerk.decided(order_id)["status"] == "confirmed"
    assert clerk.stock(product) == 18
    eventually(lambda: clerk.health()["status"] == "ok", what="health")


def test_killed_localstack_is_deployed_again_and_tokens_stay_valid(system):
    clerk = Clerk(system.gateway_url)
    customer, product = clerk.customer(), clerk.stocked_product(20)

    os.kill(pid_of(system, "localstack"), signal.SIGKILL)

    def answers():
        try:
            return clerk.http.get("/api/products").status_code == 200
        except httpx.TransportError:
            return False

    eventually(answers, seconds=180, what="the API")
    order_id = eventually(lambda: _taken(clerk, customer, product, f"deployed-again-{product['id']}"), seconds=60, what="an answer")
    assert clerk.decided(order_id)["status"] == "confirmed"


def test_a_consumer_that_always_dies_is_given_up_and_the_others_go_on(system):
    clerk = Clerk(system.gateway_url)
    crash = system.run_dir / "crash-points" / "product.at_start"
    crash.parent.mkdir(exist_ok=True)
    crash.write_text("always")
    try:
        os.kill(eventually(lambda: _running(clerk, "product"), what="the consumer's pid"), signal.SIGKILL)
        state = eventually(lambda: (seen := _consumer(clerk, "product")).get("state") == "given_up" and seen, seconds=120, what="giving up")
        assert state["restarts"] == 3
        eventually(lambda: clerk.health()["status"] == "degraded", what="that something limps")
        status = _inventory(system, "status")
        assert status.returncode == 1
        assert "given_up" in status.stdout
        order = clerk.order(clerk.customer(), clerk.stocked_product(5), 5).json()
        assert clerk.decided(order["id"])["status"] == "confirmed"
    finally:
        crash.unlink()
    assert _inventory(system, "revive").returncode == 0
    eventually(lambda: clerk.health()["status"] == "ok", what="health")


def _inventory(system, *arguments):
    command = [Path(sys.executable).with_name("inventory"), "--run-dir", system.run_dir, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, env=system.environment() | {"COLUMNS": "80"})


def _kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
