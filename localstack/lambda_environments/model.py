"""What goes into the pool and what comes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOG_TAIL_BYTES = 4096  # https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html, LogResult


class PoolSaturatedError(Exception):
    """No environment became free before the invocation's place in the queue ran out."""


@dataclass(frozen=True, slots=True)
class Debugger:
    """A debugger (debugpy) waits in a function's process. One environment at a time has it, and all the time and memory it takes."""

    port: int
    path: Path
    """A directory with debugpy in it, and nothing else that a function could import."""
    wait: bool
    """The function is not imported before somebody has attached."""


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One deployed revision of a function; environments are shared by equal `identity` and by nothing else."""

    identity: str
    name: str
    version: str
    handler: str
    code_dir: Path
    layer_dirs: tuple[Path, ...]
    environment: Mapping[str, str]
    timeout_seconds: float
    memory_mb: int
    account: str
    region: str
    log_group: str
    forkable: bool = True
    """False when it asks for interpreters of its own."""
    changing_layers: frozenset[Path] = frozenset()
    """Layers that somebody works on: no other function's processes have them imported."""
    bytecode_dir: Path | None = None
    """Where compiled modules are, if not beside their sources; none are written there."""
    sources: frozenset[Path] = frozenset()
    """Directories that somebody works on, of all functions alike: code and layers may be links into them."""
    debugger: Debugger | None = None


@dataclass(frozen=True, slots=True)
class Invocation:
    payload: bytes
    request_id: str
    invoked_arn: str
    trace_id: str = ""
    client_context: str = ""
    """JSON, as the runtime hands it to the function; empty when the caller sent none."""
    wants_log: bool = True
    """Whether the answer is to bring the end of the log, for which it then waits."""


@dataclass(frozen=True, slots=True)
class InvocationResult:
    request_id: str
    payload: bytes
    function_error: str | None
    """`Unhandled` when the function failed, the value AWS puts in `X-Amz-Function-Error`."""
    environment_id: str
    cold_start: bool
    duration_ms: float
    log_lines: tuple[str, ...]

    def log_tail(self) -> bytes:
        """The last 4 kB of the invocation's log."""
        return "".join(self.log_lines).encode()[-LOG_TAIL_BYTES:]


@dataclass(frozen=True, slots=True)
class LogEvent:
    timestamp_ms: int
    message: str


@dataclass(frozen=True, slots=True)
class LogBatch:
    """Lines one environment wrote, in the order written."""

    spec: FunctionSpec
    stream: str
    events: list[LogEvent] = field(default_factory=list)
