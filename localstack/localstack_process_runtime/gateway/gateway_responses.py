"""Gateway responses with their templates, headers and `$context` variables; of these LocalStack 4.13.1 applies the status code only.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gatewayResponse-definition.html
"""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

from localstack.http import Response
from localstack.services.apigateway.next_gen.execute_api.gateway_response import (
    BaseGatewayException,
    InternalFailureException,
    get_gateway_response_or_default,
)
from localstack.services.apigateway.next_gen.execute_api.handlers.gateway_exception import GatewayExceptionHandler

if TYPE_CHECKING:
    from localstack.services.apigateway.next_gen.execute_api.context import RestApiInvocationContext

LOG = logging.getLogger(__name__)
JSON = "application/json"
NAME = r"(?:context|stageVariables)\.[A-Za-z0-9_.-]*[A-Za-z0-9_]"
VARIABLE = re.compile(rf"\$\{{({NAME})\}}|\$({NAME})")
DEFAULT_TEMPLATE = '{"message":$context.error.messageString}'


class GatewayResponseHandler(GatewayExceptionHandler):  # type: ignore[misc] # LocalStack is untyped here
    """Turns what the gateway raises into what the API says about it."""

    def __call__(self, chain: object, exception: Exception, context: RestApiInvocationContext, response: Response) -> None:
        if not isinstance(exception, BaseGatewayException):
            LOG.error("the gateway failed at %s", context.request.path, exc_info=exception)
            exception = InternalFailureException("Internal server error")
        super().__call__(chain, exception, context, response)

    @staticmethod
    def set_error_context(exception: BaseGatewayException, context: RestApiInvocationContext) -> None:
        context.context_variables["error"] = {
            "message": exception.message,
            "messageString": json.dumps(exception.message),
            "responseType": str(exception.type),
            "validationErrorString": exception.message if exception.code == "BadRequestException" else "",
        }

    def create_exception_response(self, exception: BaseGatewayException, context: RestApiInvocationContext) -> Response:
        definition = get_gateway_response_or_default(exception.type, context.deployment.rest_api.gateway_responses)
        content_type, template = _template(definition.get("responseTemplates") or {}, context)
        headers = {"Content-Type": content_type, "x-amzn-ErrorType": exception.code}
        for target, source in (definition.get("responseParameters") or {}).items():
            if (value := _parameter(source, context)) is not None:
                headers[target.removeprefix("gatewayresponse.header.")] = value
        body = _default_body(exception) if template is None else _render(template, context)
        status = int(definition.get("statusCode") or exception.status_code or 500)
        return Response(response=body, headers=_case_insensitive(headers), status=status)


def _template(templates: dict[str, str], context: RestApiInvocationContext) -> tuple[str, str | None]:
    """The template whose content type the caller asks for, else JSON, else the first; None for AWS's default body."""
    custom = {key: value for key, value in templates.items() if value != DEFAULT_TEMPLATE}
    if not custom:
        return JSON, None
    accepted = [entry.split(";")[0].strip() for entry in context.invocation_request["headers"].get("Accept", "").split(",")]
    for content_type in (*accepted, JSON):
        if content_type in custom:
            return content_type, custom[content_type]
    return next(iter(custom.items()))


def _default_body(exception: BaseGatewayException) -> str:
    name = "Message" if exception.code == "AccessDeniedException" else "message"
    return json.dumps({name: exception.message}, separators=(",", ":"))


def _render(template: str, context: RestApiInvocationContext) -> str:
    """Plain substitution, no Velocity; an unknown variable is empty, as on AWS."""
    return VARIABLE.sub(lambda match: _text(_lookup(match.group(1) or match.group(2), context)), template)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _lookup(path: str, context: RestApiInvocationContext) -> Any:
    root, *names = path.split(".")
    value: Any = context.context_variables if root == "context" else context.stage_variables
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _parameter(source: str, context: RestApiInvocationContext) -> str | None:
    """A header's value: a quoted constant, a part of the request, or a context variable."""
    if source.startswith("'") and source.endswith("'"):
        return source[1:-1]
    request = context.invocation_request
    origin, _, name = source.rpartition(".")
    match origin:
        case "method.request.header":
            return _optional(request["headers"].get(name))
        case "method.request.querystring":
            return _optional(request.get("query_string_parameters", {}).get(name))
        case "method.request.path":
            return _optional((request.get("path_parameters") or {}).get(name))
    return _optional(_lookup(source.removeprefix("$"), context))


def _optional(value: Any) -> str | None:
    return None if value is None else _text(value)


def _case_insensitive(headers: dict[str, str]) -> dict[str, str]:
    """A header the API sets replaces ours, however it is spelled."""
    return dict({name.lower(): (name, value) for name, value in headers.items()}.values())
