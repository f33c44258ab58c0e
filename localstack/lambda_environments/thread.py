"""The pool on an event loop of its own, for callers on other threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from lambda_environments.pool import EnvironmentPool, PoolLimits

if TYPE_CHECKING:
    from lambda_environments.environment import EnvironmentSettings, Waiter
    from lambda_environments.model import FunctionSpec, Invocation, InvocationResult
    from lambda_environments.spawn import SpawnStrategy


class PoolThread:
    """Starts the thread that every environment's life hangs on, and hands work over to it."""

    def __init__(self, limits: PoolLimits, spawner: SpawnStrategy, settings: EnvironmentSettings) -> None:
        self._arguments = (limits, spawner, settings)
        # Every request of every function passes through this one loop: uvloop's takes a sixth less of the processor for it.
        self.loop = uvloop.new_event_loop()
        self._pool: EnvironmentPool | None = None
        ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="lambda-environments", daemon=True)
        self._thread.start()
        ready.result(10)

    @property
    def pool(self) -> EnvironmentPool:
        """For callers that are on the loop themselves."""
        assert self._pool is not None
        return self._pool

    def invoke(self, spec: FunctionSpec, invocation: Invocation, timeout_seconds: float | None = None) -> InvocationResult:
        """Run one invocation and wait for it; raises PoolSaturatedError when it queued for too long, TimeoutError when
        `timeout_seconds` pass first (what runs then runs on, what still queues is dropped).
        """
        waiter: concurrent.futures.Future[InvocationResult] = concurrent.futures.Future()
        self.submit(spec, invocation, waiter)
        try:
            return waiter.result(timeout_seconds)
        except TimeoutError:
            waiter.cancel()
            raise

    def submit(self, spec: FunctionSpec, invocation: Invocation, waiter: Waiter) -> None:
        """Run one invocation, and tell `waiter` on the pool's thread."""
        self.loop.call_soon_threadsafe(self._submit, spec, invocation, waiter)

    def prepare(self, spec: FunctionSpec) -> concurrent.futures.Future[bytes | None]:
        return asyncio.run_coroutine_threadsafe(self.pool.prepare(spec), self.loop)

    def put_aside(self, identity: str) -> None:
        self.loop.call_soon_threadsafe(self.pool.put_aside, identity)

    def retire(self, identity: str) -> None:
        self.loop.call_soon_threadsafe(self.pool.retire, identity)

    def describe(self) -> dict[str, Any]:
        """The pool as an operator sees it, with what each process weighs: alone (`rss_bytes`), and its share of what it shares."""

        async def describe() -> dict[str, Any]:
            return self.pool.describe()

        described = asyncio.run_coroutine_threadsafe(describe(), self.loop).result(10)
        for process in (*described["environments"], *described["templates"], *described["bases"]):
            process.update(_memory(process["pid"]))
        return described

    def close(self) -> None:
        """Drain, end every environment, end the thread."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self.pool.close(), self.loop).result()
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(10)

    def _submit(self, spec: FunctionSpec, invocation: Invocation, waiter: Waiter) -> None:
        try:
            self.pool.submit(spec, invocation, waiter)
        except BaseException as error:  # a caller that is never told would wait for ever
            if not waiter.done():
                waiter.set_exception(error)
            raise

    def _run(self, ready: concurrent.futures.Future[None]) -> None:
        asyncio.set_event_loop(self.loop)

        async def create() -> None:
            self._pool = EnvironmentPool(*self._arguments)

        self.loop.run_until_complete(create())
        ready.set_result(None)
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()


def _memory(pid: int | None) -> dict[str, int]:
    """The kernel walks all pages for this, so it is not for the event loop."""
    try:
        with Path(f"/proc/{pid}/smaps_rollup").open() as rollup:
            fields = dict(line.split(":") for line in rollup if line.startswith(("Rss:", "Pss:")))
    except OSError:  # not started yet, or gone
        fields = {}
    sizes = {name: int(value.split()[0]) * 1024 for name, value in fields.items()}
    return {"rss_bytes": sizes.get("Rss", 0), "pss_bytes": sizes.get("Pss", 0)}
