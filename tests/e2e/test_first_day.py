"""A company's first day: from the first user to the first order that cannot be had."""

import json
import threading
import uuid

import redis

from common.events import TOPOLOGY
from tests.e2e.client import Clerk, eventually
from tests.gateway import SERVICES


class Subscriber:
    """What `redis-cli SUBSCRIBE` on all channels shows."""

    def __init__(self, stack):
        self.heard = []
        self._pubsub = redis.Redis(port=stack.ports.redis, decode_responses=True).pubsub(ignore_subscribe_messages=True)
        self._pubsub.subscribe(*TOPOLOGY)
        self._stop = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while not self._stop.is_set():
            message = self._pubsub.get_message(timeout=0.1)
            if message:
                self.heard.append((message["channel"], json.loads(message["data"])))

    def close(self):
        self._stop.set()
        self._reader.join()
        self._pubsub.close()

    def of(self, channel, **fields):
        return [event for name, event in list(self.heard) if name == channel and fields.items() <= event.items()]


def test_from_register_to_a_refused_order(system):
    subscriber = Subscriber(system)
    clerk = Clerk(system.gateway_url)
    supplier, customer = clerk.supplier(), clerk.customer()
    product = clerk.product(supplier_id=supplier["id"])

    procurement = clerk.procure(product, 50)
    eventually(lambda: clerk.stock(product) == 50, what="a stock of 50")

    answer = clerk.order(customer, product, 10)
    assert answer.status_code == 201
    assert answer.json()["status"] == "pending"
    order = clerk.decided(answer.json()["id"])
    assert order["status"] == "confirmed"
    assert clerk.stock(product) == 40

    refused = clerk.order(customer, product, 100)
    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "insufficient_stock"
    assert refused.json()["available"] == 40

    clerk.http.post(f"/api/orders/{order['id']}/cancel").raise_for_status()
    eventually(lambda: clerk.stock(product) == 50, what="the cancelled order's stock back")
    low = clerk.order(customer, product, 45)
    clerk.decided(low.json()["id"])

    expected = [
        ("supplier_events", {"event_type": "supplier_created", "supplier_id": supplier["id"], "name": supplier["name"]}),
        ("customer_events", {"event_type": "customer_created", "customer_id": customer["id"]}),
        ("product_events", {"event_type": "product_created", "product_id": product["id"]}),
        ("procurement_stock_in", {"procurement_id": procurement["id"], "product_id": product["id"], "quantity": 50}),
        ("order_stock_out", {"event_type": "order_stock_out", "order_id": order["id"], "quantity": 10}),
        ("order_stock_out", {"event_type": "order_cancelled", "order_id": order["id"], "quantity": 10}),
        ("order_status", {"event_type": "order_confirmed", "order_id": order["id"]}),
        ("inventory_alert", {"event_type": "low_stock", "product_id": product["id"], "quantity": 5}),
    ]
    for channel, fields in expected:
        events = eventually(lambda channel=channel, fields=fields: subscriber.of(channel, **fields), what=f"{fields} on {channel}")
        assert len(events) == 1
        assert {"event_id", "event_type", "occurred_at", "trace_id"} <= events[0].keys()
    subscriber.close()

    alert = eventually(lambda: clerk.get("/api/inventory/alerts", product_id=product["id"])["alerts"], what="the alert")[0]
    movement = clerk.get(f"/api/inventory/product/{product['id']}/movements", sort="-id")["movements"][0]
    assert alert["cause_event_id"] == movement["event_id"]
    assert [m["delta"] for m in clerk.get(f"/api/inventory/product/{product['id']}/movements")["movements"]] == [50, -10, 10, -45]
    assert clerk.get("/api/inventory/reconcile")["reconciled"] is True


def test_one_trace_leads_from_the_request_to_the_movement(system):
    clerk = Clerk(system.gateway_url)
    customer, product = clerk.customer(), clerk.stocked_product(20)
    trace_id = uuid.uuid4().hex

    answer = clerk.order(customer, product, 3, traceparent=f"00-{trace_id}-{'1' * 16}-01")
    assert answer.headers["x-trace-id"] == trace_id
    clerk.decided(answer.json()["id"])

    movements = clerk.get(f"/api/inventory/product/{product['id']}/movements", reason="order")["movements"]
    assert [m["trace_id"] for m in movements] == [trace_id]


def test_lists_are_searched_in_any_alphabet(system):
    clerk = Clerk(system.gateway_url)
    supplier = clerk.supplier(city="São Paulo / Łódź")

    found = clerk.get("/api/suppliers/city/S%C3%A3o%20Paulo%20%2F%20%C5%81%C3%B3d%C5%BA")["suppliers"]
    assert supplier["id"] in [s["id"] for s in found]
    assert supplier["id"] in [s["id"] for s in clerk.get("/api/suppliers", q="łódź", sort="-id")["suppliers"]]


def test_health_is_measured(system):
    clerk = Clerk(system.gateway_url)
    health = eventually(lambda: (seen := clerk.health())["status"] == "ok" and seen, what="health")

    assert set(health["services"]) == set(SERVICES.values())
    assert all(service["database"]["milliseconds"] > 0 for service in health["services"].values())
    assert {c["state"] for c in health["consumers"].values()} == {"running"}
    for plural in SERVICES:
        assert clerk.get(f"/api/{plural}/health")["status"] == "ok"
