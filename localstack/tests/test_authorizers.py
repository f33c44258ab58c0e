"""Lambda authorizers in front of a REST API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from api import AUTHORIZER, ECHO, Api

if TYPE_CHECKING:
    from stack import LocalStack


@pytest.fixture(scope="module")
def echo_arn(localstack: LocalStack) -> str:
    return localstack.create_function("authorized-echo", ECHO)


@pytest.fixture(scope="module")
def authorizer_arn(localstack: LocalStack) -> str:
    return localstack.create_function("authorizer", AUTHORIZER)


@pytest.fixture(scope="module")
def api(localstack: LocalStack, echo_arn: str, authorizer_arn: str) -> Api:
    api = Api(localstack, "token-api")
    api.authorizer("Jwt", authorizer_arn, authorizerResultTtlInSeconds=300, identityValidationExpression="[a-z]+")
    api.authorizer("Fresh", authorizer_arn, authorizerResultTtlInSeconds=0)
    api.authorizer(
        "Request",
        authorizer_arn,
        "request",
        authorizerResultTtlInSeconds=300,
        identitySource="method.request.header.Authorization, method.request.querystring.tenant",
    )
    api.route("GET", "/api/products/{id}", echo_arn, "Jwt").route("POST", "/api/products", echo_arn, "Jwt")
    api.route("OPTIONS", "/api/products", echo_arn).route("GET", "/fresh", echo_arn, "Fresh").route("GET", "/request", echo_arn, "Request")
    return api.deploy()


def test_an_allowed_request_carries_the_authorizers_context_as_strings(api: Api):
    event = api.request("GET", "/api/products/7?x=1", Authorization="ada").json()
    context = event["requestContext"]
    latency = context["authorizer"].pop("integrationLatency")
    assert isinstance(latency, int)
    assert context["authorizer"] == {"principalId": "user|ada", "name": "Ada", "number": "7", "admin": "true"}
    assert (context["resourcePath"], event["resource"]) == ("/api/products/{id}", "/api/products/{id}")
    assert (event["path"], event["pathParameters"], event["queryStringParameters"]) == ("/api/products/7", {"id": "7"}, {"x": "1"})


@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"Authorization": "NOT-LOWER-CASE"}], ids=["none", "empty", "invalid"])
def test_a_request_without_identity_is_401_and_no_function_is_invoked(api: Api, headers: dict[str, str]):
    before = api.stack.invocations("authorizer"), api.stack.invocations("authorized-echo")
    answer = api.request("GET", "/api/products/7", **headers)
    assert (answer.status, answer.json()) == (401, {"message": "Unauthorized"})
    assert answer.headers["x-amzn-ErrorType"] == "UnauthorizedException"
    assert (api.stack.invocations("authorizer"), api.stack.invocations("authorized-echo")) == before


def test_an_authorizer_that_raises_unauthorized_is_401(api: Api):
    assert api.request("GET", "/api/products/7", Authorization="raise").status == 401


@pytest.mark.parametrize("token", ["explode", "nonsense"])
def test_an_authorizer_that_fails_is_500(api: Api, token: str):
    answer = api.request("GET", "/api/products/7", Authorization=token)
    assert (answer.status, answer.headers["x-amzn-ErrorType"]) == (500, "AuthorizerConfigurationException")
    assert answer.json() == {"message": None}


def test_a_deny_is_403_and_the_function_is_not_invoked(api: Api):
    before = api.stack.invocations("authorized-echo")
    answer = api.request("GET", "/api/products/7", Authorization="deny")
    assert (answer.status, answer.json()) == (403, {"Message": "User is not authorized to access this resource with an explicit deny"})
    answer = api.request("GET", "/api/products/7", Authorization="elsewhere")
    assert (answer.status, answer.json()) == (403, {"Message": "User is not authorized to access this resource"})
    assert api.stack.invocations("authorized-echo") == before


def test_a_cached_policy_is_evaluated_anew_for_each_method(api: Api):
    """A policy for one ARN, cached, must not open another method: AWS's most common authorizer trap."""
    assert api.request("GET", "/api/products/7", Authorization="this").status == 200
    before = api.stack.invocations("authorizer")
    assert api.request("POST", "/api/products", Authorization="this", body="{}").status == 403
    assert api.request("GET", "/api/products/7", Authorization="this").status == 200
    assert api.stack.invocations("authorizer") == before


def test_results_are_cached_per_token_and_not_at_all_with_a_ttl_of_zero(api: Api):
    before = api.stack.invocations("authorizer")
    for token in ("cached", "cached", "another"):
        assert api.request("GET", "/api/products/7", Authorization=token).status == 200
    assert api.stack.invocations("authorizer") == before + 2
    for _ in range(2):
        assert api.request("GET", "/fresh", Authorization="cached").status == 200
    assert api.stack.invocations("authorizer") == before + 4


def test_a_preflight_passes_without_identity(api: Api):
    assert api.request("OPTIONS", "/api/products").status == 200


def test_a_request_authorizer_sees_the_request_and_needs_every_identity_source(api: Api):
    assert api.request("GET", "/request", Authorization="ada").status == 401
    assert api.request("GET", "/request?tenant=", Authorization="ada").status == 401
    answer = api.request("GET", "/request?tenant=t1", Authorization="ada")
    assert (answer.status, answer.json()["requestContext"]["authorizer"]["principalId"]) == (200, "user|ada")
    before = api.stack.invocations("authorizer")
    assert api.request("GET", "/request?tenant=t1", Authorization="ada").status == 200
    assert api.stack.invocations("authorizer") == before
    assert api.request("GET", "/request?tenant=t2", Authorization="ada").status == 200
    assert api.stack.invocations("authorizer") == before + 1
