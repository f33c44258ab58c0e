"""What API Gateway gets to hear: a policy and a context, or exactly "Unauthorized"."""

import pytest
from freezegun import freeze_time

from authorizer import app
from authorizer.app import handler
from common.auth import TOKEN_SECONDS, issue_token
from common.identity import Identity, Role

METHOD_ARN = "arn:aws:execute-api:us-east-1:000000000000:abc123/prod/GET/api/products/3"
STAGE = "arn:aws:execute-api:us-east-1:000000000000:abc123/prod"

pytestmark = pytest.mark.usefixtures("secrets")


def identity(role):
    return Identity(user_id=7, username="ann", role=role, token_id="t", token_expires=1_800_000_000)


def test_a_user_may_invoke_what_its_role_may_in_the_whole_stage():
    answer = app._policy(identity(Role.VIEWER), METHOD_ARN)
    assert answer["principalId"] == "7"
    (statement,) = answer["policyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "execute-api:Invoke")
    assert f"{STAGE}/GET/api/products*" in statement["Resource"]
    assert not any(resource.startswith(f"{STAGE}/PUT") for resource in statement["Resource"])


def test_context_holds_texts_only_as_api_gateway_demands():
    context = app._policy(identity(Role.CLERK), METHOD_ARN)["context"]
    assert context == {"user_id": "7", "username": "ann", "role": "clerk", "token_id": "t", "token_expires": "1800000000"}
    assert Identity.of_context(context) == identity(Role.CLERK)


@pytest.mark.parametrize("token", [None, "", "Bearer", "Bearer nonsense", "Basic YTpi", "Bearer a.b.c"])
def test_everybody_else_is_unauthorized_in_exactly_this_word(token):
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handler({"authorizationToken": token, "methodArn": METHOD_ARN}, None)


def test_expired_token_is_unauthorized():
    with freeze_time("2026-01-01") as clock:
        token = issue_token(7, "ann", 0)
        clock.tick(TOKEN_SECONDS + 1)
        with pytest.raises(Exception, match=r"^Unauthorized$"):
            handler({"authorizationToken": f"Bearer {token}", "methodArn": METHOD_ARN}, None)
