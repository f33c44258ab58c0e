"""One execution environment: a process, its Runtime API session, and the invocation it has in hand."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lambda_environments import outcomes
from lambda_environments.model import FunctionSpec, Invocation, InvocationResult, LogBatch
from lambda_environments.output import OutputPipe
from lambda_environments.runtime_api import RuntimeApiConnection
from lambda_environments.sandbox import scratch_name
from lambda_environments.spawn import EnvironmentProcess, Launch, SpawnStrategy, kill_detached

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_environments.sandbox import SandboxRules

LOG = logging.getLogger(__name__)
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
LOG_STREAM = "AWS_LAMBDA_LOG_STREAM_NAME"
PATH = "/usr/local/bin:/usr/bin:/bin"


class State(StrEnum):
    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    DEAD = "dead"


class Waiter(Protocol):
    """Whoever waits for a result: an asyncio future on the pool's loop, or a concurrent one of another thread."""

    def done(self) -> bool: ...

    def set_result(self, result: InvocationResult, /) -> object: ...

    def set_exception(self, exception: BaseException, /) -> object: ...


@dataclass(slots=True, eq=False)
class Pending:
    """An invocation and who waits for it."""

    invocation: Invocation
    waiter: Waiter
    expiry: asyncio.TimerHandle | None = None
    """Set while it queues."""


class Owner(Protocol):
    """The pool, as an environment sees it."""

    def environment_idle(self, environment: ExecutionEnvironment) -> None: ...

    def environment_failed_to_start(self, environment: ExecutionEnvironment, payload: Callable[[str], bytes]) -> None:
        """No invocation was in hand: the error, given a request id, is the answer to one that waits."""
        ...

    def environment_dead(self, environment: ExecutionEnvironment) -> None: ...

    def completed(self, environment: ExecutionEnvironment, pending: Pending, result: InvocationResult) -> None: ...

    def not_begun(self, environment: ExecutionEnvironment, pending: Pending) -> None:
        """The process died before it read this invocation: another may have it."""
        ...


@dataclass(frozen=True, slots=True)
class EnvironmentSettings:
    runtime_dir: Path
    scratch_dir: Path
    init_timeout_seconds: float
    on_logs: Callable[[LogBatch], None]
    sandbox: SandboxRules | None = None
    """None where processes of functions may do whatever this one may."""


@dataclass(slots=True, eq=False)
class _InHand:
    pending: Pending
    connection: RuntimeApiConnection
    started: float
    timer: asyncio.TimerHandle
    answered: bool = field(default=False)
    unread: bool = field(default=False)


class ExecutionEnvironment:
    """Lives on the pool's event loop thread; every method is called there."""

    def __init__(self, spec: FunctionSpec, owner: Owner, spawner: SpawnStrategy, settings: EnvironmentSettings) -> None:
        self.spec = spec
        self.id = secrets.token_hex(16)
        self.state = State.STARTING
        self.started_at = datetime.now(UTC)
        self.created = self.idle_since = time.monotonic()
        self.invocations = 0
        self.max_rss = 0
        self.log_stream = f"{self.started_at:%Y/%m/%d}/[{spec.version}]{self.id}"
        self._owner = owner
        self._spawner = spawner
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._output = OutputPipe(self._loop)
        self._process: EnvironmentProcess | None = None
        self._server: asyncio.Server | None = None
        self._parked: RuntimeApiConnection | None = None
        self._connections: set[RuntimeApiConnection] = set()
        self._in_hand: _InHand | None = None
        self._init_timer: asyncio.TimerHandle | None = None
        self._init_seconds: float | None = None
        self._out_of_memory = False
        self._scratch: Path | None = None
        self._statm = -1
        self._buried = False
        self._start = self._loop.create_task(self._start_process())

    @property
    def process(self) -> EnvironmentProcess | None:
        """None while it is being started."""
        return self._process

    @property
    def answered(self) -> bool:
        """It has given its answer and is about to ask for the next invocation."""
        return self.state is State.BUSY and self._in_hand is not None and self._in_hand.answered

    def rss_bytes(self) -> int:
        """Resident memory now; 0 when there is no process."""
        try:
            resident = int(os.pread(self._statm, 64, 0).split()[1]) * PAGE_BYTES if self._statm >= 0 else 0
        except (OSError, IndexError):  # it just ended
            return 0
        self.max_rss = max(self.max_rss, resident)
        return resident

    def log_tail(self) -> tuple[str, ...]:
        return self._output.tail()

    def alive(self) -> bool:
        """Whether its process still listens: one that is dying closes its connections well before it is seen to be dead."""
        return self.state is not State.DEAD and self._parked is not None and self._parked.is_open()

    def assign(self, pending: Pending) -> None:
        """Hand an idle environment its next invocation."""
        assert self.state is State.IDLE
        assert self._parked is not None
        connection, self._parked = self._parked, None
        self.state = State.BUSY
        invocation, seconds = pending.invocation, self.spec.timeout_seconds
        self._output.drain()  # what was written since the last one is none of this one's
        started = time.perf_counter()
        connection.send_invocation(invocation, int((time.time() + seconds) * 1000))
        self._output.flush_partial()
        self._output.begin_tail()
        self._output.write(f"START RequestId: {invocation.request_id} Version: {self.spec.version}")
        self._in_hand = _InHand(pending, connection, started, self._loop.call_later(seconds, self._timed_out))

    def kill(self) -> None:
        """End the process; what it had in hand is answered when the end is seen."""
        if self._process is not None:
            self._process.kill()
        elif not self._buried:
            self._start.cancel()
            self._settle(-signal.SIGKILL)
            self._bury()

    def check_memory(self) -> None:
        if self.rss_bytes() > self.spec.memory_mb * 1024 * 1024 and self.spec.debugger is None:
            self._out_of_memory = True
            self.kill()

    # RuntimeSession

    def next_requested(self, connection: RuntimeApiConnection) -> None:
        self._parked = connection
        if self.state is State.STARTING:
            self._init_seconds = time.monotonic() - self.created
            if self._init_timer:
                self._init_timer.cancel()
            self.rss_bytes()
        elif self._in_hand is not None:
            self._in_hand.timer.cancel()
            if not self._in_hand.answered:  # a runtime that asks for more without having answered has lost it
                self._finish(outcomes.exited(self._in_hand.pending.invocation.request_id, 0), failed=True)
            self._in_hand = None
        if self.state is not State.DEAD:
            self.state = State.IDLE
            self.idle_since = time.monotonic()
            self._owner.environment_idle(self)

    def awaits(self, request_id: str) -> bool:
        hand = self._in_hand
        return hand is not None and not hand.answered and hand.pending.invocation.request_id == request_id

    def answered_with(self, payload: bytes, *, failed: bool) -> None:
        if not failed and len(payload) > outcomes.RESPONSE_LIMIT_BYTES:
            self._finish(outcomes.response_too_large(), failed=True)
        else:
            self._finish(payload, failed=failed)

    def init_error_posted(self, payload: bytes) -> None:
        if self.state is State.STARTING:
            self._fail_start(lambda _: payload)

    def connection_lost(self, connection: RuntimeApiConnection, *, reset: bool) -> None:
        self._connections.discard(connection)
        if self._in_hand is not None and connection is self._in_hand.connection:
            self._in_hand.unread = reset
        if connection is self._parked and self.state is not State.DEAD:
            self._parked = None
            self.state = State.DEAD  # it listens no more, so it can be given nothing
            self.kill()

    # the process

    async def _start_process(self) -> None:
        if self.spec.debugger is None:
            self._init_timer = self._loop.call_later(self._settings.init_timeout_seconds, self._init_timed_out)
        try:
            self._server = await self._loop.create_server(self._accept, "127.0.0.1", 0)
            port = self._server.sockets[0].getsockname()[1]
            parent = self._settings.scratch_dir / scratch_name(self.spec)
            parent.mkdir(parents=True, exist_ok=True)
            self._scratch = Path(tempfile.mkdtemp(dir=parent))
            self._process = await self._spawner.spawn(self._launch(port, self._scratch))
        except Exception as error:  # whatever it was: an invocation waits for its outcome
            LOG.warning("could not start an environment of %s: %s", self.spec.name, error, exc_info=not isinstance(error, OSError))
            reason = str(error)
            self._fail_start(lambda request_id: outcomes.could_not_start(request_id, reason))
            self._bury()
            return
        self._output.release()
        self._statm = os.open(f"/proc/{self._process.pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
        self._loop.add_reader(self._process.fileno(), self._process_ended)
        if self.state is State.DEAD:
            self._help_to_exit()

    def _accept(self) -> RuntimeApiConnection:
        connection = RuntimeApiConnection(self)
        self._connections.add(connection)
        return connection

    def _launch(self, port: int, scratch: Path) -> Launch:
        """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html; the function's own win, as far as Lambda lets them."""
        spec = self.spec
        runtime = str(self._settings.runtime_dir)
        defaults = {
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "LANG": "en_US.UTF-8",
            "PATH": PATH,
            "PYTHONPATH": runtime,
            "TZ": ":UTC",
        }
        reserved = {
            "AWS_DEFAULT_REGION": spec.region,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
            "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_VERSION": spec.version,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": spec.log_group,
            "AWS_REGION": spec.region,
            "LAMBDA_RUNTIME_DIR": runtime,
            "LAMBDA_TASK_ROOT": str(spec.code_dir),
            "_HANDLER": spec.handler,
        }
        directories = {name: str(scratch) for name in ("HOME", "TMPDIR") if name not in spec.environment}
        rules, scratch_dir = self._settings.sandbox, self._settings.scratch_dir
        sandbox = rules.of_function(spec, self._settings.runtime_dir, scratch.parent) if rules else None
        session = {LOG_STREAM: self.log_stream, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}"}
        return Launch(
            spec=spec,
            runtime_dir=self._settings.runtime_dir,
            scratch=scratch,
            variables={**defaults, **spec.environment, **reserved},
            own_variables=directories | session,
            output=self._output,
            sandbox=sandbox,
            base_sandbox=rules.of_base(sandbox, scratch_dir) if rules and sandbox else None,
        )

    def _init_timed_out(self) -> None:
        if self.state is State.STARTING:
            seconds = self._settings.init_timeout_seconds
            self._output.write(f"INIT_REPORT Init Duration: {seconds * 1000:.2f} ms\tPhase: init\tStatus: timeout")
            self._fail_start(lambda request_id: outcomes.timed_out(outcomes.timeout_message(request_id, seconds)))
            self.kill()

    def _fail_start(self, payload: Callable[[str], bytes]) -> None:
        """The process is of no use any more: tell the pool once, and let it end."""
        if self.state is State.STARTING:
            self.state = State.DEAD
            self._output.drain()
            self._output.flush_partial()
            self._owner.environment_failed_to_start(self, payload)
            self._help_to_exit()

    def _help_to_exit(self) -> None:
        """Awslambdaric exits by itself when it could not import the function; one that does not is helped.

        So is one whose end nobody is told of, as a process that its import forked holds the control socket open.
        """
        if self._init_timer is not None:
            self._init_timer.cancel()
        self._init_timer = self._loop.call_later(1, self.kill)

    def _process_ended(self) -> None:
        assert self._process is not None
        self._loop.remove_reader(self._process.fileno())
        status = self._process.reap()
        kill_detached(f"{LOG_STREAM}={self.log_stream}")
        # The kernel closed the connections first; their loss is noticed in this turn of the loop and told in the next.
        self._loop.call_soon(self._loop.call_soon, self._conclude, status)

    def _conclude(self, status: int) -> None:
        self._output.drain()
        if self.state is State.STARTING:
            self._output.write(f"INIT_REPORT Status: error Error: {outcomes.describe_exit(status)}")
            self._fail_start(lambda request_id: outcomes.exited(request_id, status))
        self._settle(status)
        self._bury()

    def _settle(self, status: int) -> None:
        """What is in hand was not begun, or ends without the process's answer."""
        hand = self._in_hand
        if hand is None or hand.answered:
            return
        request_id = hand.pending.invocation.request_id
        if hand.unread:
            hand.answered = True
            self._output.write(f"RequestId: {request_id} not begun here: the environment had ended")
            self._owner.not_begun(self, hand.pending)
        else:
            self._output.flush_partial()
            self._output.write(f"RequestId: {request_id} Error: Runtime exited with error: {outcomes.describe_exit(status)}")
            self._finish(outcomes.exited(request_id, status), failed=True)

    def _timed_out(self) -> None:
        if self._in_hand is not None and not self._in_hand.answered:
            message = outcomes.timeout_message(self._in_hand.pending.invocation.request_id, self.spec.timeout_seconds)
            self._output.drain()
            self._output.flush_partial()
            self._output.write(message)
            self._finish(outcomes.timed_out(message), failed=True)
        self.kill()

    def _bury(self) -> None:
        """Release everything; the pool hears of it last."""
        self._buried = True
        self.state = State.DEAD
        for timer in (self._init_timer, self._in_hand.timer if self._in_hand else None):
            if timer is not None:
                timer.cancel()
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.close()
        if self._statm >= 0:
            os.close(self._statm)
            self._statm = -1
        self._output.close()
        self.deliver_logs()
        if self._scratch is not None:
            self._loop.run_in_executor(None, shutil.rmtree, self._scratch, True)
        self._owner.environment_dead(self)

    # results

    def _finish(self, payload: bytes, *, failed: bool) -> None:
        """Answer who waits, then write what belongs into the log; the other way round for who wants its end with the answer."""
        hand = self._in_hand
        assert hand is not None
        hand.answered = True
        duration = (time.perf_counter() - hand.started) * 1000
        cold = self.invocations == 0
        self.invocations += 1
        invocation = hand.pending.invocation
        tail: tuple[str, ...] = ()
        if invocation.wants_log:
            self._close_log(invocation.request_id, duration, cold=cold)
            tail = self._output.tail()
        error = "Unhandled" if failed else None
        result = InvocationResult(invocation.request_id, payload, error, self.id, cold, duration, tail)
        self._owner.completed(self, hand.pending, result)
        if not invocation.wants_log:
            self._close_log(invocation.request_id, duration, cold=cold)
        self.deliver_logs()

    def _close_log(self, request_id: str, duration: float, *, cold: bool) -> None:
        self._output.drain()
        self._output.flush_partial()
        self._output.write(f"END RequestId: {request_id}")
        self._output.write(self._report(request_id, duration, cold=cold))

    def _report(self, request_id: str, duration_ms: float, *, cold: bool) -> str:
        used = self.max_rss // (1024 * 1024)
        report = (
            f"REPORT RequestId: {request_id}\tDuration: {duration_ms:.2f} ms\tBilled Duration: {int(duration_ms) + 1} ms\t"
            f"Memory Size: {self.spec.memory_mb} MB\tMax Memory Used: {used} MB"
        )
        if cold and self._init_seconds is not None:
            report += f"\tInit Duration: {self._init_seconds * 1000:.2f} ms"
        if self._out_of_memory:
            report += "\tStatus: error\tError Type: Runtime.OutOfMemory"
        return report

    def deliver_logs(self) -> None:
        """Pass on what was written since the last time."""
        if events := self._output.take_events():
            self._settings.on_logs(LogBatch(self.spec, self.log_stream, events))
