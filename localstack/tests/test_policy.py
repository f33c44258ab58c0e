"""The policy an authorizer returns, evaluated as API Gateway does."""

from __future__ import annotations

from typing import Any

import pytest

from localstack_process_runtime.gateway.policy import Decision, PolicyError, decide

ARN = "arn:aws:execute-api:us-east-1:000000000000:api1/live/GET/api/products/7"


def _statement(effect: str, resource: Any, action: Any = "execute-api:Invoke", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (ARN, Decision.ALLOW),
        ("*", Decision.ALLOW),
        ("arn:aws:execute-api:*:*:api1/*", Decision.ALLOW),
        ("arn:aws:execute-api:us-east-1:000000000000:api1/live/*/api/products/*", Decision.ALLOW),
        ("arn:aws:execute-api:us-east-1:000000000000:api?/live/GET/api/products/?", Decision.ALLOW),
        (["arn:aws:s3:::bucket", ARN], Decision.ALLOW),
        ("arn:aws:execute-api:us-east-1:000000000000:api1/live/GET/api/products", Decision.IMPLICIT_DENY),
        ("arn:aws:execute-api:us-east-1:000000000000:api1/live/POST/*", Decision.IMPLICIT_DENY),
        ("arn:aws:execute-api:us-east-1:000000000000:api1/live/GET/api/products/??", Decision.IMPLICIT_DENY),
        ("arn:aws:execute.api:us-east-1:000000000000:api1/live/GET/api/products/7", Decision.IMPLICIT_DENY),
        ([], Decision.IMPLICIT_DENY),
    ],
)
def test_resources_match_by_wildcard(resource: Any, expected: Decision):
    assert decide({"Statement": [_statement("Allow", resource)]}, ARN) is expected


def test_a_deny_wins_in_whatever_order():
    allow, deny = _statement("Allow", "*"), _statement("Deny", ARN)
    assert decide({"Statement": [allow, deny]}, ARN) is Decision.EXPLICIT_DENY
    assert decide({"Statement": [deny, allow]}, ARN) is Decision.EXPLICIT_DENY
    assert decide({"Statement": [_statement("Deny", "*/POST/*"), allow]}, ARN) is Decision.ALLOW


@pytest.mark.parametrize("action", ["execute-api:Invoke", "execute-api:*", "*", "EXECUTE-API:invoke", ["s3:Get*", "execute-api:Invoke"]])
def test_actions_match_without_regard_to_case(action: Any):
    assert decide({"Statement": _statement("Allow", "*", action)}, ARN) is Decision.ALLOW


def test_another_action_or_a_condition_allows_nothing():
    assert decide({"Statement": [_statement("Allow", "*", "s3:*")]}, ARN) is Decision.IMPLICIT_DENY
    condition = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    assert decide({"Statement": [_statement("Allow", "*", Condition=condition)]}, ARN) is Decision.IMPLICIT_DENY


@pytest.mark.parametrize(
    "policy",
    [
        None,
        "Allow",
        {},
        {"Statement": ["x"]},
        {"Statement": [{"Effect": "Allow"}]},
        {"Statement": [_statement("Maybe", "*")]},
        {"Statement": [_statement("Allow", 7)]},
    ],
)
def test_what_is_no_policy_is_refused(policy: Any):
    with pytest.raises(PolicyError):
        decide(policy, ARN)
