"""The application: files, API and live events of one origin, compressed, with headers that keep the page to itself."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import httpx
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount, Route

from infra.page.files import PageFiles
from infra.page.passing_on import Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from infra.page.settings import PageSettings

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
# Components set styles on elements; scripts come from here and nowhere else.
_SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; object-src 'none';"
        " base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def page_app(settings: PageSettings) -> Starlette:
    """What listens on the page's port."""
    limits = httpx.Limits(max_connections=settings.connections, max_keepalive_connections=50)
    gateway = httpx.AsyncClient(base_url=settings.gateway_url, timeout=settings.answer_seconds, limits=limits)
    live = httpx.AsyncClient(base_url=settings.live_events_url, timeout=settings.answer_seconds, limits=limits)

    @contextlib.asynccontextmanager
    async def connected(_app: Starlette) -> AsyncIterator[None]:
        async with gateway, live:
            yield

    to_gateway = Upstream(gateway, forwarder_key=settings.forwarder_key)
    to_live = Upstream(live, settings.live_events_patience)
    return Starlette(
        routes=[
            Route("/api/events", to_live.answer, methods=["GET"]),
            Route("/api/{path:path}", to_gateway.answer, methods=_METHODS),
            Route("/health", to_gateway.answer, methods=["GET"]),
            Mount("/", PageFiles(settings.files)),
        ],
        # A stream of events is never compressed: GZipMiddleware leaves text/event-stream alone.
        middleware=[Middleware(_SecurityHeaders), Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)],
        lifespan=connected,
    )


class _SecurityHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
