"""The edge's server is closed while requests are in hand: those are answered, and nobody is left in doubt."""

from __future__ import annotations

import asyncio

import pytest

from localstack_process_runtime.edge.http import HttpServer

ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Slow:
    """Answers when told to; from then on, what is asked is refused."""

    def __init__(self):
        self.replies = []
        self.refusing = False

    def __call__(self, _request, reply):
        if self.refusing:
            reply(503, [], b"refused")
        else:
            self.replies.append(reply)


@pytest.fixture
def slow():
    return Slow()


async def serving(slow):
    server = HttpServer(slow)
    await server.listen("127.0.0.1", 0)
    return server, server._server.sockets[0].getsockname()[1]


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # what is waited for sets no event
            await asyncio.sleep(0)


async def all_of(reader):
    return await asyncio.wait_for(reader.read(), 10)


def test_what_is_in_hand_is_answered_and_the_connection_closed_behind_it(slow):
    async def story():
        server, port = await serving(slow)
        asked = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for _, writer in asked:
            writer.write(ASK)
        await until(lambda: len(slow.replies) == 3)
        closing = asyncio.create_task(server.close(10))
        await until(lambda: not server._server.is_serving())
        assert not closing.done()
        for reply in slow.replies:
            reply(200, [], b"done")
        answers = [await all_of(reader) for reader, _ in asked]
        await asyncio.wait_for(closing, 10)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        return answers

    for answer in asyncio.run(story()):
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nConnection: close\r\n" in answer
        assert answer.endswith(b"done")


def test_who_asks_on_an_open_connection_meanwhile_is_told_rather_than_cut_off(slow):
    async def story():
        server, port = await serving(slow)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(ASK)
        await until(lambda: slow.replies)
        slow.replies.pop()(200, [], b"done")
        assert (await reader.readuntil(b"done")).startswith(b"HTTP/1.1 200 ")
        slow.refusing = True
        closing = asyncio.create_task(server.close(10))
        await until(lambda: not server._server.is_serving())
        writer.write(ASK)
        answer = await all_of(reader)
        await asyncio.wait_for(closing, 10)
        return answer

    answer = asyncio.run(story())
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nConnection: close\r\n" in answer


def test_a_silent_connection_and_an_endless_answer_are_not_waited_for(slow):
    async def story():
        server, port = await serving(slow)
        silent, _silent_writer = await asyncio.open_connection("127.0.0.1", port)
        _endless, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(ASK)
        await until(lambda: slow.replies)
        await asyncio.wait_for(server.close(0.1), 10)
        return await all_of(silent)

    assert asyncio.run(story()) == b""
