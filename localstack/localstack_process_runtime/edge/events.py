"""A request as the event of a Lambda proxy integration, and its answer as a response: what LocalStack's chain does, in one go.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

import base64
import json
import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson
from localstack.services.apigateway.next_gen.execute_api.gateway_response import InternalServerError
from localstack.services.apigateway.next_gen.execute_api.handlers.method_response import REMAPPED_FROM_INTEGRATION_RESPONSE_COMMON
from localstack.services.apigateway.next_gen.execute_api.handlers.parse import InvocationRequestParser
from localstack.services.apigateway.next_gen.execute_api.header_utils import DROPPED_FROM_REQUEST_COMMON_LOWER
from localstack.services.apigateway.next_gen.execute_api.helpers import mime_type_matches_binary_media_types

from localstack_process_runtime.gateway.lambda_integration import FAILED, InProcessProxyIntegration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from localstack_process_runtime.edge.compiling import CompiledApi
    from localstack_process_runtime.edge.http import Header, HttpRequest
    from localstack_process_runtime.edge.plane import Exchange

# Never seen by a function; the last are the gateway's to set.
_DROPPED = frozenset(
    {*DROPPED_FROM_REQUEST_COMMON_LOWER, "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", "x-amzn-trace-id"},
)
_CAPITALIZED = {"authorization": "Authorization", "user-agent": "User-Agent"}
_REMAPPED = frozenset(name.lower() for name in REMAPPED_FROM_INTEGRATION_RESPONSE_COMMON)
_NOT_PLAIN = _REMAPPED | {"transfer-encoding"}
_PROXY = InProcessProxyIntegration()
_PLAIN = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"})
_RANDOM = random.getrandbits  # ids tell requests apart and keep no secret, so they need no call of the kernel each
_epoch_second = 0
_request_time = ""


def grouped(headers: Iterable[Header]) -> dict[str, tuple[str, list[str]]]:
    """By lower-case name: the name as it was spelled last, and all values."""
    found: dict[str, tuple[str, list[str]]] = {}
    for name, value in headers:
        lowered = name.lower()
        held = found.get(lowered)
        if held is None:
            found[lowered] = (name, [value])
        else:
            held[1].append(value)
            found[lowered] = (name, held[1])
    return found


def query_of(target: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The query's parameters: of each the last value, and all values."""
    _, _, query = target.partition("?")
    if not query:
        return {}, {}
    single: dict[str, str] = {}
    several: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, errors="werkzeug.url_quote"):
        single[name] = value
        several.setdefault(name, []).append(value)
    return single, several


def new_id() -> str:
    """A UUID version 4 in its form, as requests have."""
    number = f"{_RANDOM(128):032x}"
    return f"{number[:8]}-{number[8:12]}-4{number[13:16]}-a{number[17:20]}-{number[20:]}"


def short_id() -> str:
    """Eight hexadecimal digits."""
    return f"{_RANDOM(32):08x}"


def trace_id(headers: dict[str, tuple[str, list[str]]]) -> str:
    """The caller's X-Ray trace, or a new one."""
    given = headers.get("x-amzn-trace-id")
    if given is not None:
        return str(InvocationRequestParser.populate_trace_id({"x-amzn-trace-id": given[1][0]}))
    return f"Root=1-{int(time.time()):x}-{_RANDOM(96):024x};Parent={_RANDOM(64):016x};Sampled=0"


def context_variables(
    api: CompiledApi, request: HttpRequest, path: str, headers: dict[str, tuple[str, list[str]]], request_id: str
) -> dict[str, Any]:
    """`$context`, which is also the event's requestContext."""
    global _epoch_second, _request_time  # noqa: PLW0603 (formatted once a second)
    now = time.time()
    if int(now) != _epoch_second:
        _epoch_second = int(now)
        _request_time = datetime.now(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    domain = headers["host"][1][0] if "host" in headers else ""
    return {
        "accountId": api.deployment.account_id,
        "apiId": api.api_id,
        "deploymentId": api.deployment_id,
        "domainName": domain,
        "domainPrefix": domain.partition(".")[0],
        "extendedRequestId": short_id(),
        "httpMethod": request.method,
        "identity": {
            "accountId": None,
            "accessKey": None,
            "caller": None,
            "cognitoAuthenticationProvider": None,
            "cognitoAuthenticationType": None,
            "cognitoIdentityId": None,
            "cognitoIdentityPoolId": None,
            "principalOrgId": None,
            "sourceIp": request.client,
            "user": None,
            "userAgent": headers["user-agent"][1][0] if "user-agent" in headers else None,
            "userArn": None,
        },
        "path": path,
        "protocol": "HTTP/1.1",
        "requestId": request_id,
        "requestTime": _request_time,
        "requestTimeEpoch": int(now * 1000),
        "stage": api.stage,
    }


def event_of(exchange: Exchange, port: str) -> bytes:
    """The event, as JSON; its route is known."""
    api, request, headers = exchange.api, exchange.request, exchange.headers
    assert exchange.route is not None
    single: dict[str, str] = {}
    several: dict[str, list[str]] = {}
    for lowered, (name, values) in headers.items():
        if lowered not in _DROPPED:
            shown = _CAPITALIZED.get(lowered, name)
            single[shown], several[shown] = values[0], values
    if not (headers.get("accept") or ("", [""]))[1][0]:
        _replace(single, several, "Accept", "application/json")
    if not (headers.get("user-agent") or ("", [""]))[1][0]:
        _replace(single, several, "User-Agent", f"AmazonAPIGateway_{api.api_id}")
    for name, value in (
        ("X-Forwarded-For", request.client),
        ("X-Forwarded-Port", port),
        ("X-Forwarded-Proto", "HTTP"),
        ("X-Amzn-Trace-Id", exchange.trace),
    ):
        single[name], several[name] = value, [value]
    body, is_base64 = _body_of(request.body)
    query, queries = query_of(request.target)
    event = {
        "headers": single,
        "multiValueHeaders": several,
        "body": body,
        "isBase64Encoded": is_base64,
        "requestContext": exchange.variables,
        "stageVariables": api.stage_variables,
        "queryStringParameters": query or None,
        "multiValueQueryStringParameters": queries or None,
        "pathParameters": exchange.parameters or None,
        "httpMethod": request.method,
        "path": exchange.path,
        "resource": exchange.route.resource["path"],
    }
    return _encode(event)


def _encode(event: dict[str, Any]) -> bytes:
    try:
        encoded: bytes = orjson.dumps(event)
    except orjson.JSONEncodeError:  # half of a surrogate pair, which JSON's escapes can say and UTF-8 cannot
        encoded = json.dumps(event, separators=(",", ":")).encode()
    return encoded


def response_of(api: CompiledApi, accept: str | None, payload: bytes) -> tuple[int, list[Header], bytes]:
    """Status, headers and body of what a function returned. Raises as LocalStack's integration does what it refuses."""
    return _plain_response_of(payload) or _any_response_of(api, accept, payload)


def _plain_response_of(payload: bytes) -> tuple[int, list[Header], bytes] | None:
    """What nearly all functions return: a status, headers with one text each, a text. None for everything else."""
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    if type(answer) is not dict or not answer.keys() <= _PLAIN or answer.get("multiValueHeaders") or answer.get("isBase64Encoded"):
        return None
    status, body, given = answer.get("statusCode"), answer.get("body"), answer.get("headers")
    if type(status) is not int or not status or type(body) is not str or type(given) is not dict:
        return None
    names = {name.lower() for name in given}
    if len(names) < len(given) or names & _NOT_PLAIN:
        return None
    if any(type(value) is not str or "\r" in value or "\n" in value for value in given.values()):
        return None
    headers = list(given.items())
    if "content-type" not in names:
        headers.insert(0, ("Content-Type", "application/json"))
    return status, headers, body.encode()


def _any_response_of(api: CompiledApi, accept: str | None, payload: bytes) -> tuple[int, list[Header], bytes]:
    answer = _PROXY.parse_lambda_response(payload)
    merged = _PROXY._merge_lambda_response_headers(answer)  # noqa: SLF001 (one rule for both ways in)
    as_binary = bool(accept) and mime_type_matches_binary_media_types(accept, api.binary_media_types)
    body: bytes = _PROXY._parse_body(answer.get("body"), as_binary and answer.get("isBase64Encoded"))  # noqa: SLF001
    if not isinstance(body, bytes):
        raise InternalServerError(FAILED, status_code=502)
    named = {"content-type": ("Content-Type", "application/json")} | {name.lower(): (name, value) for name, value in merged.items()}
    headers: list[Header] = []
    for lowered, (name, value) in named.items():
        if lowered != "transfer-encoding":
            shown = f"x-amzn-Remapped-{name}" if lowered in _REMAPPED else name
            headers += ((shown, _one_line(each)) for each in (value if isinstance(value, list) else (value,)))
    return int(answer.get("statusCode") or 200), headers, body


def _one_line(value: Any) -> str:
    text = str(value)
    if "\r" in text or "\n" in text:
        raise ValueError("a header's value must be one line")
    return text


def _replace(single: dict[str, str], several: dict[str, list[str]], name: str, value: str) -> None:
    for held in [each for each in single if each.lower() == name.lower()]:
        del single[held], several[held]
    single[name], several[name] = value, [value]


def _body_of(body: bytes) -> tuple[str | None, bool]:
    if not body:
        return None, False
    try:
        return body.decode(), False
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), True
