"""Passing requests on to what stands behind the page, as they come and as they go: neither side is kept in memory."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import httpx
from starlette.responses import Response, StreamingResponse

from common.tracing import TRACEPARENT, begun, current_trace_id, current_traceparent, new_trace_id, note, trace_id_of, under_trace_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

# Of one connection and not of the message (RFC 9110, 7.6.1); host and length are the client library's to say.
_HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "host")
)
# What says whose request it is, which is not for clients to say.
_FORWARDING = frozenset(("forwarded", "x-forwarded-for", "x-forwarder-key", "x-real-ip"))


class Upstream:
    """A server behind the page; for one that may be starting again one has `patience`, in seconds.

    One that is told the `forwarder_key` is told with it whose request it is.
    """

    def __init__(self, client: httpx.AsyncClient, patience: float = 0, forwarder_key: str = "") -> None:
        self._client = client
        self._patience = patience
        self._forwarder_key = forwarder_key

    async def answer(self, request: Request) -> Response:
        """Its answer, status and headers untouched, streamed; 502 in the API's own form where there is none."""
        parent = request.headers.get(TRACEPARENT)
        attributes = {"http.request.method": request.method, "url.path": request.url.path}
        with under_trace_id(trace_id_of(parent) or new_trace_id()), begun(request.method, "server", parent, attributes):
            response = await self._answer(request)
            note({"http.response.status_code": response.status_code}, failed=response.status_code >= 500)
        return response

    async def _answer(self, request: Request) -> Response:
        not_passed = _HOP_BY_HOP | _FORWARDING
        headers = [(name, value) for name, value in request.headers.raw if name.decode("latin-1") not in not_passed]
        if told := current_traceparent():
            headers = [(name, value) for name, value in headers if name != TRACEPARENT.encode()]
            headers.append((TRACEPARENT.encode(), told.encode()))
        if self._forwarder_key and request.client is not None:
            headers += [(b"x-forwarded-for", request.client.host.encode()), (b"x-forwarder-key", self._forwarder_key.encode())]
        url = _url_of(request)
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        passed = self._client.build_request(request.method, url, headers=headers, content=request.stream() if has_body else None)
        try:
            answer = await self._send(passed)
        except httpx.TimeoutException:
            return _problem(request, 504, "gateway_timeout", "the API did not answer in time")
        except httpx.TransportError:
            return _problem(request, 502, "gateway_unavailable", "the API cannot be reached just now")
        response = StreamingResponse(_body(answer), answer.status_code)
        response.raw_headers = [
            (name.lower(), value) for name, value in answer.headers.raw if name.lower().decode("latin-1") not in _HOP_BY_HOP
        ]
        return response

    async def _send(self, request: httpx.Request) -> httpx.Response:
        """Its answer; a server that is just starting is waited for, for as long as there is patience."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return await self._client.send(request, stream=True)
            except httpx.ConnectError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)


def _url_of(request: Request) -> httpx.URL:
    """The path as it came, percent-encoded as it was."""
    query = request.scope["query_string"]
    return httpx.URL(raw_path=request.scope["raw_path"] + (b"?" + query if query else b""))


async def _body(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()


def _problem(request: Request, status: int, code: str, detail: str) -> Response:
    document = {
        "type": "about:blank",
        "title": {502: "Bad Gateway", 504: "Gateway Timeout"}[status],
        "status": status,
        "code": code,
        "detail": detail,
        "instance": request.url.path,
        "trace_id": current_trace_id(),
    }
    return Response(json.dumps(document), status, {"Cache-Control": "no-store", "Retry-After": "2"}, "application/problem+json")
