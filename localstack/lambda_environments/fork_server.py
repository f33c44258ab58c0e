"""Environments forked from processes that have imported the function already: a cold start of milliseconds, and shared memory.

A template is started as the first environment of a revision would be, by a fresh interpreter and with that environment's variables and
output. When it has imported the function it says whether anything stands against a fork (see `bootstrap.ImportWatch`): then it goes on as
that environment, and the revision's others get interpreters of their own. Otherwise it forks this environment and those that follow.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from lambda_environments.spawn import EnvironmentProcess, FreshInterpreter, Launch, become_subreaper

if TYPE_CHECKING:
    from collections.abc import Callable

LOG = logging.getLogger(__name__)
MESSAGE_BYTES = 65_536
CLOSE_SECONDS = 1.0
OPTED_OUT = "the function asks for it"


class TemplateGoneError(Exception):
    """The template ended before it could fork."""


class Template:
    """A template process, seen from the pool."""

    def __init__(self, launch: Launch, fresh: FreshInterpreter, bury: Callable[[EnvironmentProcess], None]) -> None:
        self.spec = launch.spec
        self.last_used = time.monotonic()
        self.forks = 0
        self._first = launch
        self._imported_lines: list[str] = []
        self._bury = bury
        self._loop = asyncio.get_running_loop()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self.process: EnvironmentProcess | None = EnvironmentProcess(fresh.start(launch, theirs.fileno()), forked=False)
            except OSError:
                self._control.close()
                raise
        self._control.setblocking(False)
        self._loop.add_reader(self._control, self._received)
        self.objection: asyncio.Future[str] = self._loop.create_future()
        """To forking it; empty when there is none."""
        self._forking: deque[asyncio.Future[int]] = deque()
        self.ending = False

    @property
    def ready(self) -> bool:
        return self.process is not None and self.objection.done() and not self.ending

    async def fork(self, launch: Launch) -> EnvironmentProcess:
        """A new environment. Raises OSError when the system cannot, TemplateGoneError when the template has ended."""
        answer: asyncio.Future[int] = self._loop.create_future()
        try:
            socket.send_fds(self._control, [json.dumps(dict(launch.own_variables)).encode()], [launch.output.write_end])
        except OSError as error:  # it has just ended
            raise TemplateGoneError from error
        if launch is not self._first:
            for line in self._imported_lines:
                launch.output.write(line)
        self._forking.append(answer)
        self.last_used = time.monotonic()
        try:
            pid = await answer
        except asyncio.CancelledError:
            if not answer.cancelled() and not answer.exception():  # it was told in this very moment
                self._discard(answer.result())
            raise
        if pid < 0:
            raise OSError(f"the template of {self.spec.name} could not fork")
        self.forks += 1
        return EnvironmentProcess(pid, forked=True)

    def hand_over(self, why_not: str = "") -> EnvironmentProcess:
        """The process itself, for the environment it was started as."""
        process, self.process = self.process, None
        assert process is not None
        process.why_not = why_not
        self._let_go()
        return process

    def end(self) -> None:
        """Kill the process, once it has told of what it is forking: nobody else knows those. Environments it forked live on."""
        self.ending = True
        if not self._forking:
            self.kill()

    def kill(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            self._bury(process)
            self._let_go()

    def _let_go(self) -> None:
        self._loop.remove_reader(self._control)
        self._control.close()
        waiting_for: list[asyncio.Future[Any]] = [self.objection, *self._forking]
        for waiting in waiting_for:
            if not waiting.done():
                waiting.set_exception(TemplateGoneError())
                waiting.exception()  # seen: whoever waited may have given up

    def _received(self) -> None:
        try:
            message = self._control.recv(MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            self._closed()
        elif not self.objection.done():
            self._imported_lines = self._first.output.lines_so_far()
            objection = json.loads(message)["objection"]
            if objection:  # nothing more will come, and what does is for the environment it becomes
                self._loop.remove_reader(self._control)
            self.objection.set_result(objection)
        else:
            pid, answer = json.loads(message)["pid"], self._forking.popleft()
            if answer.cancelled():
                self._discard(pid)
            else:
                answer.set_result(pid)
            if self.ending:
                self.end()

    def _discard(self, pid: int) -> None:
        """Nobody waits for this environment any more."""
        if pid > 0:
            process = EnvironmentProcess(pid, forked=True)
            process.kill()
            self._bury(process)

    def _closed(self) -> None:
        """The process ended, or is about to; before it has imported the function, that is for its environment to tell."""
        if self.objection.done():
            LOG.warning("the template of %s ended", self.spec.name)
            self.kill()
        else:
            self._loop.remove_reader(self._control)
            self.objection.set_exception(TemplateGoneError())
            self.objection.exception()


class ForkServer:
    """A template for each revision of a function that has environments, at most `most` of them, each until nothing was forked for long."""

    def __init__(self, fresh: FreshInterpreter, *, most: int, idle_seconds: float) -> None:
        self._fresh = fresh
        self._most = most
        self._idle_seconds = idle_seconds
        self._templates: dict[str, Template] = {}
        self._objections: dict[str, str] = {}
        self._alive: set[Template] = set()
        self._dying: set[EnvironmentProcess] = set()
        become_subreaper()

    async def spawn(self, launch: Launch) -> EnvironmentProcess:
        identity = launch.spec.identity
        if not launch.spec.forkable or identity in self._objections:
            return self._start_fresh(launch)
        template = self._templates.get(identity)
        try:
            if template is None or template.ending or template.process is None:
                return await self._spawn_with_template(launch)
            if not await asyncio.shield(template.objection):
                return await template.fork(launch)
        except TemplateGoneError:
            LOG.debug("the template of %s ended while an environment waited for it", launch.spec.name)
        return self._start_fresh(launch)

    async def _spawn_with_template(self, launch: Launch) -> EnvironmentProcess:
        identity = launch.spec.identity
        self._make_room()
        template = self._templates[identity] = Template(launch, self._fresh, self._bury)
        self._alive.add(template)
        try:
            objection = await asyncio.shield(template.objection)
        except TemplateGoneError:
            return template.hand_over()
        except asyncio.CancelledError:
            template.kill()
            raise
        if objection:
            LOG.info("environments of %s are not forked: %s", launch.spec.name, objection)
            self._objections[identity] = objection
            return template.hand_over(objection)
        return await template.fork(launch)

    def _start_fresh(self, launch: Launch) -> EnvironmentProcess:
        why_not = self._objections.get(launch.spec.identity, "") if launch.spec.forkable else OPTED_OUT
        return EnvironmentProcess(self._fresh.start(launch), forked=False, why_not=why_not)

    def retire(self, identity: str) -> None:
        self._objections.pop(identity, None)
        template = self._templates.get(identity)
        if template is not None and template.ready:
            template.end()
            del self._templates[identity]

    def upkeep(self) -> None:
        unused_since = time.monotonic() - self._idle_seconds
        for template in self._templates.values():
            if template.ready and template.last_used < unused_since:
                template.end()
        self._templates = {identity: each for identity, each in self._templates.items() if each.process is not None}
        self._alive = {template for template in self._alive if template.process is not None}

    def _make_room(self) -> None:
        """The template that was not used for longest gives way."""
        ready = [template for template in self._templates.values() if template.ready]
        if len(ready) >= self._most:
            min(ready, key=lambda template: template.last_used).end()

    def _bury(self, process: EnvironmentProcess) -> None:
        self._dying.add(process)
        asyncio.get_running_loop().add_reader(process.fileno(), self._reap, process)

    def _reap(self, process: EnvironmentProcess) -> None:
        asyncio.get_running_loop().remove_reader(process.fileno())
        process.reap()
        self._dying.discard(process)

    async def close(self) -> None:
        for template in self._alive:
            template.end()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_ended(), CLOSE_SECONDS)
        for template in self._alive:
            template.kill()
        await self._all_ended()
        await self._fresh.close()

    async def _all_ended(self) -> None:
        while self._dying or any(template.process is not None for template in self._alive):  # noqa: ASYNC110 (milliseconds, once)
            await asyncio.sleep(0.005)

    def describe(self) -> list[dict[str, Any]]:
        return [
            {
                "function": template.spec.name,
                "version": template.spec.version,
                "pid": template.process.pid,
                "state": "ready" if template.ready else "starting",
                "forks": template.forks,
            }
            for template in self._templates.values()
            if template.process is not None
        ]
