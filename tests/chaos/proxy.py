"""A TCP proxy between the functions and a server, that can be told to misbehave: `python -m tests.chaos.proxy LISTEN TO`.

It takes commands as JSON lines on its standard input and answers each with a line on its standard output:
`{"delay": s}` holds every answer back for so long; `{"cut": n}` cuts each of the next n answers in the middle and its connection
with it; `{"away": true}` drops every connection and takes no new one that lasts; `{}` is good again; an empty line changes nothing.
The answer is how many answers were cut so far.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import deque
from typing import TYPE_CHECKING, Any

from infra.stack.instance import PROJECT_DIR
from infra.stack.ports import LOOPBACK

if TYPE_CHECKING:
    from typing import Self

# An answer shorter than this has no middle.
_CUTTABLE = 8


class Proxy:
    """The proxy's process, as who tells it what to do sees it."""

    def __init__(self, listen: int, to: int) -> None:
        command = [sys.executable, "-m", "tests.chaos.proxy", str(listen), str(to)]
        self._process = subprocess.Popen(command, cwd=PROJECT_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = listen
        self.say()

    def say(self, **behaviour: Any) -> None:
        """Have it behave so; nothing said is behaving well."""
        self._ask(json.dumps(behaviour))

    @property
    def cut(self) -> int:
        """How many answers it has cut so far."""
        return self._ask("")

    def _ask(self, line: str) -> int:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Behaviour:
    def __init__(self) -> None:
        self.delay = 0.0
        self.to_cut = 0
        self.away = False
        self.cut = 0
        self.links: set[_FromClient] = set()

    def become(self, delay: float = 0.0, cut: int = 0, away: bool = False) -> None:
        self.delay, self.to_cut, self.away = delay, cut, away
        if away:
            for link in tuple(self.links):
                link.abort()


class _FromClient(asyncio.Protocol):
    """The client's side of a connection."""

    def __init__(self, behaviour: _Behaviour, to: int) -> None:
        self.behaviour = behaviour
        self.transport: asyncio.Transport | None = None
        self._to = to
        self._server: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._held: deque[tuple[float, bytes]] = deque()
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.behaviour.links.add(self)
        if self.behaviour.away:
            self.abort()
        else:
            self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            self._server, _ = await self._loop.create_connection(lambda: _FromServer(self), LOOPBACK, self._to)
        except OSError:
            self.abort()
            return
        for data in self._early:
            self._server.write(data)
        self._early.clear()

    def data_received(self, data: bytes) -> None:
        if self._server is None:
            self._early.append(data)
        else:
            self._server.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        self.behaviour.links.discard(self)
        if self._server is not None:
            self._server.abort()

    def answer(self, data: bytes) -> None:
        """Pass on what the server says, as the behaviour wants it."""
        assert self.transport is not None
        if self.behaviour.to_cut and len(data) >= _CUTTABLE:
            self.behaviour.to_cut -= 1
            self.behaviour.cut += 1
            self.transport.write(data[: len(data) // 2])
            self.transport.close()
            if self._server is not None:
                self._server.abort()
        elif self.behaviour.delay or self._held:
            # What came first goes first, whatever the delay has become meanwhile.
            self._held.append((self._loop.time() + self.behaviour.delay, data))
            if len(self._held) == 1:
                self._loop.call_at(self._held[0][0], self._let_go)
        else:
            self.transport.write(data)

    def _let_go(self) -> None:
        assert self.transport is not None
        _, data = self._held.popleft()
        self.transport.write(data)
        if self._held:
            self._loop.call_at(self._held[0][0], self._let_go)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class _FromServer(asyncio.Protocol):
    """The server's side of a connection."""

    def __init__(self, link: _FromClient) -> None:
        self._link = link

    def data_received(self, data: bytes) -> None:
        self._link.answer(data)

    def connection_lost(self, _: Exception | None) -> None:
        if self._link.transport is not None:
            self._link.transport.close()


async def _serve(listen: int, to: int) -> None:
    loop = asyncio.get_running_loop()
    behaviour = _Behaviour()
    server = await loop.create_server(lambda: _FromClient(behaviour, to), LOOPBACK, listen, backlog=1024)
    async with server:
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            if line.strip():
                behaviour.become(**json.loads(line))
            print(behaviour.cut, flush=True)  # noqa: T201  # the answer to whoever commands it


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
