"""A request as API Gateway hands it to a function, for tests that call the functions without a gateway."""

import importlib
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from common.events import CONSUMERS
from common.identity import Identity, Role
from tests import contract

# Which service answers for which first part of a path under /api.
SERVICES = {
    "auth": "auth",
    "suppliers": "supplier",
    "customers": "customer",
    "products": "product",
    "inventory": "inventory",
    "procurements": "procurement",
    "orders": "order",
}
SYSTEM = ("system", "docs", "openapi.json")
CONTEXT = SimpleNamespace(aws_request_id="test", function_name="test", memory_limit_in_mb=512, invoked_function_arn="arn:test")


# Whose function runs: all of them run in this process, each with its own account at the database.
_acting: ContextVar[str] = ContextVar("acting", default="")


@contextmanager
def acting_as(service: str) -> Iterator[None]:
    """Do something as a function of this service."""
    token = _acting.set(service)
    try:
        yield
    finally:
        _acting.reset(token)


def acting() -> str:
    """The service whose function runs now; empty for the test itself."""
    return _acting.get()


def signed_in(role: Role, user_id: int = 1) -> dict[str, str]:
    """The authorizer's context for a user of that role."""
    return Identity(user_id=user_id, username="tester", role=role, token_id=str(uuid.uuid4()), token_expires=2**31).context()


@dataclass(frozen=True)
class Answer:
    """What a function answered."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Gateway:
    """Calls the functions' handlers in this process, as a signed-in user: one who may do everything, unless a test says otherwise."""

    user: dict[str, str] = field(default_factory=lambda: signed_in(Role.ADMIN))

    def request(self, method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        parts = urlsplit(url)
        app = app_of(parts.path)
        route, path_parameters = _match(app, parts.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        raw = body if isinstance(body, str) or body is None else json.dumps(body)
        with acting_as(app.service):
            answer = app(proxy_event(method, route, parts.path, path_parameters, query, raw, headers or {}, self.user), CONTEXT)
        answered = Answer(answer["statusCode"], {k.lower(): v for k, v in answer["headers"].items()}, answer["body"])
        contract.check(method, route, answered)
        return answered

    def get(self, url: str, **rest: Any) -> Answer:
        return self.request("GET", url, **rest)

    def post(self, url: str, body: Any = None, **rest: Any) -> Answer:
        return self.request("POST", url, body, **rest)

    def put(self, url: str, body: Any = None, **rest: Any) -> Answer:
        return self.request("PUT", url, body, **rest)

    def delete(self, url: str, **rest: Any) -> Answer:
        return self.request("DELETE", url, **rest)


class LambdaClient:
    """The part of boto3's Lambda client that services use, calling their handlers in this process."""

    def invoke(self, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803
        _, service = FunctionName.split("-", 1)
        with acting_as(service):
            answer = importlib.import_module(f"{service}.app").app(json.loads(Payload), CONTEXT)
        return {"Payload": SimpleNamespace(read=lambda: json.dumps(answer).encode())}


def consumer(name: str) -> Any:
    """The handler of a consumer function."""
    assert name in CONSUMERS
    handler = importlib.import_module(f"{name}.consumer").handler

    def handle(payload: dict[str, Any], context: Any) -> Any:
        with acting_as(name):
            return handler(payload, context)

    return handle


def app_of(path: str) -> Any:
    """The Chalice app that answers for a path."""
    first = path.split("/")[2]
    return importlib.import_module(f"{'system' if first in SYSTEM else SERVICES[first]}.app").app


def proxy_event(
    method: str,
    route: str,
    path: str,
    path_parameters: dict[str, str],
    query: dict[str, list[str]],
    body: str | None,
    headers: dict[str, str],
    user: dict[str, str],
) -> dict[str, Any]:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html"""
    return {
        "resource": route,
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": path_parameters or None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": route,
            "httpMethod": method,
            "requestId": str(uuid.uuid4()),
            "path": path,
            "identity": {"sourceIp": headers.get("test-address", "192.0.2.1")},
            "authorizer": user,
        },
        "body": body,
        "isBase64Encoded": False,
    }


def _match(app: Any, path: str) -> tuple[str, dict[str, str]]:
    """The route with the most literal parts wins, as in API Gateway."""
    for route in sorted(app.routes, key=lambda route: route.count("{")):
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route)
        if found := re.fullmatch(pattern, path):
            return route, found.groupdict()
    raise LookupError(path)
