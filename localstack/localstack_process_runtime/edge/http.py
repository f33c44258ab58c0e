"""HTTP/1.1 on an event loop: httptools (Node's parser) reads, requests are answered one after another, connections are kept."""

from __future__ import annotations

import asyncio
import contextlib
import http
import logging
import re
import socket
import time
from collections import deque
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Protocol, cast

import httptools

from lambda_environments.sending import send_now

if TYPE_CHECKING:
    from collections.abc import Iterable

LOG = logging.getLogger(__name__)
HEAD_LIMIT_BYTES = 65_536
BODY_LIMIT_BYTES = 10_485_760  # https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
DRAIN_LIMIT_BYTES = 8 * BODY_LIMIT_BYTES
"""How much of a body that is too large is read and thrown away, so that the client gets to read why."""
REQUEST_SECONDS = 60.0
IDLE_SECONDS = 300.0
SWEEP_SECONDS = 1.0
LINGER_SECONDS = 0.5
PIPELINED = 16

REASONS = {int(status): status.phrase.encode() for status in http.HTTPStatus}
WITHOUT_BODY = frozenset({204, 304})
OURS_TO_SAY = frozenset({"content-length", "connection", "transfer-encoding", "date"})
"""Where an answer ends is said here and once: two lengths are two answers to whoever stands between."""

NOT_IN_A_URI = re.compile(rb"[^!#-;=?-\[\]_a-z~]")
"""https://datatracker.ietf.org/doc/html/rfc3986#section-2: a quotation mark, say, which would end a text of JSON that quotes the path."""
LINE_ENDS = str.maketrans("\r\n\0", "   ")

Header = tuple[str, str]


@dataclass(slots=True)
class HttpRequest:
    """A request as it came: names of headers as they were spelled, the target undecoded."""

    method: str
    target: str
    headers: list[Header]
    body: bytes
    client: str
    too_large: bool = False


class Reply(Protocol):
    """Where the one answer to a request goes."""

    def __call__(self, status: int, headers: Iterable[Header], body: bytes) -> None: ...


class Handler(Protocol):
    def __call__(self, request: HttpRequest, reply: Reply) -> None:
        """Answer, now or later; must not raise."""
        ...


class _Clock:
    """The Date header, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._line = b""

    def line(self) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second, self._line = second, b"Date: " + formatdate(second, usegmt=True).encode() + b"\r\n"
        return self._line


_CLOCK = _Clock()


class HttpConnection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._descriptor = -1
        self._client = ""
        self._target = b""
        self._headers: list[Header] = []
        self._body: list[bytes] = []
        self._head_bytes = self._body_bytes = 0
        self._unfinished_bytes = 0
        """Of a head or a trailer whose end has not come: the parser tells of a header once it is whole, and holds it meanwhile."""
        self._waiting: deque[tuple[HttpRequest, bool]] = deque()
        self._keep = True
        self._ended = False
        self.busy = False
        self.deadline = 0.0
        """When patience ends: with a request that does not arrive whole, or with a connection on which nothing is asked."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass of it
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._descriptor = connection.fileno()
        self._client = str(transport.get_extra_info("peername")[0])
        self.deadline = self._server.now() + REQUEST_SECONDS
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        self._transport = None
        self._waiting.clear()
        self._server.connections.discard(self)
        self._server.answered()

    def data_received(self, data: bytes) -> None:
        self._unfinished_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # nobody here speaks anything else: the request is answered as it is
            self._keep = False
        except httptools.HttpParserInvalidMethodError:  # https://datatracker.ietf.org/doc/html/rfc9110#section-9.1
            self._refuse(501, "there is no such method")
        except httptools.HttpParserError:
            self._refuse(400, "this is not HTTP/1.1")
        if self._unfinished_bytes > HEAD_LIMIT_BYTES:
            self._refuse_head()

    def eof_received(self) -> bool:
        self._ended = True
        return self.busy  # who has asked may close its half and still wait for the answer

    def keep_no_longer(self) -> None:
        """Have it closed behind the next answer."""
        self._keep = False

    def close(self) -> None:
        """At once when nothing is being answered, else after the answer."""
        self.keep_no_longer()
        if not self.busy and self._transport is not None:
            self._transport.close()

    # httptools' callbacks

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers = []
        self._body = []
        self._head_bytes = self._body_bytes = self._unfinished_bytes = 0
        if not self.busy:
            self.deadline = self._server.now() + REQUEST_SECONDS

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value))
        self._headers.append((name.decode("latin-1"), value.decode("latin-1").rstrip(" \t")))
        if value == b"100-continue" and name.lower() == b"expect" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._unfinished_bytes = 0
        self._body_bytes += len(body)
        if self._body_bytes <= BODY_LIMIT_BYTES:
            self._body.append(body)
        elif self._body_bytes > DRAIN_LIMIT_BYTES:
            self._refuse(413, "the body is too large")

    def on_message_complete(self) -> None:
        self._unfinished_bytes = 0
        if self._transport is None or self._transport.is_closing():  # it was refused while it came
            return
        request = HttpRequest(
            self._parser.get_method().decode("latin-1"),
            NOT_IN_A_URI.sub(lambda found: b"%%%02X" % ord(found[0]), self._target).decode("ascii"),
            self._headers,
            b"".join(self._body),
            self._client,
            too_large=self._body_bytes > BODY_LIMIT_BYTES,
        )
        self._body = []
        keep = self._parser.should_keep_alive()
        if self.busy:
            self._waiting.append((request, keep))
            if len(self._waiting) >= PIPELINED and self._transport is not None:
                self._transport.pause_reading()
        else:
            self._begin(request, keep=keep)

    def _begin(self, request: HttpRequest, *, keep: bool) -> None:
        self.busy = True
        self._keep = self._keep and keep
        without_body = request.method == "HEAD"
        answered = False

        def reply(status: int, headers: Iterable[Header], body: bytes) -> None:
            nonlocal answered
            if not answered:
                head = _head(status, headers)
                answered = True
                self._answer(status, head, body, without_body=without_body)

        try:
            self._server.handler(request, reply)
        except Exception:
            LOG.exception("the edge failed at %s", request.target)
            self.busy = False
            self.close()

    def _answer(self, status: int, head: bytes, body: bytes, *, without_body: bool) -> None:
        if self._transport is None:
            return
        lines = [head]
        if status in WITHOUT_BODY or status < 200:
            body = b""
        else:
            lines.append(b"Content-Length: %d\r\n" % len(body))
        if self._ended and not self._waiting:  # nothing more will be asked, and the end of it is told once
            self._keep = False
        lines.append(b"Connection: keep-alive\r\n\r\n" if self._keep else b"Connection: close\r\n\r\n")
        if not without_body:
            lines.append(body)
        send_now(self._transport, self._descriptor, b"".join(lines))
        self.busy = self._keep and bool(self._waiting)
        if self.busy:
            self._server.call_soon(self._next)  # not here: what is refused at once would lead back to here, ever deeper
        elif self._keep:
            self.deadline = self._server.now() + IDLE_SECONDS
        else:
            self._transport.close()
        self._server.answered()

    def _next(self) -> None:
        """Begin the request that has waited longest."""
        if self._transport is not None and not self._transport.is_closing():
            request, keep = self._waiting.popleft()
            if len(self._waiting) < PIPELINED:
                self._transport.resume_reading()
            self._begin(request, keep=keep)

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_LIMIT_BYTES:
            self._refuse_head()

    def _refuse_head(self) -> None:
        self._refuse(431, "the request's head is too large")

    def _refuse(self, status: int, why: str) -> None:
        """What cannot be taken for a request gets a word and no more: there is nobody to ask for a gateway response."""
        if self._transport is not None and not self._transport.is_closing():
            body = b'{"message":"%b"}' % why.encode()
            head = b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\n" % (status, REASONS[status])
            if not self.busy:
                self._transport.write(head + b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body))
            self._transport.close()


def _head(status: int, headers: Iterable[Header]) -> bytes:
    lines = [b"HTTP/1.1 %d %b\r\n" % (status, REASONS.get(status, b"Unknown")), _CLOCK.line()]
    lines += [_line(name, value) for name, value in headers if name.lower() not in OURS_TO_SAY]
    return b"".join(lines)


def _line(name: str, value: str) -> bytes:
    """A header that stays one, whatever its value (https://datatracker.ietf.org/doc/html/rfc9110#section-5.5)."""
    line = f"{name}: {value}"
    if "\r" in line or "\n" in line or "\0" in line:
        line = line.translate(LINE_ENDS)
    return line.encode("latin-1", "replace") + b"\r\n"


class HttpServer:
    """Listens on the running event loop, and forgets clients that neither ask nor go."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.connections: set[HttpConnection] = set()
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self.call_soon = self._loop.call_soon
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._quiet: asyncio.Event | None = None

    async def listen(self, host: str, port: int) -> None:
        self._server = await self._loop.create_server(lambda: HttpConnection(self), host, port, backlog=1024)
        self._sweep()

    async def close(self, seconds: float) -> None:
        """Take no more connections; what is being answered is answered, for so many seconds.

        Connections are closed behind an answer. Those on which nothing is asked stay for a moment longer: a client that is about to ask
        again cannot know, and would not be told whether its request was taken.
        """
        if self._server is None:
            return
        self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._quiet = asyncio.Event()
        for connection in self.connections:
            connection.keep_no_longer()
        self.answered()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), seconds)
        if self.connections:
            await asyncio.sleep(LINGER_SECONDS)
        for connection in list(self.connections):
            connection.close()

    def answered(self) -> None:
        """Some request was, or nobody is there for its answer; the last one ends the wait of `close`."""
        if self._quiet is not None and not any(connection.busy for connection in self.connections):
            self._quiet.set()

    def _sweep(self) -> None:
        now = self.now()
        for connection in list(self.connections):
            if not connection.busy and connection.deadline < now:
                connection.close()
        self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._sweep)
