"""What happens is seen on the page without asking again, and nothing is missed by a lost connection."""

import json
import os
import signal
import time
from contextlib import contextmanager

import httpx
import pytest

from infra.bridge.child import LIVE_EVENTS
from tests.bridge_children import child_pid
from tests.e2e.client import Clerk, eventually

PATIENCE = 15


class Stream:
    """A client of the live events, on the page's address; it keeps what it heard and where it was."""

    def __init__(self, system, clerk):
        self.http = httpx.Client(base_url=system.page_url, headers={"authorization": f"Bearer {clerk.token}"}, timeout=PATIENCE)
        self.last_id = None
        self.heard = {}

    @contextmanager
    def connected(self):
        headers = {"last-event-id": self.last_id} if self.last_id else {}
        with self.http.stream("GET", "/api/events", headers=headers) as answer:
            assert answer.status_code == 200, answer.read()
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.iter_lines()
            yield lambda wanted: self._until(lines, wanted)

    def _until(self, lines, wanted):
        """The event that is wanted; whatever comes before it is kept."""
        deadline = time.monotonic() + PATIENCE
        fields = {}
        for line in lines:
            assert time.monotonic() < deadline
            name, _, value = line.partition(": ")
            if name in {"id", "event", "data"}:
                fields[name] = value
            elif not line and fields:
                self.last_id = fields.get("id", self.last_id)
                told = json.loads(fields["data"]) | {"control": fields.get("event")}
                if not told["control"]:
                    self.heard[told["channel"], told["event_id"]] = told
                fields = {}
                if wanted(told):
                    return told
        raise AssertionError("the stream ended")


def ready(told):
    return told["control"] == "ready"


def decided(order):
    return lambda told: told.get("channel") == "order_status" and told["order_id"] == order["id"]


def test_an_order_is_seen_to_be_confirmed_and_its_stock_to_fall(system):
    clerk = Clerk(system.gateway_url)
    customer, product = clerk.customer(), clerk.stocked_product(10)
    stream = Stream(system, clerk)
    with stream.connected() as until:
        assert until(ready)["resumed"] is False
        order = clerk.order(customer, product, 4).json()
        assert until(decided(order))["event_type"] == "order_confirmed"
        if not any(told["channel"] == "stock_movements" for told in stream.heard.values()):
            until(lambda told: told.get("channel") == "stock_movements" and told["product_id"] == product["id"])
    (movement,) = [told for told in stream.heard.values() if told["channel"] == "stock_movements"]
    assert (movement["delta"], movement["balance_after"], movement["reference"]) == (-4, 6, f"order:{order['id']}")


def test_what_happened_while_away_is_told_at_the_return(system):
    clerk = Clerk(system.gateway_url)
    customer, product = clerk.customer(), clerk.stocked_product(100)
    stream = Stream(system, clerk)
    orders = []
    with stream.connected() as until:
        until(ready)
    for _ in range(3):
        orders += [clerk.order(customer, product, 1).json() for _ in range(5)]
        with stream.connected() as until:
            assert until(ready)["resumed"] is True
            orders.append(clerk.order(customer, product, 1).json())
            until(decided(orders[-1]))
    for order in orders:
        clerk.decided(order["id"])
    with stream.connected() as until:
        last = clerk.order(customer, product, 1).json()
        until(decided(last))
    seen = {told["order_id"] for told in stream.heard.values() if told["channel"] == "order_status"}
    assert {order["id"] for order in [*orders, last]} <= seen
    clerk.stock(product)


@pytest.mark.supervised
def test_events_go_on_after_their_server_was_killed(system):
    clerk = Clerk(system.gateway_url)
    customer, product = clerk.customer(), clerk.stocked_product(100)
    stream = Stream(system, clerk)
    with stream.connected() as until:
        until(ready)
        os.kill(eventually(lambda: child_pid(system, LIVE_EVENTS), what="its server"), signal.SIGKILL)
        with pytest.raises((AssertionError, httpx.HTTPError)):
            until(lambda _: False)
    order = clerk.order(customer, product, 1).json()
    clerk.decided(order["id"])  # its death never touches the consumers
    eventually(lambda: stream.http.get("/api/events", headers={"authorization": "none"}).status_code == 401, seconds=15)
    with stream.connected() as until:
        assert until(ready)["resumed"] is True
        until(decided(order))


@pytest.mark.parametrize("authorization", [None, "Bearer nonsense", "Basic YTpi"])
def test_nobody_listens_without_a_token(system, authorization):
    headers = {"authorization": authorization} if authorization else {}
    answer = httpx.get(f"{system.page_url}/api/events", headers=headers, timeout=30)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.json()["code"] == "unauthorized"


def test_the_page_and_its_api_have_one_origin(system):
    clerk = Clerk(system.page_url)
    assert clerk.get("/api/products", limit=1)["limit"] == 1
    eventually(lambda: clerk.health()["status"] == "ok", what="health after what the other tests did")
    page = httpx.get(f"{system.page_url}/orders", timeout=30)
    assert page.status_code in {200, 503}  # 503: not built here
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert httpx.get(f"{system.page_url}/api/docs", timeout=30).status_code == 200
