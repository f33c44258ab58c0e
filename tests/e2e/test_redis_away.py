"""Redis is a help, not a need: without it everything is answered, and nothing stale is when it is back."""

import time

import pytest

from infra.stack import launcher
from tests.e2e.client import Clerk, eventually

pytestmark = pytest.mark.supervised

# What common.redis_client waits for a connection.
TIME_OUT = 0.2


def _body(product, **changes):
    return {name: product[name] for name in product if name not in {"id", "version", "supplier"}} | changes


def _work(clerk, product, prices):
    """Change the price to each of these and read it. Returns the seconds per request, at the quickest: the others the machine held up."""
    took = []
    for price in prices:
        began = time.monotonic()
        clerk.http.put(f"/api/products/{product['id']}", json=_body(product, price_sell=price)).raise_for_status()
        assert clerk.get(f"/api/products/{product['id']}")["price_sell"] == price
        assert clerk.get("/api/products", q=product["product_code"])["products"][0]["price_sell"] == price
        took.append((time.monotonic() - began) / 3)
    return min(took)


def _redis_is_missed(clerk):
    return clerk.health()["services"].get("product", {}).get("redis", {}).get("ok") is False


def test_reads_and_writes_answer_without_waiting_and_what_was_ordered_is_applied_afterwards(system):
    clerk = Clerk(system.gateway_url)
    customer, product = clerk.customer(), clerk.stocked_product(30)
    with_redis = _work(clerk, product, range(1, 6))
    launcher.set_server(system, "redis", "stop")
    try:
        without = _work(clerk, product, range(11, 16))
        assert without < with_redis + TIME_OUT
        order = clerk.order(customer, product, 4)
        assert order.status_code == 201, order.text
        eventually(lambda: _redis_is_missed(clerk), what="that Redis is missed")
    finally:
        launcher.set_server(system, "redis", "start")

    assert clerk.get(f"/api/products/{product['id']}")["price_sell"] == 15
    assert clerk.get("/api/products", q=product["product_code"])["products"][0]["price_sell"] == 15
    assert clerk.decided(order.json()["id"])["status"] == "confirmed"
    assert clerk.stock(product) == 26
    eventually(lambda: clerk.health()["status"] == "ok", what="health")
