"""API Gateway's Lambda authorizer of type TOKEN: a JSON Web Token becomes an IAM policy and a context.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
"""

from typing import Any

from common.auth import Identity, authenticate
from common.errors import UnauthorizedError
from common.observability import logger


class _Unauthorized(Exception):  # API Gateway answers 401 to an error whose message is exactly "Unauthorized"
    pass


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  # Lambda's signature
    """Let a signed-in user invoke every route of the stage. Raises what API Gateway turns into 401 for anybody else."""
    try:
        identity = authenticate(event.get("authorizationToken"))
    except UnauthorizedError as refusal:
        logger.info("token_refused", reason=refusal.detail)
        raise _Unauthorized("Unauthorized") from None
    return _policy(identity, event["methodArn"])


def _policy(identity: Identity, method_arn: str) -> dict[str, Any]:
    # The result is cached by token, so it must speak of the whole stage rather than of the one method asked for.
    stage = "/".join(method_arn.split("/")[:2])
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": f"{stage}/*"}
    return {
        "principalId": str(identity.user_id),
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"user_id": str(identity.user_id), "username": identity.username},
    }
