"""Token buckets by themselves, and where the gateway puts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from api import ECHO, Api

from localstack_process_runtime.gateway.throttling import TokenBucket, method_limit

if TYPE_CHECKING:
    from stack import LocalStack


def test_a_bucket_gives_its_burst_at_once_and_then_its_rate():
    bucket = TokenBucket(rate=10, burst=3, now=0)
    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(0.1), bucket.take(0.1), bucket.take(0.15), bucket.take(0.2)] == [True, False, False, True]
    assert [bucket.take(100) for _ in range(4)] == [True, True, True, False], "it fills up to its burst, no further"


def _limit(rate: float, burst: int) -> dict[str, float]:
    return {"throttlingRateLimit": rate, "throttlingBurstLimit": burst}


@pytest.mark.parametrize(
    "name", ["~1api~1products/GET", "/~1api~1products/GET", "~1~1api~1products/GET", "/api/products/GET", "api/products/GET"]
)
def test_a_methods_own_setting_wins_in_every_spelling(name: str):
    settings = {"*/*": _limit(1, 1), name: _limit(2, 3)}
    assert method_limit(settings, "/api/products", "GET") == (2.0, 3.0)
    assert method_limit(settings, "/api/products", "POST") == (1.0, 1.0)
    assert method_limit(settings, "/api", "GET") == (1.0, 1.0)


def test_without_a_setting_or_with_a_negative_one_there_is_no_limit():
    assert method_limit({}, "/x", "GET") is None
    assert method_limit({"~1y/GET": _limit(1, 1)}, "/x", "GET") is None
    assert method_limit({"*/*": _limit(-1, -1)}, "/x", "GET") is None


@pytest.fixture(scope="module")
def api(localstack: LocalStack) -> Api:
    echo = localstack.create_function("throttled-echo", ECHO)
    api = Api(localstack, "throttled").route("GET", "/api/products", echo).route("GET", "/free", echo).route("GET", "/metered", echo)
    api.paths["/metered"]["get"]["security"] = [{"key": []}]
    api.authorizers["key"] = {"type": "apiKey", "name": "x-api-key", "in": "header"}
    return api.deploy()


def _patch(api: Api, *settings: tuple[str, str]) -> None:
    operations = [{"op": "replace", "path": path, "value": value} for path, value in settings]
    api.stack.client("apigateway").update_stage(restApiId=api.id, stageName=api.stage, patchOperations=operations)


def test_stage_settings_are_in_force_at_once_and_per_method(api: Api):
    assert [api.request("GET", "/api/products").status for _ in range(6)] == [200] * 6
    _patch(api, ("/~1api~1products/GET/throttling/rateLimit", "0.01"), ("/~1api~1products/GET/throttling/burstLimit", "2"))
    before = api.stack.invocations("throttled-echo")
    answers = [api.request("GET", "/api/products") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 429, 429]
    assert answers[-1].json() == {"message": "Too Many Requests"}
    assert answers[-1].headers["x-amzn-ErrorType"] == "TooManyRequestsException"
    assert api.stack.invocations("throttled-echo") == before + 2
    assert [api.request("GET", "/free").status for _ in range(4)] == [200] * 4


def test_a_usage_plan_throttles_and_counts_its_keys(api: Api):
    client = api.stack.client("apigateway")

    def key(**plan: dict[str, object]) -> str:
        plan_id = client.create_usage_plan(name="plan", apiStages=[{"apiId": api.id, "stage": api.stage}], **plan)["id"]
        made = client.create_api_key(name="key", enabled=True, generateDistinctId=True)
        client.create_usage_plan_key(usagePlanId=plan_id, keyId=made["id"], keyType="API_KEY")
        return made["value"]

    def statuses(value: str) -> list[int]:
        return [api.request("GET", "/metered", X_Api_Key=value).status for _ in range(4)]

    assert statuses("unknown-key-of-some-length") == [403] * 4
    assert statuses(key(throttle={"rateLimit": 0.01, "burstLimit": 1})) == [200, 429, 429, 429]
    assert statuses(key(quota={"limit": 3, "period": "MONTH"})) == [200, 200, 200, 429]
