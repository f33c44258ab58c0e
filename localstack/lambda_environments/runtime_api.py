"""The Lambda Runtime API, server side: one listening port per environment, so none can answer for another.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import asyncio
import json
import select
import socket
from typing import TYPE_CHECKING, Protocol, cast

import httptools

from lambda_environments.sending import send_now

if TYPE_CHECKING:
    from lambda_environments.model import Invocation

API = b"/2018-06-01/runtime/"
INVOCATION = API + b"invocation/"
ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'


class RuntimeSession(Protocol):
    """What an environment does when its process calls the Runtime API."""

    def next_requested(self, connection: RuntimeApiConnection) -> None: ...

    def awaits(self, request_id: str) -> bool:
        """Whether that invocation is in progress here."""
        ...

    def answered_with(self, payload: bytes, *, failed: bool) -> None:
        """The invocation in progress has its response, or its error."""
        ...

    def init_error_posted(self, payload: bytes) -> None: ...

    def connection_lost(self, connection: RuntimeApiConnection, *, reset: bool) -> None:
        """`reset` when the process went without having read all that was sent to it."""
        ...


def _problem(status: bytes, error_type: str, message: str) -> bytes:
    body = json.dumps({"errorType": error_type, "errorMessage": message}).encode()
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def _header(name: bytes, value: str) -> bytes:
    return b"%b: %b\r\n" % (name, value.replace("\r", " ").replace("\n", " ").encode()) if value else b""


class RuntimeApiConnection(asyncio.Protocol):
    """One keep-alive connection of the runtime interface client; parsing is httptools', the C parser of Node.js."""

    def __init__(self, session: RuntimeSession) -> None:
        self._session = session
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._descriptor = -1
        self._url = b""
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass of it
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._descriptor = connection.fileno()

    def connection_lost(self, exc: Exception | None) -> None:
        """The kernel resets a connection that is closed with data unread, and ends it properly otherwise; what was sent after the
        end, it refuses, which shows as an error of a socket that read as ended.
        """
        refused = self._transport is not None and self._transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._transport = None
        self._session.connection_lost(self, reset=exc is not None or bool(refused))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._write(_problem(b"400 Bad Request", "InvalidRequest", "not HTTP"))
            self.close()

    def is_open(self) -> bool:
        """Whether the other side has not closed it, seen or not."""
        if self._transport is None or self._transport.is_closing():
            return False
        end = select.poll()
        end.register(self._descriptor, select.POLLRDHUP)
        return not end.poll(0)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def send_invocation(self, invocation: Invocation, deadline_ms: int) -> None:
        """Answer the pending `GET /invocation/next`."""
        payload = invocation.payload
        head = b"".join(
            (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
                _header(b"Lambda-Runtime-Aws-Request-Id", invocation.request_id),
                _header(b"Lambda-Runtime-Deadline-Ms", str(deadline_ms)),
                _header(b"Lambda-Runtime-Invoked-Function-Arn", invocation.invoked_arn),
                _header(b"Lambda-Runtime-Trace-Id", invocation.trace_id),
                _header(b"Lambda-Runtime-Client-Context", invocation.client_context),
                b"Content-Length: %d\r\n\r\n" % len(payload),
            )
        )
        self._write(head + payload)

    # httptools callbacks

    def on_message_begin(self) -> None:
        self._url = b""
        self._body.clear()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"expect" and value.lower() == b"100-continue":
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        url, method = self._url, self._parser.get_method()
        if url == INVOCATION + b"next" and method == b"GET":
            self._session.next_requested(self)
        elif url == API + b"init/error" and method == b"POST":
            self._write(ACCEPTED)
            self._session.init_error_posted(b"".join(self._body))
        elif url.startswith(INVOCATION) and method == b"POST":
            request_id, _, action = url.removeprefix(INVOCATION).partition(b"/")
            self._answer_posted(request_id.decode("ascii", "replace"), action, b"".join(self._body))
        else:
            self._write(_problem(b"404 Not Found", "NotFound", "no such operation of the Runtime API"))

    def _answer_posted(self, request_id: str, action: bytes, payload: bytes) -> None:
        if action not in (b"response", b"error"):
            self._write(_problem(b"404 Not Found", "NotFound", "no such operation of the Runtime API"))
        elif self._session.awaits(request_id):
            self._write(ACCEPTED)  # it goes on while the answer is passed on
            self._session.answered_with(payload, failed=action == b"error")
        else:
            self._write(_problem(b"400 Bad Request", "InvalidRequestID", "this invocation is not in progress here"))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            send_now(self._transport, self._descriptor, data)
