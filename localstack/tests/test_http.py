"""The edge's server by itself, and clients that do as they like."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import uvloop

from localstack_process_runtime.edge.http import HEAD_LIMIT_BYTES, PIPELINED, HttpServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from typing import Any

    from localstack_process_runtime.edge.http import Handler, HttpRequest, Reply

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]

READ_AT_ONCE_BYTES = 256_000
"""By uvloop."""

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def told(story: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """On the loop that the edge has, with a limit: a connection that never ends would be waited for."""
    return uvloop.run(asyncio.wait_for(story(), 60))


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[tuple[HttpServer, Callable[[], Coroutine[Any, Any, Client]]]]:
    """A server, and what opens a connection to it."""
    server = HttpServer(handler)
    await server.listen("127.0.0.1", 0)
    port = server._server.sockets[0].getsockname()[1]
    yield server, lambda: asyncio.open_connection("127.0.0.1", port)
    await server.close(0)


def at_once(_request: HttpRequest, reply: Reply) -> None:
    reply(200, [], b"done")


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"


@pytest.mark.parametrize(
    "before",
    [
        b"GET / HTTP/1.1\r\nX-Endless: ",
        b"GET / HTTP/1.1\r\n",
        b"GET /",
        GET + b"GET / HTTP/1.1\r\nX-Endless: ",
        CHUNKED + b"0\r\nX-Endless: ",
        CHUNKED + b"1;",
    ],
    ids=["value", "name", "target", "of the next request", "trailer", "extension of a chunk"],
)
def test_a_head_without_end_is_refused_before_it_fills_the_memory(before: bytes):
    async def story() -> tuple[bytes, int]:
        async with serving(at_once) as (_, connect):
            reader, writer = await connect()
            writer.write(before)
            answers = asyncio.create_task(reader.readuntil(b"too large"))
            sent = 0
            while not answers.done() and sent < 100 * HEAD_LIMIT_BYTES:
                writer.write(b"x" * 4096)
                sent += 4096
                await asyncio.sleep(0.001)
            writer.transport.abort()
            return await answers, sent

    answers, sent = told(story)
    assert answers.rpartition(b"HTTP/1.1 ")[2].startswith(b"431 ")
    assert sent < 4 * HEAD_LIMIT_BYTES


@pytest.mark.parametrize("size", [512, 300_000], ids=["in pieces", "at once"])
def test_a_head_within_the_limit_is_none_of_the_body_before_it(size: int):
    head = b"GET / HTTP/1.1\r\nX-Long: " + b"x" * (HEAD_LIMIT_BYTES - 1000) + b"\r\n"
    body = b"POST / HTTP/1.1\r\nContent-Length: 250000\r\n\r\n" + b"x" * 250_000
    requests = (body + head + b"\r\n") * 2 + body + head + b"Connection: close\r\n\r\n"

    async def story() -> bytes:
        async with serving(at_once) as (_, connect):
            reader, writer = await connect()
            for start in range(0, len(requests), size):
                writer.write(requests[start : start + size])
                await asyncio.sleep(0)
            return await reader.read()

    assert told(story).count(b"HTTP/1.1 200 ") == 6


class Later:
    """Answers when told to."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []

    def __call__(self, _request: HttpRequest, reply: Reply) -> None:
        self.replies.append(reply)

    async def asked(self) -> Reply:
        await until(lambda: self.replies)
        return self.replies.pop()


async def until(condition: Callable[[], Any]) -> None:
    while not condition():  # noqa: ASYNC110 (what is waited for sets no event)
        await asyncio.sleep(0.001)


async def half_closed(server: HttpServer) -> None:
    """The server has seen that its client sends no more."""
    (connection,) = server.connections
    await until(lambda: not connection._transport.is_reading())


def test_a_client_that_left_while_it_was_answered_is_forgotten():
    async def story() -> None:
        later = Later()
        async with serving(later) as (server, connect):
            _, writer = await connect()
            writer.write(GET)
            reply = await later.asked()
            writer.close()
            await half_closed(server)
            reply(200, [], b"done")
            await until(lambda: not server.connections)

    told(story)


def test_a_client_that_asks_no_more_gets_all_its_answers_and_an_end():
    async def story() -> bytes:
        later = Later()
        async with serving(later) as (server, connect):
            reader, writer = await connect()
            writer.write(GET + GET)
            writer.write_eof()
            for body in (b"one", b"two"):
                reply = await later.asked()
                await half_closed(server)
                reply(200, [], body)
            return await reader.read()

    first, second = told(story).split(b"HTTP/1.1 200 ")[1:]
    assert b"Connection: keep-alive\r\n" in first
    assert b"Connection: close\r\n" in second
    assert (first[-3:], second[-3:]) == (b"one", b"two")


def test_any_number_of_requests_that_wait_and_are_refused_at_once_are_answered_in_order():
    count = 2000
    first: list[Reply] = []

    def refusing(request: HttpRequest, reply: Reply) -> None:
        if first:
            reply(404, [], request.target.encode())
        else:
            first.append(reply)

    async def story() -> bytes:
        async with serving(refusing) as (_, connect):
            reader, writer = await connect()
            writer.write(GET + b"".join(b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(count)))
            writer.write_eof()
            await until(lambda: first)
            first[0](200, [], b"/first")
            return await reader.read()

    answers = told(story).split(b"HTTP/1.1 ")[1:]
    assert [answer.rpartition(b"/")[2] for answer in answers] == [b"first", *(b"%d" % number for number in range(count))]


def test_no_more_is_read_while_many_requests_wait():
    first: list[Reply] = []
    waiting = []

    async def story() -> None:
        async with serving(lambda _request, reply: refusing(reply)) as (server, connect):

            def refusing(reply: Reply) -> None:
                (connection,) = server.connections
                waiting.append(len(connection._waiting))
                if first:
                    reply(404, [], b"")
                else:
                    first.append(reply)

            reader, writer = await connect()
            writer.write(GET * 20_000)
            writer.write_eof()
            await until(lambda: first)
            first[0](200, [], b"")
            await reader.read()

    told(story)
    assert len(waiting) == 20_000
    assert max(waiting) <= PIPELINED + READ_AT_ONCE_BYTES // len(GET)


@pytest.mark.parametrize("waited", [False, True])
def test_a_request_that_cannot_be_handled_ends_its_connection_and_is_logged(waited: bool, caplog: pytest.LogCaptureFixture):
    first: list[Reply] = []

    def failing(_request: HttpRequest, reply: Reply) -> None:
        if waited and not first:
            first.append(reply)
        else:
            raise RuntimeError("nobody thought of this")

    async def story() -> bytes:
        async with serving(failing) as (server, connect):
            reader, writer = await connect()
            writer.write(GET + GET)
            if waited:
                await until(lambda: first)
                first[0](200, [], b"done")
            answers = await reader.read()
            await server.close(20)
            return answers

    assert told(story).count(b"HTTP/1.1 ") == waited
    assert [record.exc_info[1].args for record in caplog.records if record.exc_info] == [("nobody thought of this",)]
