"""What the running system tells of itself: to Prometheus, `inventory top` and `inventory logs`."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from infra.metrics.reading import Between, addresses, look
from infra.stack.instance import PROJECT_DIR
from tests.e2e.client import Clerk, eventually

CONSUMERS = ("inventory", "order")
FUNCTIONS = ("inventory-order", "inventory-inventory-consumer", "inventory-order-consumer")
INVENTORY = Path(sys.executable).with_name("inventory")


@pytest.fixture
def between(system):
    """What happened while an order was taken and decided, once all that did a part of it have told so."""
    clerk = Clerk(system.gateway_url)
    customer, product = clerk.customer(), clerk.stocked_product(20)
    urls = addresses(system)
    with httpx.Client(timeout=30) as client:
        before = look(urls, client)
        clerk.decided(clerk.order(customer, product, 3).json()["id"])

        def told():
            """Consumers tell once a second what they have delivered."""
            now = Between(before, look(urls, client))
            delivered = [now.more("bridge_delivered_total", consumer=name) for name in CONSUMERS]
            invoked = [now.more("lambda_invocations_total", function=name) for name in FUNCTIONS]
            return min(*delivered, *invoked) >= 1 and now

        return eventually(told, what="that all is counted")


# The bridge's own port is published by no container: tests/containers asks it from inside.
@pytest.mark.supervised
def test_an_order_is_counted_wherever_it_passes(between):
    assert not between.after.away
    assert between.more("edge_requests_total", method="POST", route="/api/orders", status="201") == 1
    assert between.quantile(0.5, "edge_request_duration_seconds", method="POST", route="/api/orders") > 0
    assert between.after.get("bridge_consumer_state", consumer="order", state="running") == 1
    assert (between.after.get("up_of", server="redis"), between.after.get("up_of", server="mariadb")) == (1, 1)


# What the processes wrote lies in files of their machine.
@pytest.mark.supervised
def test_a_trace_is_followed_from_the_request_through_all_functions(system):
    clerk = Clerk(system.gateway_url)
    customer, product = clerk.customer(), clerk.stocked_product(20)
    answer = clerk.order(customer, product, 3)
    clerk.decided(answer.json()["id"])
    trace = answer.headers["x-trace-id"]

    def lines():
        return [line.split(None, 1) for line in _inventory(system, "logs", "--trace", trace).splitlines()]

    wrote = {"order", "inventory-consumer", "order-consumer"}
    found = eventually(lambda: (seen := lines()) and wrote <= {name for name, _ in seen} and seen, what=f"lines of {trace}")
    assert all(trace in (told := json.loads(line)).get("traces", [told.get("trace_id")]) for _, line in found)
    moments = [json.loads(line)["timestamp"] for _, line in found]
    assert moments == sorted(moments)
    assert trace in _inventory(system, "logs", "order-consumer", "--trace", trace)
    assert trace not in _inventory(system, "logs", "supplier", "--lines", "1000")


@pytest.mark.supervised
def test_top_shows_it(system):
    shown = _inventory(system, "top", "--count", "1", "--interval", "0.5")
    for words in ("requests/s", "Routes", "Functions", "procurement", "running", "Breakers", "connections"):
        assert words in shown, shown


@pytest.mark.parametrize("path", ["/metrics", "/_lambda/metrics"])
def test_metrics_are_not_told_to_everybody(system, path):
    for url in (system.gateway_url, system.page_url):
        assert "edge_requests" not in (answer := httpx.get(f"{url}{path}", timeout=30)).text
        assert "bridge_delivered" not in answer.text


def _inventory(system, *arguments):
    command = [INVENTORY, "--run-dir", system.run_dir, *arguments]
    return subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True, check=True, timeout=120).stdout
