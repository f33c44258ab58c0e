"""Lambda authorizers, TOKEN and REQUEST, which LocalStack 4.13.1 stores and never calls.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
"""

from __future__ import annotations

import json
import logging
import re
import time
from typing import TYPE_CHECKING, Any

from localstack.aws.api import ServiceException
from localstack.services.apigateway.next_gen.execute_api.api import RestApiGatewayHandler
from localstack.services.apigateway.next_gen.execute_api.gateway_response import (
    AccessDeniedError,
    AuthorizerConfigurationError,
    AuthorizerFailureError,
    UnauthorizedError,
)
from localstack.services.apigateway.next_gen.execute_api.header_utils import build_multi_value_headers
from localstack.services.apigateway.next_gen.execute_api.helpers import get_lambda_function_arn_from_invocation_uri

from localstack_process_runtime import functions
from localstack_process_runtime.gateway.authorizer_cache import Grant, GrantCache
from localstack_process_runtime.policy import Decision, PolicyError, decide

if TYPE_CHECKING:
    from localstack.services.apigateway.models import RestApiDeployment
    from localstack.services.apigateway.next_gen.execute_api.context import RestApiInvocationContext

LOG = logging.getLogger(__name__)
DEFAULT_TTL_SECONDS = 300
INVOKE = "execute-api:Invoke"
UNAUTHORIZED = "Unauthorized"
DENIED = "User is not authorized to access this resource"
DECISIONS = 1000
"""How many methods a grant remembers its decision on."""


class AuthorizerHandler(RestApiGatewayHandler):  # type: ignore[misc] # LocalStack is untyped here
    """Lets a request through, with the authorizer's context, or raises the gateway response that AWS would give."""

    def __init__(self, grants: GrantCache) -> None:
        self._grants = grants

    def __call__(self, chain: object, context: RestApiInvocationContext, response: object) -> None:  # noqa: ARG002 (LocalStack's signature)
        method = context.resource_method
        if method.get("authorizationType") != "CUSTOM":
            return
        authorizer = context.deployment.rest_api.authorizers.get(method.get("authorizerId"))
        if authorizer is None:
            LOG.warning("method %s %s names an authorizer that does not exist", context.resource["path"], method.get("httpMethod"))
            raise AuthorizerConfigurationError
        started = time.perf_counter()
        grant = self._grant(authorizer, context)
        enforce(grant, _arn_of(context))
        identity = context.context_variables["identity"]
        if grant.usage_key and not identity.get("apiKey"):
            identity["apiKey"] = grant.usage_key
        context.context_variables["authorizer"] = {
            "principalId": grant.principal_id,
            **grant.context,
            "integrationLatency": int((time.perf_counter() - started) * 1000),
        }

    def _grant(self, authorizer: dict[str, Any], context: RestApiInvocationContext) -> Grant:
        ttl = time_to_live(authorizer)
        identity = identity_of(authorizer, context)
        key = (context.api_id, context.stage, context.deployment_id, authorizer["id"], *identity)
        grant = self._grants.get(key) if ttl > 0 else None
        if grant is None:
            grant = _ask(authorizer, context, identity)
            if ttl > 0:
                self._grants.put(key, grant, ttl)
        return grant


def time_to_live(authorizer: dict[str, Any]) -> int:
    """For how many seconds its answers are kept."""
    ttl = authorizer.get("authorizerResultTtlInSeconds")
    return DEFAULT_TTL_SECONDS if ttl is None else int(ttl)


def enforce(grant: Grant, arn: str) -> None:
    """Raises the gateway response of a method that the grant does not allow."""
    decision = grant.decisions.get(arn)
    if decision is None:
        try:
            decision = decide(grant.policy, INVOKE, arn)
        except PolicyError as error:
            LOG.warning("an authorizer returned no usable policy: %s", error)
            raise AuthorizerConfigurationError from error
        if len(grant.decisions) >= DECISIONS:
            grant.decisions.clear()
        grant.decisions[arn] = decision
    if decision is Decision.EXPLICIT_DENY:
        raise AccessDeniedError(f"{DENIED} with an explicit deny")
    if decision is Decision.IMPLICIT_DENY:
        raise AccessDeniedError(DENIED)


def method_arn(deployment: RestApiDeployment, api_id: str, stage: str, http_method: str, path: str) -> str:
    """What is asked for, in the words of a policy."""
    return f"arn:aws:execute-api:{deployment.region}:{deployment.account_id}:{api_id}/{stage}/{http_method}/{path.strip('/')}"


def _arn_of(context: RestApiInvocationContext) -> str:
    request = context.invocation_request
    return method_arn(context.deployment, context.api_id, context.stage, request["http_method"], request["path"])


def identity_of(authorizer: dict[str, Any], context: RestApiInvocationContext) -> tuple[str, ...]:
    """The values the caller is known by; raises UnauthorizedError where one is missing that AWS insists on."""
    required = authorizer["type"] == "TOKEN" or time_to_live(authorizer) > 0
    sources = [source.strip() for source in (authorizer.get("identitySource") or "").split(",") if source.strip()]
    values = [_source_value(source, context) for source in sources]
    if required and not all(values):
        raise UnauthorizedError(UNAUTHORIZED)
    expression = authorizer.get("identityValidationExpression")
    if authorizer["type"] == "TOKEN" and expression and not re.fullmatch(expression, values[0] or ""):
        raise UnauthorizedError(UNAUTHORIZED)
    return tuple(value or "" for value in values)


def _source_value(source: str, context: RestApiInvocationContext) -> str | None:
    request = context.invocation_request
    origin, _, name = source.rpartition(".")
    match origin:
        case "method.request.header":
            values = request["headers"].getlist(name)
            return ",".join(values) or None
        case "method.request.querystring":
            return str(request["query_string_parameters"].get(name) or "")
        case "stageVariables":
            return str((context.stage_variables or {}).get(name) or "")
        case _ if source.startswith("context."):
            return _context_value(source.removeprefix("context."), context)
    LOG.warning("unknown identity source %s", source)
    return None


def _context_value(path: str, context: RestApiInvocationContext) -> str | None:
    value: Any = context.context_variables
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return None if value is None else str(value)


def _ask(authorizer: dict[str, Any], context: RestApiInvocationContext, identity: tuple[str, ...]) -> Grant:
    """Call the authorizer's function. Raises the gateway response its failure means."""
    function_arn = get_lambda_function_arn_from_invocation_uri(authorizer["authorizerUri"])
    event = json.dumps(authorizer_event(authorizer, context, identity)).encode()
    try:
        result = functions.invoke(function_arn, event, context.trace_id)
    except (functions.FunctionNotFoundError, ServiceException) as error:
        LOG.warning("authorizer %s could not be called: %s", authorizer.get("name"), error)
        raise AuthorizerFailureError(None) from error
    return grant_of(authorizer, result.payload, is_error=result.is_error)


def authorizer_event(authorizer: dict[str, Any], context: RestApiInvocationContext, identity: tuple[str, ...]) -> dict[str, Any]:
    """What the authorizer's function is asked."""
    return _token_event(context, identity[0]) if authorizer["type"] == "TOKEN" else _request_event(context)


def grant_of(authorizer: dict[str, Any], payload: bytes | None, *, is_error: bool) -> Grant:
    """What the authorizer's function answered. Raises the gateway response that a failure means."""
    answer = _json(payload)
    if is_error:
        if isinstance(answer, dict) and answer.get("errorMessage") == UNAUTHORIZED:
            raise UnauthorizedError(UNAUTHORIZED)
        LOG.warning("authorizer %s failed: %s", authorizer.get("name"), answer)
        raise AuthorizerConfigurationError
    return _parse(answer)


def _json(payload: bytes | None) -> Any:
    try:
        return json.loads(payload or b"null")
    except ValueError:
        return None


def _parse(answer: Any) -> Grant:
    if not isinstance(answer, dict) or not isinstance(answer.get("principalId"), str):
        LOG.warning("an authorizer's answer is an object with a principalId and a policyDocument, not %s", answer)
        raise AuthorizerConfigurationError
    context = answer.get("context") or {}
    if not isinstance(context, dict) or any(isinstance(value, dict | list) for value in context.values()):
        LOG.warning("an authorizer's context holds strings, numbers and booleans only: %s", context)
        raise AuthorizerConfigurationError
    values = {name: value if isinstance(value, str) else json.dumps(value) for name, value in context.items() if value is not None}
    return Grant(answer["principalId"], answer.get("policyDocument"), values, answer.get("usageIdentifierKey"))


def _token_event(context: RestApiInvocationContext, token: str) -> dict[str, Any]:
    return {"type": "TOKEN", "methodArn": _arn_of(context), "authorizationToken": token}


def _request_event(context: RestApiInvocationContext) -> dict[str, Any]:
    request = context.invocation_request
    headers = request["headers"]
    return {
        "type": "REQUEST",
        "methodArn": _arn_of(context),
        "resource": context.resource["path"],
        "path": request["path"],
        "httpMethod": request["http_method"],
        "headers": dict(headers),
        "multiValueHeaders": build_multi_value_headers(headers),
        "queryStringParameters": request["query_string_parameters"],
        "multiValueQueryStringParameters": request["multi_value_query_string_parameters"],
        "pathParameters": request["path_parameters"],
        "stageVariables": context.stage_variables or {},
        "requestContext": context.context_variables,
    }
