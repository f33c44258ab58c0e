"""Health is measured, never a constant."""

import importlib
import json

import pytest

from common.liveness import write_states
from common.redis_client import get_redis
from common.topology import CONSUMERS
from tests.factories import given_procurement, given_product
from tests.gateway import CONTEXT, SERVICES, proxy_event
from tests.integration.services.conftest import begin_anew


def whole(api):
    app = importlib.import_module("system.app").app
    answer = app(proxy_event("GET", "/health", "/health", {}, {}, None, {}, {}), CONTEXT)
    return answer["statusCode"], json.loads(answer["body"])


def running():
    write_states({name: {"state": "running", "pid": 1, "restarts": 0, "reason": None} for name in CONSUMERS})


@pytest.mark.parametrize("plural", SERVICES)
def test_each_service_measures_its_database_redis_and_cache(api, plural):
    running()
    answer = api.get(f"/api/{plural}/health")
    assert answer.status == 200, answer.text
    assert answer.json["status"] == "ok"
    assert answer.json["database"]["milliseconds"] > 0
    assert answer.json["redis"]["milliseconds"] > 0
    assert answer.json["cache"] in (None, {"warm": True})


def test_whole_is_ok_when_every_part_is(api):
    running()
    status, document = whole(api)
    assert (status, document["status"]) == (200, "ok")
    assert set(document["services"]) == set(SERVICES.values())
    assert set(document["consumers"]) == set(CONSUMERS)


def test_consumers_that_nobody_reports_are_absent(api):
    status, document = whole(api)
    assert (status, document["status"]) == (200, "degraded")
    assert {consumer["state"] for consumer in document["consumers"].values()} == {"absent"}


def test_consumer_that_was_given_up_degrades_its_service(api):
    running()
    write_states({"inventory": {"state": "given_up", "pid": None, "restarts": 3, "reason": "exit code 1"}})
    health = api.get("/api/inventory/health").json
    assert health["status"] == "degraded"
    assert health["consumer"]["state"] == "given_up"
    assert health["consumer"]["reason"] == "exit code 1"
    assert api.get("/api/orders/health").json["status"] == "ok"


def test_lag_counts_what_a_consumer_has_not_heard(api, deliver):
    running()
    made = given_product(api)
    given_procurement(api, made)
    lag = api.get("/api/inventory/health").json["consumer"]["lag"]
    assert lag["events"] == 2
    assert lag["seconds"] > 0
    deliver()
    assert api.get("/api/inventory/health").json["consumer"]["lag"] == {"events": 0, "seconds": 0}


def test_without_the_database_it_is_down_and_says_so(api, monkeypatch):
    get_redis().flushall()
    monkeypatch.setenv("DATABASE_PORT", "1")
    begin_anew()
    answer = api.get("/api/products/health")
    assert (answer.status, answer.json["status"]) == (503, "down")
    assert answer.json["database"]["ok"] is False
    assert answer.json["redis"]["ok"] is True
    status, document = whole(api)
    assert (status, document["status"]) == (503, "down")
    assert api.get("/api/products").status == 503
    assert api.get("/api/products").json["code"] == "database_unavailable"
    assert api.get("/api/products").headers["retry-after"]
