"""How an execution environment's process comes to be: by itself, or forked (`fork_server`)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambda_environments.model import FunctionSpec
    from lambda_environments.output import OutputPipe

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


class EnvironmentProcess:
    """A child process in a session and a process group of its own."""

    def __init__(self, pid: int, *, forked: bool, why_not: str = "") -> None:
        self.pid = pid
        self.forked = forked
        self.why_not = why_not
        """Why it is an interpreter of its own, where a fork was wanted."""
        self._pidfd = os.pidfd_open(pid)
        self._reaped = False

    def fileno(self) -> int:
        """A descriptor that becomes readable when the process ends."""
        return self._pidfd

    def alive(self) -> bool:
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return not poll.poll(0)

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
        _left_behind.add(self.pid)
        assert ended is not None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


_left_behind: set[int] = set()
"""Process groups whose leader was reaped: what it started was killed with it, and is this process's to reap if it is a subreaper."""


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

    def describe(self) -> list[dict[str, Any]]:
        """The templates, as an operator sees them."""
        ...


def search_path(spec: FunctionSpec, runtime_dir: Path) -> list[str]:
    """Lambda's order: code, then layers (a later layer hides an earlier one), then the runtime; the standard library follows."""
    version = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    layers = [layer / "python" / part for layer in reversed(spec.layer_dirs) for part in (version, "")]
    return [str(spec.code_dir), *(str(path) for path in layers if path.is_dir()), str(runtime_dir)]


class FreshInterpreter:
    """Each environment a new, isolated interpreter: `-I -S` keeps out the host's site-packages and variables."""

    def __init__(self, python: str) -> None:
        self._python = python
        # A pipe nobody writes to. While this process lives it stays open; all that were started here end with it.
        self._lifeline, self._held = os.pipe2(os.O_CLOEXEC)

    async def spawn(self, launch: Launch) -> EnvironmentProcess:
        return EnvironmentProcess(self.start(launch), forked=False)

    def start(self, launch: Launch, control: int = -1) -> int:
        """The number of a new process; with a `control` socket it may become a template."""
        command = [self._python, "-I", "-S", "-X", "utf8", str(BOOTSTRAP), str(self._lifeline), str(control), str(launch.scratch)]
        process = subprocess.Popen(
            [*command, *search_path(launch.spec, launch.runtime_dir)],
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

    def describe(self) -> list[dict[str, Any]]:
        return []


def become_subreaper() -> None:
    """Have descendants whose parent ends become this process's children, so that it is told of their end."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")
