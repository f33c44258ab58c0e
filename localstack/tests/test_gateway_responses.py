"""What the gateway itself answers, and what becomes of a function that fails behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from api import AUTHORIZER, ECHO, Api

if TYPE_CHECKING:
    from stack import LocalStack

PROBLEM = "application/problem+json"
FAILING = """
    import os, time

    def handler(event, context):
        kind = event["path"].rsplit("/", 1)[1]
        if kind == "raise":
            raise ValueError("secret detail")
        if kind == "die":
            os._exit(1)
        if kind == "slow":
            time.sleep(3)
        if kind == "text":
            return "not a proxy answer"
        if kind == "multi":
            return {"statusCode": 201, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "body": "made"}
        return {"statusCode": 200, "body": "fine"}
"""


@pytest.fixture(scope="module")
def api(localstack: LocalStack) -> Api:
    api = Api(localstack, "responses")
    api.gateway_responses = {
        "DEFAULT_4XX": {"responseTemplates": {PROBLEM: '{"code":"$context.error.responseType","detail":$context.error.messageString}'}},
        "DEFAULT_5XX": {
            "responseParameters": {"gatewayresponse.header.content-type": "'application/problem+json; charset=utf-8'"},
            "responseTemplates": {
                "application/json": '{"code":"gateway","id":"$context.requestId","path":"$context.path","stage":"$context.stage"}'
            },
        },
        "MISSING_AUTHENTICATION_TOKEN": {
            "statusCode": 404,
            "responseParameters": {
                "gatewayresponse.header.Access-Control-Allow-Origin": "'https://example.org'",
                "gatewayresponse.header.X-Asked": "method.request.header.X-Ask",
                "gatewayresponse.header.X-Type": "context.error.responseType",
                "gatewayresponse.header.X-Absent": "method.request.querystring.absent",
            },
            "responseTemplates": {
                "application/json": '{"plain":"$context.error.message","nothing":"$context.authorizer.name","path":"$context.path"}',
                "text/plain": "no $context.path",
            },
        },
        "THROTTLED": {"responseParameters": {"gatewayresponse.header.Retry-After": "'1'"}},
        "ACCESS_DENIED": {
            "responseTemplates": {PROBLEM: '{"who":"$context.authorizer.principalId","error":"${context.error.responseType}"}'}
        },
    }
    failing = localstack.create_function("failing-behind-gateway", FAILING)
    api.route("GET", "/fails/{kind}", failing).route("GET", "/quick/slow", failing, timeoutInMillis=300)
    api.authorizer("Jwt", localstack.create_function("responses-authorizer", AUTHORIZER))
    api.route("POST", "/echo", localstack.create_function("responses-echo", ECHO)).route("GET", "/guarded", failing, "Jwt")
    return api.deploy()


def test_a_template_its_status_and_its_headers_are_applied(api: Api):
    answer = api.request("GET", "/nowhere?x=1", X_Ask="me")
    assert answer.status == 404
    assert answer.json() == {"plain": "Missing Authentication Token", "nothing": "", "path": "/live/nowhere"}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "https://example.org"
    assert (answer.headers["X-Asked"], answer.headers["X-Type"]) == ("me", "MISSING_AUTHENTICATION_TOKEN")
    assert "X-Absent" not in answer.headers


def test_of_several_templates_the_caller_gets_the_one_it_accepts(api: Api):
    answer = api.request("GET", "/nowhere", Accept="text/plain;q=0.9, text/html")
    assert (answer.headers["Content-Type"].split(";")[0], answer.body) == ("text/plain", b"no /live/nowhere")


def test_what_has_no_response_of_its_own_falls_back_to_the_default(api: Api):
    answer = api.request("GET", "/guarded")
    assert (answer.status, answer.headers["Content-Type"]) == (401, PROBLEM)
    assert answer.json() == {"code": "UNAUTHORIZED", "detail": "Unauthorized"}


def test_a_denial_keeps_its_own_template(api: Api):
    answer = api.request("GET", "/guarded", Authorization="deny")
    assert (answer.status, answer.json()) == (403, {"who": "", "error": "ACCESS_DENIED"})


def test_a_response_with_headers_only_keeps_awss_body(api: Api):
    settings = {"/*/*/throttling/rateLimit": "0", "/*/*/throttling/burstLimit": "0"}
    for value in ("0", "1000"):
        operations = [{"op": "replace", "path": path, "value": value} for path in settings]
        api.stack.client("apigateway").update_stage(restApiId=api.id, stageName=api.stage, patchOperations=operations)
        answer = api.request("GET", "/fails/none")
        if value == "0":
            assert (answer.status, answer.json(), answer.headers["Retry-After"]) == (429, {"message": "Too Many Requests"}, "1")
    assert answer.status == 200


@pytest.mark.parametrize("kind", ["raise", "die", "text"])
def test_a_failing_function_is_502_and_says_nothing_of_why(api: Api, kind: str):
    answer = api.request("GET", f"/fails/{kind}")
    assert (answer.status, answer.headers["Content-Type"]) == (502, "application/problem+json; charset=utf-8")
    problem = answer.json()
    assert problem.pop("id") == answer.headers["x-amzn-RequestId"]
    assert problem == {"code": "gateway", "path": f"/live/fails/{kind}", "stage": "live"}


def test_a_function_slower_than_the_integration_waits_is_504(api: Api):
    assert api.request("GET", "/quick/slow").status == 504


def test_headers_of_several_values_arrive_one_by_one(api: Api):
    answer = api.request("GET", "/fails/multi")
    assert (answer.status, answer.body) == (201, b"made")
    assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_a_body_over_10_mb_is_413_and_reaches_no_function(api: Api):
    before = api.stack.invocations("responses-echo")
    for size in (10_485_761, 7_000_000):  # over the gateway's limit; over the function's
        answer = api.request("POST", "/echo", body=b"x" * size)
        assert (answer.status, answer.json()["code"]) == (413, "REQUEST_TOO_LARGE")
    assert api.stack.invocations("responses-echo") == before


def test_an_integration_whose_function_is_gone_is_500(localstack: LocalStack, api: Api):
    arn = localstack.create_function("gone", ECHO)
    other = Api(localstack, "gone-api").route("GET", "/gone", arn).deploy()
    localstack.client("lambda").delete_function(FunctionName="gone")
    answer = other.request("GET", "/gone")
    assert (answer.status, answer.json()) == (500, {"message": "Internal server error"})
