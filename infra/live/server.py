"""The HTTP side of the live events: who may listen, how many, and what they are sent."""

from __future__ import annotations

import contextlib
import json
import time
from functools import partial
from typing import TYPE_CHECKING

import httpx
import jwt
from prometheus_client import CONTENT_TYPE_LATEST
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from common.errors import ProblemError, UnauthorizedError, UnavailableError
from common.tracing import new_trace_id
from infra.bridge.metrics import exposition
from infra.bridge.report import role
from infra.live.feed import Feed, Position
from infra.live.listener import Listener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.requests import Request

    from infra.live.settings import LiveSettings


class LiveEvents:
    """The routes over one feed."""

    def __init__(self, settings: LiveSettings, feed: Feed, bridge_state: Path | None = None) -> None:
        """`bridge_state` is the file in which the bridge tells how it is."""
        self._settings = settings
        self._feed = feed
        self._bridge_state = bridge_state
        self._gateway = httpx.AsyncClient(base_url=settings.gateway_url, timeout=10)

    def app(self) -> Starlette:
        """The application; somebody else runs the feed."""
        return Starlette(
            routes=[
                Route("/api/events", self.events, methods=["GET"]),
                Route("/health", self.health, methods=["GET"]),
                Route("/metrics", metrics, methods=["GET"]),
            ],
            exception_handlers={ProblemError: _as_problem},  # type: ignore[dict-item]  # of handlers for narrower errors
            lifespan=self._connected,
        )

    async def events(self, request: Request) -> Response:
        """The stream, from Last-Event-ID or from now on, until the token counts no longer."""
        if self._feed.clients >= self._settings.clients:
            raise UnavailableError("too many are listening already", code="too_many_listeners", retry_after=10)
        authorization = request.headers.get("authorization", "")
        seconds_left = await self._seconds_left(authorization)
        given = request.headers.get("last-event-id", "").strip()
        # An id that is no position of ours is one that nothing is known of, which is not the same as none.
        since = (Position.parse(given) or Position((2**62, 2**62))) if given else None
        listener = Listener(seconds_left, partial(self._is_refused, authorization), self._settings.recheck_seconds)
        stream = self._feed.follow(since, listener)
        return EventSourceResponse(stream, ping=self._settings.heartbeat_seconds, send_timeout=self._settings.send_seconds, sep="\n")

    async def health(self, _request: Request) -> Response:
        """How many listen; and what the bridge is that this belongs to, where it says so in a file: 503 when it has ceased to."""
        document: dict[str, int | str] = {"clients": self._feed.clients}
        if self._bridge_state is None:
            return JSONResponse(document)
        bridge = role(self._bridge_state)
        return JSONResponse(document | {"bridge": bridge or "silent"}, 200 if bridge else 503)

    async def _seconds_left(self, authorization: str) -> float:
        """How long the token is still good for. The gateway says whether it is, as it does for every other route."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UnauthorizedError("a bearer token is needed")
        let_in = await self._is_let_in(authorization)
        if let_in is None:
            raise UnavailableError("who you are cannot be checked just now", code="gateway_unavailable")
        if not let_in:
            raise UnauthorizedError("a valid bearer token is needed")
        claims = jwt.decode(token, options={"verify_signature": False})
        return float(claims["exp"]) - time.time()

    async def _is_refused(self, authorization: str) -> bool:
        return await self._is_let_in(authorization) is False

    async def _is_let_in(self, authorization: str) -> bool | None:
        """What the gateway says; None while it cannot say."""
        try:
            answer = await self._gateway.post("/api/auth/validate", headers={"authorization": authorization})
        except httpx.HTTPError:
            return None
        return {200: True, 401: False, 403: False}.get(answer.status_code)

    @contextlib.asynccontextmanager
    async def _connected(self, _app: Starlette) -> AsyncIterator[None]:
        async with self._gateway:
            yield


def metrics(_request: Request) -> Response:
    """For Prometheus: the bridge, and what only it sees whole. On a thread, as the servers that are asked may be away."""
    return Response(exposition(), media_type=CONTENT_TYPE_LATEST)


async def _as_problem(request: Request, problem: ProblemError) -> Response:
    document = {**problem.document(), "instance": request.url.path, "trace_id": new_trace_id()}
    headers = {"Cache-Control": "no-store"}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(round(problem.retry_after))
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(json.dumps(document), problem.status, headers, "application/problem+json")
