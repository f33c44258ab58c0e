"""Which environment runs which invocation: one at a time each, bounded, first come first served, replaced when they die."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lambda_environments.environment import EnvironmentSettings, ExecutionEnvironment, Pending, State, Waiter
from lambda_environments.model import FunctionSpec, Invocation, InvocationResult, PoolSaturatedError
from lambda_environments.spawn import reap_adopted, reap_left_behind

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_environments.spawn import EnvironmentProcess, SpawnStrategy

LOG = logging.getLogger(__name__)
WATCH_SECONDS = 0.025  # how far a function can get beyond its memory before it is seen; reading it costs 3 us
REST_SECONDS = 0.5
SHUT_DOWN = "the pool shut down"
NO_LONGER_DEBUGGED = "nobody debugs this revision any more"


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How far the pool goes before it queues, and how long it waits."""

    per_function: int = 8
    total: int = 24
    starting_per_function: int = max(2, os.cpu_count() or 2)
    queue_seconds: float = 60.0
    idle_seconds: float = 600.0
    drain_seconds: float = 10.0


@dataclass(slots=True)
class Totals:
    """Of one function, over all its revisions."""

    invocations: int = 0
    errors: int = 0
    cold_starts: int = 0


@dataclass(slots=True, eq=False)
class _Slot:
    """The environments and the queue of one revision of a function."""

    spec: FunctionSpec
    environments: set[ExecutionEnvironment] = field(default_factory=set)
    idle: list[ExecutionEnvironment] = field(default_factory=list)
    waiting: deque[Pending] = field(default_factory=deque)
    expecting: list[asyncio.Future[bytes | None]] = field(default_factory=list)
    starting: int = 0
    retired: bool = False


class EnvironmentPool:
    """Lives on one event loop; nothing here is thread-safe, `PoolThread` is.

    At the total bound an idle environment of another function gives way. A function that has no environment at all may always have
    one, bound or not: functions wait for functions they invoke, and could otherwise wait for each other for ever.
    """

    def __init__(self, limits: PoolLimits, spawner: SpawnStrategy, settings: EnvironmentSettings) -> None:
        self.limits = limits
        self.totals: dict[str, Totals] = {}
        self._spawner = spawner
        self._settings = settings
        self._slots: dict[str, _Slot] = {}
        self._retired: set[str] = set()
        self._blocked: deque[_Slot] = deque()
        self._count = 0
        self._loop = asyncio.get_running_loop()
        self._closing = False
        self._drained = False
        self._empty = asyncio.Event()
        self._in_flight = 0
        self._quiet = asyncio.Event()
        self._work = asyncio.Event()
        self._upkeep = self._loop.create_task(self._keep())

    async def invoke(self, spec: FunctionSpec, invocation: Invocation) -> InvocationResult:
        """Run one invocation; raises PoolSaturatedError when it queued for too long."""
        waiter: asyncio.Future[InvocationResult] = self._loop.create_future()
        self.submit(spec, invocation, waiter)
        return await waiter

    def submit(self, spec: FunctionSpec, invocation: Invocation, waiter: Waiter) -> None:
        """Run one invocation and tell `waiter`."""
        if self._closing:
            waiter.set_exception(PoolSaturatedError("the pool is shutting down"))
            return
        if self._no_longer_debugged(spec):
            waiter.set_exception(PoolSaturatedError(NO_LONGER_DEBUGGED))
            return
        slot = self._slot(spec)
        pending = Pending(invocation, waiter)
        self._in_flight += 1
        self._quiet.clear()
        slot.waiting.append(pending)
        self._dispatch(slot)
        if slot.waiting and slot.waiting[-1] is pending and spec.debugger is None:
            pending.expiry = self._loop.call_later(self.limits.queue_seconds, self._expire, slot, pending)

    async def prepare(self, spec: FunctionSpec) -> bytes | None:
        """Have an environment that could serve at once; None, or the error in which its start ended."""
        if self._closing or self._no_longer_debugged(spec):
            return None
        slot = self._slot(spec)
        if any(environment.state in (State.IDLE, State.BUSY) for environment in slot.environments):
            return None
        if not slot.starting and not self._start(slot):
            return None
        expected: asyncio.Future[bytes | None] = self._loop.create_future()
        slot.expecting.append(expected)
        return await expected

    def put_aside(self, identity: str) -> None:
        """A revision is not expected to be invoked for now: its idle environments end."""
        self._spawner.retire(identity)
        slot = self._slots.get(identity)
        if slot is not None:
            for environment in slot.idle[:]:
                self._kill_idle(slot, environment)

    def retire(self, identity: str) -> None:
        """A revision is replaced or deleted: what it has in hand finishes, then its environments end.

        One that is debugged might start for ever: what would have it waits for somebody to attach, who does not come any more.
        """
        self._retired.add(identity)
        slot = self._slots.get(identity)
        if slot is not None:
            slot.retired = True
            if slot.spec.debugger is not None:
                self._stop_starting(slot)
        self.put_aside(identity)
        if slot is not None:
            self._forget_if_empty(slot)

    async def close(self) -> None:
        """Let running invocations finish, for `drain_seconds` at most, then end every environment."""
        self._closing = True
        self._upkeep.cancel()
        if self._in_flight:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._quiet.wait(), self.limits.drain_seconds)
        self._drained = True
        for slot in list(self._slots.values()):
            for pending in slot.waiting:
                self._refuse(pending, SHUT_DOWN)
            slot.waiting.clear()
            for environment in list(slot.environments):
                environment.kill()
        if self._count:
            await asyncio.wait_for(self._empty.wait(), 5)
        await self._spawner.close()
        for _ in range(500):  # what was killed takes its time where the machine has much to do
            if reap_left_behind():
                break
            await asyncio.sleep(0.01)

    def describe(self) -> dict[str, Any]:
        """The pool as an operator sees it."""
        functions: dict[str, dict[str, int]] = {
            name: {"invocations": t.invocations, "errors": t.errors, "cold_starts": t.cold_starts, "queued": 0, "environments": 0}
            for name, t in self.totals.items()
        }
        environments = []
        for slot in self._slots.values():
            empty = {"invocations": 0, "errors": 0, "cold_starts": 0, "queued": 0, "environments": 0}
            function = functions.setdefault(slot.spec.name, empty)
            function["queued"] += len(slot.waiting)
            function["environments"] += len(slot.environments)
            environments += [
                {
                    "id": environment.id,
                    "function": slot.spec.name,
                    "version": slot.spec.version,
                    **_describe_process(environment.process),
                    "state": str(environment.state),
                    "retired": slot.retired,
                    "invocations": environment.invocations,
                    "started_at": environment.started_at.isoformat(timespec="milliseconds"),
                }
                for environment in sorted(slot.environments, key=lambda each: each.created)
            ]
        limits = {"per_function": self.limits.per_function, "total": self.limits.total}
        return {"limits": limits, "functions": functions, "environments": environments, **self._spawner.describe()}

    # Owner, as environments see it

    def environment_idle(self, environment: ExecutionEnvironment) -> None:
        slot = self._slots[environment.spec.identity]
        if slot.starting:
            slot.starting = sum(each.state is State.STARTING for each in slot.environments)
        slot.idle.append(environment)
        if slot.expecting:
            self._tell(slot, None)
        self._dispatch(slot)
        if slot.retired and environment.state is State.IDLE:
            self._kill_idle(slot, environment)
        self._unblock()

    def environment_failed_to_start(self, environment: ExecutionEnvironment, payload: Callable[[str], bytes]) -> None:
        slot = self._slots[environment.spec.identity]
        slot.starting = sum(each.state is State.STARTING for each in slot.environments)
        self._tell(slot, payload(""))
        while slot.waiting:
            pending = self._next_waiting(slot)
            if pending is not None:
                request_id = pending.invocation.request_id
                answer = payload(request_id)
                result = InvocationResult(request_id, answer, "Unhandled", environment.id, True, 0.0, environment.log_tail())
                self.completed(environment, pending, result)
                break

    def environment_dead(self, environment: ExecutionEnvironment) -> None:
        slot = self._slots[environment.spec.identity]
        self._count -= 1
        slot.environments.discard(environment)
        slot.starting = sum(each.state is State.STARTING for each in slot.environments)
        if environment in slot.idle:
            slot.idle.remove(environment)
        self._dispatch(slot)
        self._forget_if_empty(slot)
        self._unblock()
        if self._count == 0:
            self._empty.set()

    def completed(self, environment: ExecutionEnvironment, pending: Pending, result: InvocationResult) -> None:
        totals = self.totals.setdefault(environment.spec.name, Totals())
        totals.invocations += 1
        totals.errors += result.function_error is not None
        totals.cold_starts += result.cold_start
        self._over()
        if not pending.waiter.done():
            pending.waiter.set_result(result)

    def not_begun(self, environment: ExecutionEnvironment, pending: Pending) -> None:
        if self._drained:
            self._refuse(pending, SHUT_DOWN)
            return
        slot = self._slots[environment.spec.identity]
        slot.waiting.appendleft(pending)
        self._dispatch(slot)

    # scheduling

    def _dispatch(self, slot: _Slot) -> None:
        while slot.waiting:
            if slot.waiting[0].waiter.done():  # given up while it queued
                self._next_waiting(slot)
                continue
            environment = self._take_idle(slot)
            if environment is not None:
                pending = self._next_waiting(slot)
                assert pending is not None
                environment.assign(pending)
                self._work.set()
            elif not self._start_another(slot):
                return

    def _next_waiting(self, slot: _Slot) -> Pending | None:
        """The first in the queue, out of it; None when it has given up."""
        pending = slot.waiting.popleft()
        if pending.expiry is not None:
            pending.expiry.cancel()
        if pending.waiter.done():
            self._over()
            return None
        return pending

    def _take_idle(self, slot: _Slot) -> ExecutionEnvironment | None:
        while slot.idle:
            environment = slot.idle.pop()  # the warmest
            if environment.alive():
                return environment
            environment.state = State.DEAD  # its end is about to be noticed
        return None

    def _start_another(self, slot: _Slot) -> bool:
        about_to_idle = sum(each.answered for each in slot.environments)
        wanted = min(len(slot.waiting) - about_to_idle, self.limits.starting_per_function)
        most = 1 if slot.spec.debugger else self.limits.per_function
        if slot.starting >= wanted or len(slot.environments) >= most:
            return False
        if self._count >= self.limits.total and slot.environments and not self._evict(slot):
            if slot not in self._blocked:
                self._blocked.append(slot)
            return False
        return self._start(slot)

    def _start(self, slot: _Slot) -> bool:
        """False where the system has nothing left for another: what waits for it gets one that is there, or gives up in its time."""
        if self._count >= self.limits.total and not slot.environments:
            self._evict(slot)
        try:
            environment = ExecutionEnvironment(slot.spec, self, self._spawner, self._settings)
        except OSError as error:
            LOG.warning("no environment can be started for %s: %s", slot.spec.name, error)
            return False
        self._count += 1
        self._empty.clear()
        slot.starting += 1
        slot.environments.add(environment)
        return True

    def _evict(self, claimant: _Slot) -> bool:
        """End the environment, of another function, that has idled longest."""
        others = [slot for slot in self._slots.values() if slot is not claimant and slot.spec.debugger is None]
        idle = [(each.idle_since, slot, each) for slot in others for each in slot.idle]
        if not idle:
            return False
        _, slot, environment = min(idle, key=lambda candidate: candidate[0])
        self._kill_idle(slot, environment)
        return True

    def _stop_starting(self, slot: _Slot) -> None:
        for pending in slot.waiting:
            self._refuse(pending, NO_LONGER_DEBUGGED)
        slot.waiting.clear()
        self._tell(slot, None)
        for environment in list(slot.environments):
            if environment.state is State.STARTING:
                environment.kill()

    def _no_longer_debugged(self, spec: FunctionSpec) -> bool:
        return spec.debugger is not None and spec.identity in self._retired

    def _kill_idle(self, slot: _Slot, environment: ExecutionEnvironment) -> None:
        if environment in slot.idle:
            slot.idle.remove(environment)
        environment.state = State.DEAD
        environment.kill()

    @staticmethod
    def _tell(slot: _Slot, error: bytes | None) -> None:
        """Whoever had an environment prepared."""
        for expected in slot.expecting:
            if not expected.done():
                expected.set_result(error)
        slot.expecting.clear()

    def _slot(self, spec: FunctionSpec) -> _Slot:
        slot = self._slots.get(spec.identity)
        if slot is None:
            slot = self._slots[spec.identity] = _Slot(spec, retired=spec.identity in self._retired)
        return slot

    def _unblock(self) -> None:
        if self._blocked:
            self._dispatch(self._blocked.popleft())

    def _expire(self, slot: _Slot, pending: Pending) -> None:
        if pending in slot.waiting:
            slot.waiting.remove(pending)
            self._refuse(pending, f"no environment of {slot.spec.name} became free within {self.limits.queue_seconds:g} s")

    def _over(self) -> None:
        self._in_flight -= 1
        if not self._in_flight:
            self._quiet.set()

    def _refuse(self, pending: Pending, reason: str) -> None:
        self._over()
        if not pending.waiter.done():
            pending.waiter.set_exception(PoolSaturatedError(reason))

    def _forget_if_empty(self, slot: _Slot) -> None:
        if not slot.environments and not slot.waiting:
            self._tell(slot, None)
            self._slots.pop(slot.spec.identity, None)
            if slot.retired:
                self._spawner.retire(slot.spec.identity)

    async def _keep(self) -> None:
        """Watch the memory of what runs, pass on what it logs meanwhile, and end what has idled too long."""
        while True:
            if self._work.is_set():
                self._work.clear()
                await asyncio.sleep(WATCH_SECONDS)
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._work.wait(), REST_SECONDS)
            self._spawner.upkeep()
            reap_adopted()
            reap_left_behind()
            oldest = time.monotonic() - self.limits.idle_seconds
            for slot in list(self._slots.values()):
                for environment in list(slot.environments):
                    if environment.state is State.BUSY:
                        environment.check_memory()
                        environment.deliver_logs()
                        self._work.set()
                    elif environment.state is State.IDLE and environment.idle_since < oldest and slot.spec.debugger is None:
                        self._kill_idle(slot, environment)


def _describe_process(process: EnvironmentProcess | None) -> dict[str, Any]:
    if process is None:
        return {"pid": None, "spawned": None}
    described: dict[str, Any] = {"pid": process.pid, "spawned": str(process.way)}
    return {**described, "why_not_forked": process.why_not} if process.why_not else described
