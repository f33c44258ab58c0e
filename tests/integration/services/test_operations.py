"""What an operator asks the system service."""

import json
from urllib.parse import quote

import pytest
from sqlalchemy import text

from common.config import get_settings
from common.db import transaction
from common.events import TOPOLOGY
from common.redis_client import get_redis
from tests.factories import given_order, given_procurement, given_product
from tests.integration.services.conftest import mark_delivered


def execute(statement, **values):
    with transaction() as session:
        session.execute(text(statement), values)


@pytest.fixture
def dead_letter(api):
    """A procurement that inventory failed on."""
    given_procurement(api, given_product(api), 5)
    event = api.get("/api/system/events?channel=procurement_stock_in").json["events"][0]
    execute(
        "INSERT INTO dead_letters (consumer, event_id, channel, payload, reason, attempts, failed_at)"
        " SELECT 'inventory', event_id, channel, payload, 'ValueError: no', 5, UTC_TIMESTAMP(6) FROM outbox WHERE event_id = :id",
        id=event["event_id"],
    )
    mark_delivered()
    return event


def test_topology_is_that_of_the_code(api):
    found = api.get("/api/system/topology").json
    assert {channel["name"]: channel["consumers"] for channel in found["channels"]} == {
        name: list(channel.consumers) for name, channel in TOPOLOGY.items()
    }


def test_the_latest_events_come_first_and_say_where_they_are(api, deliver):
    given_product(api)
    before = api.get("/api/system/events").json
    assert [event["event_type"] for event in before["events"]] == ["product_created", "supplier_created"]
    assert {told["state"] for event in before["events"] for told in event["consumers"]} == {"waiting"}
    deliver()
    after = api.get("/api/system/events?channel=product_events").json
    (event,) = after["events"]
    assert {told["consumer"]: told["state"] for told in event["consumers"]} == dict.fromkeys(
        ("inventory", "procurement", "order"), "processed"
    )
    assert event["payload"]["product_code"]
    assert after["total"] == 1


def test_an_order_is_followed_to_its_stock_and_its_decision(api, deliver):
    order = given_order(api, given_product(api, stock=10), 4)
    deliver()
    trace_id = api.get("/api/system/events?channel=order_stock_out").json["events"][0]["trace_id"]
    traced = api.get(f"/api/system/traces/{trace_id}").json
    assert [event["event_type"] for event in traced["events"]] == ["order_stock_out", "low_stock", "order_confirmed"]
    assert traced["events"][0]["movement"]["delta"] == -4
    assert traced["events"][1]["movement"] is None
    by_event = traced["events"][1]["event_id"]
    assert api.get(f"/api/system/traces/{by_event}").json == traced
    assert api.get(f"/api/system/traces/order-{order['id']}").json == traced


def test_functions_tell_figures_of_what_was_committed(api, deliver, capsys, monkeypatch):
    given_order(api, given_product(api, stock=10), 4)
    monkeypatch.setattr(get_settings(), "metrics_in_logs", True)
    capsys.readouterr()
    deliver()
    told = [line for text in capsys.readouterr().out.splitlines() if "_aws" in (line := json.loads(text))]
    assert sum(line.get("StockAlerts", [0])[0] for line in told) == 1
    # low_stock and order_confirmed
    assert sum(line.get("EventsPublished", [0])[0] for line in told) == 2
    assert {line.get("DatabaseConnections", [0])[0] for line in told} >= {1}


def test_a_procurement_is_followed_by_its_number(api, deliver):
    product = given_product(api)
    first, second = given_procurement(api, product, 1), given_procurement(api, product, 2)
    deliver()
    for procurement, quantity in ((first, 1), (second, 2)):
        traced = api.get(f"/api/system/traces/procurement-{procurement['id']}").json
        assert traced["events"][0]["movement"]["delta"] == quantity


@pytest.mark.parametrize("key", ["nothing", "order-1", "procurement-99", "order-0", "order-99999999999"])
def test_what_was_never_told_has_no_trace(api, key):
    answer = api.get(f"/api/system/traces/{key}")
    assert (answer.status, answer.json["code"]) == (404, "trace_not_found")


def test_a_trace_is_told_without_movements_while_inventory_cannot_be_asked(api, deliver, lambda_client, monkeypatch):
    given_order(api, given_product(api, stock=10), 4)
    deliver()
    trace_id = api.get("/api/system/events?channel=order_stock_out").json["events"][0]["trace_id"]
    monkeypatch.setattr(lambda_client, "invoke", lambda **_: {"FunctionError": "Unhandled", "Payload": _Payload()})
    traced = api.get(f"/api/system/traces/{trace_id}").json
    assert traced["movements_known"] is False
    assert len(traced["events"]) == 3


def test_a_dead_letter_is_listed_with_its_reason_and_replayed_once(api, deliver, dead_letter):
    (letter,) = api.get("/api/system/dead-letters").json["dead_letters"]
    assert (letter["consumer"], letter["event_type"], letter["reason"]) == ("inventory", "procurement_stock_in", "ValueError: no")
    assert (
        api.get(f"/api/system/events?trace_id={dead_letter['trace_id']}").json["events"][0]["consumers"][0]["dead_letter_id"]
        == letter["id"]
    )
    replayed = api.post(f"/api/system/dead-letters/{letter['id']}/replay")
    assert replayed.status == 200
    assert replayed.json["replayed_at"]
    assert dead_letter["event_id"] in [event["event_id"] for event in deliver()]
    again = api.post(f"/api/system/dead-letters/{letter['id']}/replay")
    assert (again.status, again.json["code"]) == (409, "dead_letter_replayed")
    assert api.get("/api/system/dead-letters").json["dead_letters"] == []
    assert api.get("/api/system/dead-letters?replayed=true").json["total"] == 1


def test_a_dead_letter_that_is_not_there_is_not_found(api):
    assert api.post("/api/system/dead-letters/7/replay").status == 404
    assert api.post("/api/system/dead-letters/x/replay").status == 422


def test_cache_figures_are_those_of_redis(api):
    given_product(api)
    found = api.get("/api/system/cache").json
    assert found["available"]
    assert found["keys"] == get_redis().dbsize()
    assert {kind["kind"]: kind["warm"] for kind in found["kinds"]}["product"]


def test_the_documents_are_served(api):
    assert api.get("/api/openapi.json").json["openapi"].startswith("3.1")
    page = api.get("/api/docs")
    assert page.headers["content-type"].startswith("text/html")


class _Payload:
    @staticmethod
    def read() -> bytes:
        return b'{"errorMessage": "away"}'


@pytest.mark.parametrize("text", ["Łódź", "🎁", "\u202egnirts"])
def test_ids_are_not_asked_for_by_what_is_no_ascii(api, text):
    """MariaDB does not compare it with an ASCII column: that was answered as if the database were away."""
    for path, field in (("events", "channel"), ("events", "trace_id"), ("dead-letters", "consumer")):
        answer = api.get(f"/api/system/{path}?{field}={quote(text)}")
        assert (answer.status, answer.json["errors"][0]["field"]) == (422, field)
    assert api.get(f"/api/inventory/movements?event_ids={quote(text)}").status == 422
    assert api.get(f"/api/system/traces/{quote(text)}").status == 404
    for path in ("events", "dead-letters"):
        assert api.get(f"/api/system/{path}?q={quote(text)}").status == 200


@pytest.mark.parametrize("path", ["/api/orders", "/api/procurements", "/api/orders/statistics", "/api/procurements/statistics"])
def test_a_number_is_no_moment(api, path):
    answer = api.get(f"{path}?until=0.5")
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "until")
