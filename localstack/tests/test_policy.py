"""Policies, evaluated as IAM does: an authorizer's, and a role's."""

from __future__ import annotations

from typing import Any

import pytest

from localstack_process_runtime.policy import Decision, PolicyError, decide

INVOKE = "execute-api:Invoke"
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
    assert decide({"Statement": [_statement("Allow", resource)]}, INVOKE, ARN) is expected


def test_a_deny_wins_in_whatever_order():
    allow, deny = _statement("Allow", "*"), _statement("Deny", ARN)
    assert decide({"Statement": [allow, deny]}, INVOKE, ARN) is Decision.EXPLICIT_DENY
    assert decide({"Statement": [deny, allow]}, INVOKE, ARN) is Decision.EXPLICIT_DENY
    assert decide({"Statement": [_statement("Deny", "*/POST/*"), allow]}, INVOKE, ARN) is Decision.ALLOW


@pytest.mark.parametrize("action", ["execute-api:Invoke", "execute-api:*", "*", "EXECUTE-API:invoke", ["s3:Get*", "execute-api:Invoke"]])
def test_actions_match_without_regard_to_case(action: Any):
    assert decide({"Statement": _statement("Allow", "*", action)}, INVOKE, ARN) is Decision.ALLOW


def test_another_action_or_a_condition_allows_nothing():
    assert decide({"Statement": [_statement("Allow", "*", "s3:*")]}, INVOKE, ARN) is Decision.IMPLICIT_DENY
    condition = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    assert decide({"Statement": [_statement("Allow", "*", Condition=condition)]}, INVOKE, ARN) is Decision.IMPLICIT_DENY


def test_what_is_excluded_is_all_that_does_not_match():
    but_secrets = {"Effect": "Allow", "NotAction": "secretsmanager:*", "Resource": "*"}
    assert decide({"Statement": but_secrets}, INVOKE, ARN) is Decision.ALLOW
    assert decide({"Statement": but_secrets}, "SecretsManager:GetSecretValue", ARN) is Decision.IMPLICIT_DENY
    but_products = {"Effect": "Deny", "Action": "*", "NotResource": "*/products/*"}
    assert decide({"Statement": [_statement("Allow", "*"), but_products]}, INVOKE, ARN) is Decision.ALLOW
    assert decide({"Statement": [_statement("Allow", "*"), but_products]}, INVOKE, "arn:aws:x/orders/1") is Decision.EXPLICIT_DENY


def test_of_a_resource_that_is_not_known_only_a_deny_of_all_counts():
    allow = _statement("Allow", "arn:aws:sqs:*:*:queue", "sqs:*")
    assert decide({"Statement": [allow]}, "sqs:SendMessage", None) is Decision.ALLOW
    assert decide({"Statement": [allow]}, "sns:Publish", None) is Decision.IMPLICIT_DENY
    assert decide({"Statement": [allow, _statement("Deny", "arn:aws:sqs:*:*:other", "sqs:*")]}, "sqs:SendMessage", None) is Decision.ALLOW
    assert decide({"Statement": [allow, _statement("Deny", "*", "sqs:*")]}, "sqs:SendMessage", None) is Decision.EXPLICIT_DENY


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
        decide(policy, INVOKE, ARN)
