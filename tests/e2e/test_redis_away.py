"""Redis is a help, not a need: without it everything is answered, and nothing stale is when it is back."""

import time

import pytest

from infra.stack import launcher
from tests.e2e.client import Clerk, eventually

pytestmark = pytest.mark.supervised


def _body(product, **changes):
    return {name: product[name] for name in product if name not in {"id", "version", "supplier"}} | changes


def test_reads_and_writes_answer_without_waiting_and_what_was_ordered_is_applied_afterwards(system):
    clerk = Clerk(system.gateway_url)
    customer, product = clerk.customer(), clerk.stocked_product(30)
    clerk.get(f"/api/products/{product['id']}")  # into the cache
    launcher.set_server(system, "redis", "stop")
    try:
        took = []
        for price in (5, 6, 7):
            began = time.monotonic()
            clerk.http.put(f"/api/products/{product['id']}", json=_body(product, price_sell=price)).raise_for_status()
            assert clerk.get(f"/api/products/{product['id']}")["price_sell"] == price
            assert clerk.get("/api/products", q=product["product_code"])["products"][0]["price_sell"] == price
            took.append((time.monotonic() - began) / 3)
        assert sorted(took)[1] < 0.25, f"seconds per request: {took}"
        order = clerk.order(customer, product, 4)
        assert order.status_code == 201, order.text
        assert clerk.get("/health")["services"]["product"]["redis"]["ok"] is False
    finally:
        launcher.set_server(system, "redis", "start")

    assert clerk.get(f"/api/products/{product['id']}")["price_sell"] == 7
    assert clerk.get("/api/products", q=product["product_code"])["products"][0]["price_sell"] == 7
    assert clerk.decided(order.json()["id"])["status"] == "confirmed"
    assert clerk.stock(product) == 26
    eventually(lambda: clerk.get("/health")["status"] == "ok", what="health")
