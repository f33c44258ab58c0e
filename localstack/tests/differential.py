"""The same request to the edge and to LocalStack's own gateway: the API they both serve, and what can be asked of it.

Written as raw requests, since what a well-behaved client would never send is where two servers differ.
"""

from __future__ import annotations

import http.client
import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from api import AUTHORIZER, ECHO, Api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stack import LocalStack

Headers = tuple[tuple[str, str], ...]
STAGE = "live"
METHOD_PATHS = ("/items/1", "/items", "/greedy/a", "/token/1", "/nowhere", "/")

# Answers with what its path names: each a form of Lambda proxy answer that AWS takes, or refuses.
SHAPES = """
    import base64, os

    SHAPES = {
        "plain": {"statusCode": 200, "body": "fine"},
        "no-status": {"body": "fine"},
        "status-as-text": {"statusCode": "201", "body": "made"},
        "status-of-no-use": {"statusCode": "many", "body": "?"},
        "no-body": {"statusCode": 204},
        "null-body": {"statusCode": 200, "body": None},
        "empty-body": {"statusCode": 200, "body": ""},
        "object-body": {"statusCode": 200, "body": {"a": 1}},
        "number-body": {"statusCode": 200, "body": 7},
        "headers": {"statusCode": 200, "headers": {"X-One": "1", "x-two": "2", "Content-Type": "text/plain"}, "body": "fine"},
        "header-types": {"statusCode": 200, "headers": {"X-Number": 7, "X-Yes": True}, "body": "fine"},
        "header-null": {"statusCode": 200, "headers": {"X-Null": None}, "body": "fine"},
        "headers-null": {"statusCode": 200, "headers": None, "body": "fine"},
        "multi": {"statusCode": 200, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "body": "fine"},
        "both": {"statusCode": 200, "headers": {"X-One": "1"}, "multiValueHeaders": {"X-One": ["2", "3"], "X-Two": ["4"]}, "body": "fine"},
        "same-twice": {"statusCode": 200, "headers": {"X-One": "1"}, "multiValueHeaders": {"X-One": ["1"]}, "body": "fine"},
        "other-case": {"statusCode": 200, "headers": {"x-one": "1"}, "multiValueHeaders": {"X-One": ["2"]}, "body": "fine"},
        "base64": {"statusCode": 200, "isBase64Encoded": True, "headers": {"Content-Type": "image/png"},
                   "body": base64.b64encode(bytes(range(256))).decode()},
        "base64-broken": {"statusCode": 200, "isBase64Encoded": True, "body": "%%%"},
        "unknown-field": {"statusCode": 200, "body": "fine", "surprise": 1},
        "unicode": {"statusCode": 200, "body": "Łódź \\U0001f4a1"},
        "big": {"statusCode": 200, "body": "x" * 300_000},
        "teapot": {"statusCode": 418, "body": "short and stout"},
        "redirect": {"statusCode": 302, "headers": {"Location": "https://example.org/"}, "body": ""},
        "failure": {"statusCode": 500, "body": "mine"},
        "text": "not a proxy answer",
        "number": 7,
        "nothing": None,
        "list": [1, 2],
        "empty": {},
        "connection": {"statusCode": 200, "headers": {"Connection": "close", "Content-Length": "3"}, "body": "fine"},
        "date": {"statusCode": 200, "headers": {"Date": "Thu, 01 Jan 1970 00:00:00 GMT", "Server": "mine"}, "body": "fine"},
    }

    def handler(event, context):
        kind = event["pathParameters"]["kind"]
        if kind == "raise":
            raise ValueError("secret detail")
        if kind == "die":
            os._exit(1)
        return SHAPES[kind]
"""
SHAPE_NAMES = tuple(line.split('"')[1] for line in SHAPES.splitlines() if line.startswith('        "'))


@dataclass(frozen=True)
class Case:
    """A request, by the name its difference would be told under."""

    name: str
    method: str
    path: str
    headers: Headers = ()
    body: bytes | None = None
    chunked: bool = False


@dataclass
class Seen:
    """An answer without what is never the same twice."""

    status: int
    headers: dict[str, list[str]]
    body: Any
    raw_body: bytes = field(repr=False)

    def differences(self, other: Seen) -> dict[str, tuple[Any, Any]]:
        """By place, what is here and what is there."""
        found: dict[str, tuple[Any, Any]] = {}
        _compare("status", self.status, other.status, found)
        _compare("header", self.headers, other.headers, found)
        _compare("body", self.body, other.body, found)
        return found


def deploy(stack: LocalStack) -> Api:
    """The API that is asked."""
    api = Api(stack, "edge", stage=STAGE)
    echo, shapes = stack.create_function("differential-echo", ECHO), stack.create_function("differential-shapes", SHAPES)
    authorizer = stack.create_function("differential-authorizer", AUTHORIZER)
    api.authorizer("Token", authorizer, identitySource="method.request.header.Authorization", authorizerResultTtlInSeconds=60)
    api.authorizer("Uncached", authorizer, identityValidationExpression="[a-z]+", authorizerResultTtlInSeconds=0)
    sources = "method.request.header.Authorization, method.request.querystring.tenant"
    api.authorizer("Request", authorizer, "request", identitySource=sources, authorizerResultTtlInSeconds=60)
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        api.route(method, "/items/{id}", echo)
    api.route("GET", "/", echo).route("GET", "/items", echo).route("GET", "/items/special", shapes)
    api.route("GET", "/items/{id}/parts/{part}", echo).route("ANY", "/greedy/{proxy+}", echo).route("POST", "/items", echo)
    api.route("GET", "/shapes/{kind}", shapes).route("POST", "/shapes/{kind}", shapes)
    api.route("GET", "/token/{id}", echo, "Token").route("POST", "/token/{id}", echo, "Token")
    api.route("GET", "/uncached/{id}", echo, "Uncached").route("GET", "/request/{id}", echo, "Request")
    api.route("GET", "/throttled", echo)
    api.route("POST", "/checked", echo)
    api.operation(
        "POST",
        "/checked",
        parameters=[
            {"name": "needed", "in": "query", "required": True, "schema": {"type": "string"}},
            {"name": "X-Needed", "in": "header", "required": True, "schema": {"type": "string"}},
        ],
        requestBody={"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
        **{"x-amazon-apigateway-request-validator": "all"},
    )
    for path in ("/items", "/items/{id}", "/token/{id}"):
        _preflight(api, path)
    api.document = {
        "x-amazon-apigateway-binary-media-types": ["image/png", "application/octet-stream"],
        "x-amazon-apigateway-request-validators": {"all": {"validateRequestBody": True, "validateRequestParameters": True}},
        "components": {
            "schemas": {
                "Thing": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "count": {"type": "integer"}}}
            }
        },
    }
    api.gateway_responses = {
        "DEFAULT_4XX": {
            "responseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'https://example.org'"},
            "responseTemplates": {
                "application/problem+json": '{"code":"$context.error.responseType","detail":$context.error.messageString}'
            },
        },
        "MISSING_AUTHENTICATION_TOKEN": {
            "statusCode": 404,
            "responseParameters": {"gatewayresponse.header.X-Asked": "method.request.header.X-Ask"},
            "responseTemplates": {"application/problem+json": '{"code":"no_route","path":"$context.path","method":"$context.httpMethod"}'},
        },
    }
    api.deploy()
    # A bucket of its own for each way in: the third request finds it empty.
    api.settings(**{"~1throttled__GET__throttling__burstLimit": "2", "~1throttled__GET__throttling__rateLimit": "0.0001"})
    return api


def _preflight(api: Api, path: str) -> None:
    """As SAM's `Cors` makes it: https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-cors.html"""
    allowed = {"Origin": "'https://example.org'", "Methods": "'GET,POST,OPTIONS'", "Headers": "'Authorization'"}
    names = {f"method.response.header.Access-Control-Allow-{name}": value for name, value in allowed.items()}
    api.operation(
        "OPTIONS",
        path,
        responses={"200": {"description": "", "headers": {name.rpartition(".")[2]: {"schema": {"type": "string"}} for name in names}}},
        **{
            "x-amazon-apigateway-integration": {
                "type": "mock",
                "requestTemplates": {"application/json": '{"statusCode": 200}'},
                "responses": {
                    "default": {"statusCode": "200", "responseParameters": names, "responseTemplates": {"application/json": "{}\n"}}
                },
            }
        },
    )


def cases() -> list[Case]:
    """All that is asked, in this order."""
    return [
        *_paths(),
        *_queries(),
        *_headers(),
        *_methods(),
        *_bodies(),
        *_shapes(),
        *_authorized(),
        *_checked(),
        *_preflights(),
        *_throttled(),
    ]


def _paths() -> Iterator[Case]:
    ids = (
        "1 a A-b_c.d~e %20 a%20b a+b %2B a%2Fb %2F %252F %25 %E2%82%AC %C5%81 %61 %7E : @ a:b a;b a=b a,b $ ! ' ( ) * & %26 %3D %3F %23 "
        "special %73pecial Special a%0Ab .. %2e%2e . %2E a%zz %f0%9f%92%a1 " + "x" * 200
    ).split()
    for value in ids:
        yield Case(f"path /items/{value[:20]}", "GET", f"/items/{value}")
        yield Case(f"path /greedy/{value[:20]}/z", "GET", f"/greedy/{value}/z")
    whole = (
        "/ /items /items/ //items /items//1 /items/1/ /items/1/parts/2 /items/1/parts /items/1/parts/2/3 /items/1/parts/2/ /nowhere "
        "/greedy /greedy/ /greedy/a /greedy/a/ /greedy//a /greedy/a//b /ITEMS/1 /./items/1 /items/../items/1 /items%2F1 /live/items/1"
    )
    for path in whole.split():
        yield Case(f"path {path}", "GET", path)


def _queries() -> Iterator[Case]:
    queries = (
        "a=1 a a= =1 = & && a=1&b=2 a=1&a=2 a=1&a=2&b=3 a=%20 a=+ a=%2B a=a%2Fb a=a/b a=? a=%E2%82%AC a=%zz a[]=1&a[]=2 a[b]=1 a.b=1 a=b=c "
        "a=1;b=2 A=1&a=2 %61=1 a%20b=1 a+b=1 a=%00 a=%0A a=1&&b=2 a=1&b a=1?b=2 a=%26b%3D2 a=" + "x" * 2000
    ).split(" ")
    for query in ["", *queries]:
        yield Case(f"query ?{query[:20]}", "GET", f"/items/1?{query}")


def _headers() -> Iterator[Case]:
    several: dict[str, Headers] = {
        "one": (("X-One", "1"),),
        "lower case": (("x-one", "1"),),
        "twice": (("X-One", "1"), ("X-One", "2")),
        "twice, cases mixed": (("X-One", "1"), ("x-one", "2")),
        "a list": (("X-One", "1, 2"),),
        "empty": (("X-One", ""),),
        "spaces": (("X-One", "  1  "),),
        "latin-1": (("X-One", "caf\xe9"),),
        "long": (("X-One", "x" * 4000),),
        "cookies": (("Cookie", "a=1; b=2"),),
        "cookies twice": (("Cookie", "a=1"), ("Cookie", "b=2")),
        "underscore": (("X_One", "1"),),
        "user agent": (("User-Agent", "differential/1"),),
        "accept": (("Accept", "text/html, */*;q=0.5"),),
        "accept binary": (("Accept", "image/png"),),
        "accept encoding": (("Accept-Encoding", "gzip"),),
        "range": (("Range", "bytes=0-1"),),
        "if-none-match": (("If-None-Match", '"x"'),),
        "expect nothing": (("Expect", ""),),
        "forwarded": (("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Port", "443")),
        "trace": (("X-Amzn-Trace-Id", "Root=1-67891233-abcdef012345678912345678"),),
        "origin": (("Origin", "https://example.org"),),
        "another host": (("Host", "example.org"),),
        "host with port": (("Host", "example.org:8080"),),
        "lambda's host": (("Host", "lambda.us-east-1.amazonaws.com"),),
        "amz target": (("X-Amz-Target", "DynamoDB_20120810.ListTables"),),
        "amz date": (("X-Amz-Date", "20260101T000000Z"),),
        "te": (("TE", "trailers"),),
        "upgrade": (("Upgrade", "h2c"), ("Connection", "Upgrade")),
        "api key": (("X-Api-Key", "key"),),
        "content type without body": (("Content-Type", "application/json"),),
    }
    for name, headers in several.items():
        yield Case(f"header {name}", "GET", "/items/1", headers)
    yield Case("header asked for by a gateway response", "GET", "/nowhere", (("X-Ask", "me"),))


def _methods() -> Iterator[Case]:
    for method, path in itertools.product(("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW", "get"), METHOD_PATHS):
        yield Case(f"method {method} {path}", method, path)


def _bodies() -> Iterator[Case]:
    bodies: dict[str, tuple[str | None, bytes]] = {
        "json": ("application/json", b'{"a": 1}'),
        "no type": (None, b'{"a": 1}'),
        "empty": ("application/json", b""),
        "not json": ("application/json", b"{"),
        "text": ("text/plain", "Łódź".encode()),
        "text with charset": ("text/plain; charset=utf-8", "Łódź".encode()),
        "form": ("application/x-www-form-urlencoded", b"a=1&b=2&b=3&c=%20+"),
        "form that is json": ("application/x-www-form-urlencoded", b'{"a": 1}'),
        "multipart": ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'),
        "binary": ("application/octet-stream", bytes(range(256))),
        "binary with parameter": ("application/octet-stream; version=1", bytes(range(256))),
        "image": ("image/png", b"\x89PNG\r\n"),
        "not utf-8": ("text/plain", b"\xff\xfe\xfa"),
        "nul": ("text/plain", b"a\0b"),
        "newlines": ("text/plain", b"a\r\nb\n"),
        "large": ("text/plain", b"x" * 1_000_000),
        "gzip": ("application/json", b"\x1f\x8b\x08\x00"),
        "unknown type": ("nonsense", b"a"),
        "many types": ("application/json, text/plain", b"{}"),
        "upper case type": ("APPLICATION/JSON", b"{}"),
    }
    for name, (kind, body) in bodies.items():
        headers = (("Content-Type", kind),) if kind else ()
        yield Case(f"body {name}", "POST", "/items/1", headers, body)
    yield Case("body chunked", "POST", "/items/1", (("Content-Type", "text/plain"),), b"chunked text", chunked=True)
    yield Case("body of a GET", "GET", "/items/1", (("Content-Type", "application/json"),), b'{"a": 1}')
    yield Case("body of a DELETE", "DELETE", "/items/1", (), b'{"a": 1}')
    yield Case("body of 10 MB and one byte", "POST", "/items/1", (("Content-Type", "text/plain"),), b"x" * 10_485_761)


def _shapes() -> Iterator[Case]:
    for kind in (*SHAPE_NAMES, "raise", "die"):
        yield Case(f"answer {kind}", "GET", f"/shapes/{kind}")
    for accept in ("image/png", "image/png, text/plain", "text/plain", "image/*", "*/*"):
        yield Case(f"answer base64 to {accept}", "GET", "/shapes/base64", (("Accept", accept),))
    yield Case("answer plain to image/png", "GET", "/shapes/plain", (("Accept", "image/png"),))


def _authorized() -> Iterator[Case]:
    tokens = ("ada", "deny", "this", "elsewhere", "raise", "explode", "nonsense", "", "Bearer x", "with space", "UPPER")
    for path in ("/token", "/uncached", "/request"):
        query = "?tenant=t" if path == "/request" else ""
        for token in tokens:
            for number in (1, 2):
                yield Case(f"{path} as {token!r}, item {number}", "GET", f"{path}/{number}{query}", (("Authorization", token),))
        yield Case(f"{path} as nobody", "GET", f"{path}/1{query}")
        yield Case(f"{path} by two headers", "GET", f"{path}/1{query}", (("Authorization", "ada"), ("Authorization", "bob")))
        yield Case(f"{path} as ada, odd item", "GET", f"{path}/a%2Fb{query}", (("Authorization", "ada"),))
    yield Case("/token POST after GET was granted", "POST", "/token/1", (("Authorization", "this"),), b"{}")
    for query in ("", "?tenant=", "?tenant=t&tenant=u", "?Tenant=t", "?other=t"):
        yield Case(f"/request with {query}", "GET", f"/request/1{query}", (("Authorization", "ada"),))


def _checked() -> Iterator[Case]:
    fits = (("Content-Type", "application/json"), ("X-Needed", "1"))
    for name, path, headers, body in (
        ("fits", "/checked?needed=1", fits, b'{"name": "a"}'),
        ("without the parameter", "/checked", fits, b'{"name": "a"}'),
        ("with an empty parameter", "/checked?needed=", fits, b'{"name": "a"}'),
        ("without the header", "/checked?needed=1", fits[:1], b'{"name": "a"}'),
        ("without the field", "/checked?needed=1", fits, b'{"count": 1}'),
        ("with a wrong type", "/checked?needed=1", fits, b'{"name": "a", "count": "many"}'),
        ("without a body", "/checked?needed=1", fits, b""),
        ("with a list", "/checked?needed=1", fits, b"[]"),
        ("with no json", "/checked?needed=1", fits, b"{"),
    ):
        yield Case(f"checked {name}", "POST", path, headers, body)


def _preflights() -> Iterator[Case]:
    asks = (
        ("Origin", "https://example.org"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization"),
    )
    for path in ("/items", "/items/1", "/token/1", "/nowhere", "/checked"):
        yield Case(f"preflight {path}", "OPTIONS", path, asks)
    yield Case("preflight from elsewhere", "OPTIONS", "/items", (("Origin", "https://elsewhere.example"), *asks[1:]))


def _throttled() -> Iterator[Case]:
    for number in (1, 2, 3, 4):
        yield Case(f"throttled, request {number}", "GET", "/throttled")


def ask(case: Case, port: int, prefix: str = "") -> Seen:
    """The case's request over a connection of its own, below `prefix`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    # http.client sends a Host of its own unless told not to; a case may have another.
    connection.putrequest(case.method, prefix + case.path, skip_host=True, skip_accept_encoding=True)
    names = {name.lower() for name, _ in case.headers}
    if "host" not in names:
        connection.putheader("Host", "api.example.org")
    for name, value in case.headers:
        connection.putheader(name, value.encode("latin-1"))
    if case.chunked:
        connection.putheader("Transfer-Encoding", "chunked")
    elif case.body is not None:
        connection.putheader("Content-Length", str(len(case.body)))
    connection.endheaders(case.body, encode_chunked=case.chunked)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return Seen(response.status, _stable_headers(response.getheaders()), _stable_body(body, prefix), body)


# Of the connection, not of the API; and LocalStack's mark on its own port, which AWS does not have.
_OF_THE_CONNECTION = {"date", "server", "connection", "keep-alive", "transfer-encoding", "content-length", "x-localstack"}
_NEW_EACH_TIME = {"x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id"}


def _stable_headers(headers: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        lowered = name.lower()
        if lowered not in _OF_THE_CONNECTION:
            found.setdefault(lowered, []).append("(new each time)" if lowered in _NEW_EACH_TIME else value)
    return found


_OF_THIS_REQUEST = {"requestId", "extendedRequestId", "requestTime", "requestTimeEpoch", "integrationLatency", "X-Forwarded-Port"}


def _stable_body(body: bytes, prefix: str) -> Any:
    try:
        document = json.loads(body)
    except ValueError:
        return body
    return _without_what_changes(document, prefix)


def _without_what_changes(value: Any, prefix: str) -> Any:
    if isinstance(value, dict):
        return {
            name: "(new each time)" if name in _OF_THIS_REQUEST or name.lower() in _NEW_EACH_TIME else _without_what_changes(inner, prefix)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_without_what_changes(inner, prefix) for inner in value]
    if isinstance(value, str) and prefix:
        # The stage is in paths by the API's id, and not in those of a domain mapped to the stage, which is what the edge is.
        # https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-mappings.html
        return value.replace(prefix, "").removeprefix(f"/{STAGE}")
    return value


def _compare(where: str, here: Any, there: Any, found: dict[str, tuple[Any, Any]]) -> None:
    if isinstance(here, dict) and isinstance(there, dict):
        for name in sorted({*here, *there}):
            _compare(f"{where}.{name}", here.get(name), there.get(name), found)
    elif here != there:
        found[where] = (here, there)
