"""How an execution environment's process comes to be: by itself, or forked (`fork_server`)."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lambda_environments.model import FunctionSpec
    from lambda_environments.output import OutputPipe
    from lambda_environments.sandbox import Sandbox

BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything a process needs to become an environment of `spec`."""

    spec: FunctionSpec
    runtime_dir: Path
    scratch: Path
    variables: Mapping[str, str]
    """The same in every environment of the function."""
    own_variables: Mapping[str, str]
    """This environment's own."""
    output: OutputPipe
    """Takes standard output and standard error."""
    sandbox: Sandbox | None = None
    """None where it may do whatever this process may."""
    base_sandbox: Sandbox | None = None
    """Of what it is forked from."""


class Way(StrEnum):
    """How a process came to be."""

    FRESH = "fresh"
    """A new interpreter."""
    LAYERS = "layers"
    """Forked from a base that had imported what the function uses of its layers."""
    FORK = "fork"
    """Forked from the function's template."""


class EnvironmentProcess:
    """A child process in a session and a process group of its own."""

    def __init__(self, pid: int, way: Way, why_not: str = "") -> None:
        self.pid = pid
        self.way = way
        self.why_not = why_not
        """Why it has imported the function itself, where a fork of its template was wanted."""
        self._pidfd = os.pidfd_open(pid)
        self._reaped = False
        _living.add(pid)

    def fileno(self) -> int:
        """A descriptor that becomes readable when the process ends."""
        return self._pidfd

    def kill(self) -> None:
        """SIGKILL to the process and everything it started."""
        if self._reaped:  # the number may be another's by now
            return
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:  # not yet in its own session, or already gone
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def reap(self) -> int:
        """The exit status of an ended process, negative for a signal; releases what the process held."""
        self.kill()  # what it started must not outlive it; its number is ours until waited for
        ended = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        self._reaped = True
        os.close(self._pidfd)
        _living.discard(self.pid)
        _left_behind.add(self.pid)
        assert ended is not None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


_living: set[int] = set()
"""Process groups whose leader was not reaped yet."""
_left_behind: set[int] = set()
"""Process groups of what ended environments had started: it was killed with them, and is this process's to reap if it is a subreaper."""


def reap_adopted() -> None:
    """Wait for what ended in living processes' groups after its parent, as a shell's background job does: a subreaper is told of it."""
    for leader in tuple(_living):
        with contextlib.suppress(ChildProcessError):  # it has no group of its own yet
            while ended := os.waitid(os.P_PGID, leader, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if ended.si_pid == leader:
                    break
                os.waitid(os.P_PID, ended.si_pid, os.WEXITED | os.WNOHANG)


def kill_detached(variable: str) -> None:
    """Kill what an ended environment had started in sessions of its own: such a program is a subreaper's child by now, and was given
    this variable, which nothing else was but what is forked from a template.
    """
    for children in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended
            for pid in map(int, children.read_text().split()):
                if pid not in _living:
                    _kill_if_given(pid, variable)


def _kill_if_given(pid: int, variable: str) -> None:
    process = Path(f"/proc/{pid}")
    with contextlib.suppress(OSError):  # it has ended
        forked = os.fsencode(BOOTSTRAP) in (process / "cmdline").read_bytes().split(b"\0")
        if not forked and os.fsencode(variable) in (process / "environ").read_bytes().split(b"\0"):
            group = os.getpgid(pid)
            os.killpg(group, signal.SIGKILL)
            _left_behind.add(group)


def reap_left_behind() -> bool:
    """Whether nothing is left."""
    for group in tuple(_left_behind):
        try:
            while os.waitid(os.P_PGID, group, os.WEXITED | os.WNOHANG):
                pass
        except ChildProcessError:
            _left_behind.discard(group)
    return not _left_behind


class SpawnStrategy(Protocol):
    """Used on the pool's event loop only."""

    async def spawn(self, launch: Launch) -> EnvironmentProcess:
        """Start a process. Raises OSError. Cancelled, it leaves none."""
        ...

    def retire(self, identity: str) -> None:
        """No more environments of this revision are expected; one that comes nevertheless is served, and followed by this call."""
        ...

    def upkeep(self) -> None:
        """Called every now and then."""
        ...

    async def close(self) -> None: ...

    def describe(self) -> dict[str, list[dict[str, Any]]]:
        """What it keeps beside environments, as an operator sees it."""
        ...


def layer_paths(layers: Iterable[Path]) -> list[Path]:
    """Where Lambda looks for Python modules in layers: a later layer hides an earlier one."""
    version = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    candidates = [layer / "python" / part for layer in reversed(list(layers)) for part in (version, "")]
    return [path for path in candidates if path.is_dir()]


def order_of(launch: Launch) -> dict[str, Any]:
    """What `bootstrap` is told. The path is in Lambda's order: code, layers, runtime; the standard library follows."""
    path = [launch.spec.code_dir, *layer_paths(launch.spec.layer_dirs), launch.runtime_dir]
    bytecode = {"bytecode": str(launch.spec.bytecode_dir)} if launch.spec.bytecode_dir else {}
    sandbox = {"sandbox": launch.sandbox.as_order()} if launch.sandbox else {}
    order: dict[str, Any] = {"path": [str(part) for part in path], "scratch": str(launch.scratch), **bytecode, **sandbox}
    debugger = launch.spec.debugger
    return {**order, "debugger": {"port": debugger.port, "path": str(debugger.path), "wait": debugger.wait}} if debugger else order


class FreshInterpreter:
    """Each environment a new, isolated interpreter: `-I -S` keeps out the host's site-packages and variables."""

    def __init__(self, python: str) -> None:
        self._python = python
        # A pipe nobody writes to. While this process lives it stays open; all that were started here end with it.
        self._lifeline, self._held = os.pipe2(os.O_CLOEXEC)

    async def spawn(self, launch: Launch) -> EnvironmentProcess:
        return EnvironmentProcess(self.start(launch, order_of(launch)), Way.FRESH)

    def start(self, launch: Launch, order: Mapping[str, Any], control: int = -1) -> int:
        """The number of a new process; with a `control` socket it may become one that forks."""
        command = [self._python, "-I", "-S", "-X", "utf8", str(BOOTSTRAP), str(self._lifeline), str(control), json.dumps(order)]
        process = subprocess.Popen(
            command,
            cwd=launch.spec.code_dir,
            env={**launch.variables, **launch.own_variables},
            stdin=subprocess.DEVNULL,
            stdout=launch.output.write_end,
            stderr=launch.output.write_end,
            start_new_session=True,  # signals to our process group are not the function's
            pass_fds=[self._lifeline, *([control] if control >= 0 else [])],
        )
        process.returncode = 0  # its end is not for subprocess to wait for
        return process.pid

    def retire(self, identity: str) -> None:
        """There is nothing but environments."""

    def upkeep(self) -> None:
        """Nothing to keep up."""

    async def close(self) -> None:
        os.close(self._held)
        os.close(self._lifeline)

    def describe(self) -> dict[str, list[dict[str, Any]]]:
        return {"bases": [], "templates": []}


def become_subreaper() -> None:
    """Have descendants whose parent ends become this process's children, so that it is told of their end."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")
