"""What API Gateway gets to hear: a policy and a context, or exactly "Unauthorized"."""

import pytest
from freezegun import freeze_time

from authorizer.app import handler
from common.auth import TOKEN_SECONDS, issue_token

METHOD_ARN = "arn:aws:execute-api:us-east-1:000000000000:abc123/prod/GET/api/products/3"

pytestmark = pytest.mark.usefixtures("secrets")


def test_signed_in_user_may_invoke_the_whole_stage():
    answer = handler({"type": "TOKEN", "authorizationToken": f"Bearer {issue_token(7, 'ann')}", "methodArn": METHOD_ARN}, None)
    assert answer["principalId"] == "7"
    assert answer["policyDocument"] == {
        "Version": "2012-10-17",
        "Statement": [
            {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "arn:aws:execute-api:us-east-1:000000000000:abc123/prod/*"}
        ],
    }


def test_context_holds_texts_only_as_api_gateway_demands():
    answer = handler({"authorizationToken": f"Bearer {issue_token(7, 'ann')}", "methodArn": METHOD_ARN}, None)
    assert answer["context"] == {"user_id": "7", "username": "ann"}


@pytest.mark.parametrize("token", [None, "", "Bearer", "Bearer nonsense", "Basic YTpi", "Bearer a.b.c"])
def test_everybody_else_is_unauthorized_in_exactly_this_word(token):
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handler({"authorizationToken": token, "methodArn": METHOD_ARN}, None)


def test_expired_token_is_unauthorized():
    with freeze_time("2026-01-01") as clock:
        token = issue_token(7, "ann")
        clock.tick(TOKEN_SECONDS + 1)
        with pytest.raises(Exception, match=r"^Unauthorized$"):
            handler({"authorizationToken": f"Bearer {token}", "methodArn": METHOD_ARN}, None)
