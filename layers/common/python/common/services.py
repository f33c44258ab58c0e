"""Asking another service: its cached entity first, then its function, behind a breaker."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import stamina
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, EndpointConnectionError

from common.aws import get_client
from common.breaker import get_breaker
from common.cache import EntityCache, Gone, look_up
from common.config import get_settings
from common.events import entity_of
from common.identity import Identity, Role
from common.tracing import TRACEPARENT, span, traceparent

# A function that calls another speaks for itself, not for the user it is serving: it only reads.
_CALLER = Identity(user_id=0, username="service", role=Role.VIEWER, token_id="", token_expires=0)


class _ServiceFailedError(Exception):
    """The function failed or answered 5xx: what a breaker counts."""


class _FunctionDiedError(_ServiceFailedError):
    """The function did not get to answer."""


# What another process answers a moment later: a function whose process died, and a Lambda that was not reached. Not what has
# taken its time, nor a service that says it is unwell.
_PASSES = (_FunctionDiedError, EndpointConnectionError, ConnectionClosedError)
# Well, or unwell as it knows itself.
_HEALTH_STATUSES = (200, 503)
# How often a function that dies is asked before that counts as one failure.
ATTEMPTS = 3


def get_from(
    service: str, route: str, *, path: Mapping[str, str] | None = None, query: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """Status and document of a GET route of another service, e.g. `get_from("supplier", "/api/suppliers/{supplier_id}", ...)`.

    Raises DependencyUnavailableError when the service fails or its breaker is open; an answer of 4xx is an answer.
    """
    return get_breaker(service).call(lambda: _invoke_healthy(service, route, path or {}, query or {}))


def ask_health(service: str, plural: str) -> dict[str, Any]:
    """What a service says of its health; that it cannot be asked is an answer too."""
    try:
        status, document = _invoke(service, f"/api/{plural}/health", {}, {})
    except (BotoCoreError, ClientError, _ServiceFailedError) as error:
        return {"service": service, "status": "down", "error": str(error)}
    if status not in _HEALTH_STATUSES:
        return {"service": service, "status": "down", "error": f"answered {status}: {document.get('detail')}"}
    return document


def _invoke_healthy(service: str, route: str, path: Mapping[str, str], query: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """Asked up to ATTEMPTS times, as every route asked for here only reads. Counts once for the breaker."""
    for attempt in stamina.retry_context(on=_PASSES, attempts=ATTEMPTS, wait_initial=0.02, wait_jitter=0.1, wait_max=0.3, timeout=5):
        with attempt:
            status, document = _invoke(service, route, path, query)
    if status >= 500:
        raise _ServiceFailedError(f"{service} answered {status}: {document.get('detail')}")
    return status, document


def _invoke(service: str, route: str, path: Mapping[str, str], query: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    name = f"{get_settings().stack_name}-{service}"
    with span(f"invoke {name}", "client", {"faas.invoked_name": name}):
        event = request_event("GET", route, _CALLER, path=path, query=query)
        answer = get_client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise _FunctionDiedError(f"{name} failed: {payload.get('errorMessage')}")
    return int(payload["statusCode"]), json.loads(payload.get("body") or "{}")


def request_event(
    method: str,
    route: str,
    caller: Identity,
    *,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A request as API Gateway hands it to a function, from whoever may invoke functions past the gateway."""
    told = traceparent()
    return {
        "resource": route,
        "path": route.format(**path or {}),
        "httpMethod": method,
        "headers": {TRACEPARENT: told},
        "multiValueHeaders": {TRACEPARENT: [told]},
        "queryStringParameters": dict(query or {}) or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in (query or {}).items()} or None,
        "pathParameters": dict(path or {}) or None,
        "stageVariables": None,
        "requestContext": {"resourcePath": route, "httpMethod": method, "authorizer": caller.context()},
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


class Directory:
    """Entities of another service, looked up by id: from the cache it keeps, then from itself."""

    def __init__(self, service: str, plural: str) -> None:
        self._service = service
        self._route = f"/api/{plural}"
        self._plural = plural
        self._parameter = f"{service}_id"
        self.cache = EntityCache(service)

    def find(self, entity_id: int) -> dict[str, Any] | None:
        """The entity, or None if there is none. Raises DependencyUnavailableError when that cannot be told."""
        return self.settle(entity_id, self.cache.get(entity_id))

    def settle(self, entity_id: int, held: dict[str, Any] | Gone | None) -> dict[str, Any] | None:
        """What the cache held, or the service says where it held nothing."""
        if isinstance(held, Gone):
            return None
        if held is not None:
            return held
        status, document = get_from(self._service, f"{self._route}/{{{self._parameter}}}", path={self._parameter: str(entity_id)})
        return document if status == 200 else None

    def cached(self, entity_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Those entities that the cache knows; asks nobody else."""
        return {i: entity for i, entity in self.cache.get_many(entity_ids).items() if not isinstance(entity, Gone)}

    def find_many(self, entity_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Those entities that exist. Raises DependencyUnavailableError when that cannot be told."""
        ids = sorted(set(entity_ids))
        held = self.cache.get_many(ids)
        found = {i: entity for i, entity in held.items() if not isinstance(entity, Gone)}
        missing = [i for i in ids if i not in held]
        if missing:
            query = {"ids": ",".join(map(str, missing)), "limit": str(len(missing))}
            _, document = get_from(self._service, self._route, query=query)
            found |= {entity["id"]: entity for entity in document[self._plural]}
        return found

    def heal(self, entity_events: Iterable[Mapping[str, Any]]) -> None:
        """Put right what missed invalidations left in the cache, now that the changes are heard of by their events."""
        events = list(entity_events)
        if not events:
            return
        changed = []
        for event in events:
            entity = entity_of(self._service, event)
            if event["event_type"].endswith("_deleted"):
                self.cache.bury(entity["id"], entity["version"])
            else:
                changed.append(entity)
        self.cache.put(changed, insist=True)
        self.cache.void_lists()


def find_each(*wanted: tuple[Directory, int]) -> list[dict[str, Any] | None]:
    """Entities of several services, as `find` does, with one look at the cache for all."""
    held = look_up([(directory.cache, entity_id) for directory, entity_id in wanted])
    return [directory.settle(entity_id, known) for (directory, entity_id), known in zip(wanted, held, strict=True)]
