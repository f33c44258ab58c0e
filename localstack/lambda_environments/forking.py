"""A process that forks others, seen from the pool: `bootstrap.Forking` is its other side."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections import deque
from typing import TYPE_CHECKING, Any

from lambda_environments.spawn import EnvironmentProcess, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MESSAGE_BYTES = 65_536


class ForkerGoneError(Exception):
    """The process ended before it could fork."""


class Forker:
    """Lives on the pool's event loop. What it forks is the pool's child, and lives on when it ends."""

    def __init__(self, name: str, bury: Callable[[EnvironmentProcess], None]) -> None:
        self.name = name
        self.process: EnvironmentProcess | None = None
        self.forks = 0
        self.last_used = 0.0
        self.over = False
        self._ending = False
        self._bury = bury
        self._loop = asyncio.get_running_loop()
        self.offered: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        """What it says when it has imported all: whether anything stands against forking it, and more. Raises ForkerGoneError."""
        self._forking: deque[asyncio.Future[int]] = deque()
        self._control, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        self._loop.add_reader(self._control, self._received)

    @property
    def ready(self) -> bool:
        return self.process is not None and self.offered.done() and not self._ending

    def started(self, process: EnvironmentProcess) -> None:
        """It runs, and holds its end of the socket."""
        self.process = process
        self.theirs.close()
        self.last_used = self._loop.time()

    async def fork(self, order: Mapping[str, Any], descriptors: Sequence[int], way: Way) -> EnvironmentProcess:
        """A new process; the first descriptor is its output. Raises OSError when the system cannot, ForkerGoneError.

        The order goes past the forker: it may hold secrets, and what the forker forks next is another function's.
        """
        answer: asyncio.Future[int] = self._loop.create_future()
        written = _in_memory(json.dumps(order).encode())
        try:
            socket.send_fds(self._control, [b"fork"], [written, *descriptors])
        except OSError as error:  # it has just ended
            raise ForkerGoneError from error
        finally:
            os.close(written)
        self._forking.append(answer)
        self.last_used = self._loop.time()
        try:
            pid = await answer
        except asyncio.CancelledError:
            if not answer.cancelled() and not answer.exception():  # it was told in this very moment
                self._discard(answer.result())
            raise
        if pid < 0:
            raise OSError(f"{self.name} could not fork")
        self.forks += 1
        return EnvironmentProcess(pid, way)

    def told(self, name: str) -> str | None:  # noqa: ARG002 (a base has something to tell)
        """The value of a variable that the process was not given, and asks for while it imports."""
        return None

    def hand_over(self, why_not: str = "") -> EnvironmentProcess:
        """The process itself, for the environment it was started as."""
        process, self.process = self.process, None
        assert process is not None
        process.why_not = why_not
        self._let_go()
        return process

    def end(self) -> None:
        """Kill the process, once it has told of what it is forking: nobody else knows those."""
        self._ending = True
        if not self._forking:
            self.kill()

    def kill(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            self._bury(process)
        self._let_go()

    def _let_go(self) -> None:
        if self.over:
            return
        self.over = True
        self._loop.remove_reader(self._control)
        self._control.close()
        self.theirs.close()
        self._fail(self.offered)
        for answer in self._forking:
            self._fail(answer)

    @staticmethod
    def _fail(waiting: asyncio.Future[Any]) -> None:
        if not waiting.done():
            waiting.set_exception(ForkerGoneError())
            waiting.exception()  # seen: whoever waited may have given up

    def _received(self) -> None:
        try:
            message = self._control.recv(MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if message and not self.offered.done():
            content = json.loads(message)
            if "ask" in content:
                with contextlib.suppress(OSError):  # it has just ended, and will be seen to have
                    self._control.send(json.dumps({"value": self.told(content["ask"])}).encode())
                return
            if content["objection"]:  # nothing more will come, and what does is not ours
                self._loop.remove_reader(self._control)
            self.offered.set_result(content)
        elif message:
            pid, answer = json.loads(message)["pid"], self._forking.popleft()
            if answer.cancelled():
                self._discard(pid)
            else:
                answer.set_result(pid)
            if self._ending:
                self.end()
        elif self.offered.done():  # it ended, or is about to
            self.kill()
        else:  # if it was started as an environment, the rest is for that to tell
            self._loop.remove_reader(self._control)
            self._fail(self.offered)

    def _discard(self, pid: int) -> None:
        """Nobody waits for this process any more."""
        if pid > 0:
            process = EnvironmentProcess(pid, Way.FORK)
            process.kill()
            self._bury(process)


def _in_memory(content: bytes) -> int:
    """A descriptor of a file that is nowhere else."""
    descriptor = os.memfd_create("order", os.MFD_CLOEXEC)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
