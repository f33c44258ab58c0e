"""The HTTP side of the live events: who may listen, how many, and what they are sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import uuid
from typing import TYPE_CHECKING

import httpx
import jwt
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from common.errors import ProblemError, UnauthorizedError, UnavailableError
from infra.live.feed import Feed, Position

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from infra.live.settings import LiveSettings


class LiveEvents:
    """The routes over one feed."""

    def __init__(self, settings: LiveSettings, feed: Feed) -> None:
        self._settings = settings
        self._feed = feed
        self._gateway = httpx.AsyncClient(base_url=settings.gateway_url, timeout=10)

    def app(self) -> Starlette:
        """The application; it reads the tables for as long as it runs."""
        return Starlette(
            routes=[Route("/api/events", self.events, methods=["GET"]), Route("/health", self.health, methods=["GET"])],
            exception_handlers={ProblemError: _as_problem},  # type: ignore[dict-item]  # of handlers for narrower errors
            lifespan=self._reading,
        )

    async def events(self, request: Request) -> Response:
        """The stream, from Last-Event-ID or from now on, until the token expires."""
        if self._feed.clients >= self._settings.clients:
            raise UnavailableError("too many are listening already", code="too_many_listeners", retry_after=10)
        seconds_left = await self._seconds_left(request.headers.get("authorization", ""))
        given = request.headers.get("last-event-id", "").strip()
        # An id that is no position of ours is one that nothing is known of, which is not the same as none.
        since = (Position.parse(given) or Position((2**62, 2**62))) if given else None
        stream = self._feed.follow(since, asyncio.get_running_loop().time() + seconds_left)
        return EventSourceResponse(stream, ping=self._settings.heartbeat_seconds, send_timeout=self._settings.send_seconds, sep="\n")

    async def health(self, _request: Request) -> Response:
        """How many listen."""
        return JSONResponse({"clients": self._feed.clients})

    async def _seconds_left(self, authorization: str) -> float:
        """How long the token is still good for. The gateway says whether it is, as it does for every other route."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UnauthorizedError("a bearer token is needed")
        try:
            answer = await self._gateway.post("/api/auth/validate", headers={"authorization": authorization})
        except httpx.HTTPError as error:
            raise UnavailableError("who you are cannot be checked just now", code="gateway_unavailable") from error
        if answer.status_code in {401, 403}:
            raise UnauthorizedError("a valid bearer token is needed")
        if answer.status_code != 200:
            raise UnavailableError("who you are cannot be checked just now", code="gateway_unavailable")
        claims = jwt.decode(token, options={"verify_signature": False})
        return float(claims["exp"]) - time.time()

    @contextlib.asynccontextmanager
    async def _reading(self, _app: Starlette) -> AsyncIterator[None]:
        async with self._gateway, asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(self._feed.run())
            yield
            reading.cancel()


async def _as_problem(request: Request, problem: ProblemError) -> Response:
    document = {**problem.document(), "instance": request.url.path, "trace_id": str(uuid.uuid4())}
    headers = {"Cache-Control": "no-store"}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(round(problem.retry_after))
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(json.dumps(document), problem.status, headers, "application/problem+json")
