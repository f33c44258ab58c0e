"""How an execution environment's process comes to be; a fork server is to be a second strategy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambda_environments.model import FunctionSpec

BOOTSTRAP = Path(__file__).with_name("bootstrap.py")


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything a process needs to become an environment of `spec`."""

    spec: FunctionSpec
    runtime_dir: Path
    environment: Mapping[str, str]
    output: int
    """File descriptor that takes standard output and standard error."""


class EnvironmentProcess(Protocol):
    pid: int

    def fileno(self) -> int:
        """A descriptor that becomes readable when the process ends (a pidfd)."""
        ...

    def alive(self) -> bool: ...

    def kill(self) -> None:
        """SIGKILL to the process and everything it started."""
        ...

    def reap(self) -> int:
        """The exit status of an ended process, negative for a signal; releases what the process held."""
        ...


class SpawnStrategy(Protocol):
    def spawn(self, launch: Launch) -> EnvironmentProcess:
        """Start a process; called on the pool's event loop thread, which outlives every environment (the kernel ties
        PR_SET_PDEATHSIG to the starting thread). Raises OSError.
        """
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

    def spawn(self, launch: Launch) -> EnvironmentProcess:
        command = [self._python, "-I", "-S", "-X", "utf8", str(BOOTSTRAP), str(os.getpid())]
        process = subprocess.Popen(
            [*command, *search_path(launch.spec, launch.runtime_dir)],
            cwd=launch.spec.code_dir,
            env=dict(launch.environment),
            stdin=subprocess.DEVNULL,
            stdout=launch.output,
            stderr=launch.output,
            start_new_session=True,  # signals to our process group are not the function's
        )
        return _ChildProcess(process)


class _ChildProcess:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self._process = process
        self._pidfd = os.pidfd_open(process.pid)

    def fileno(self) -> int:
        return self._pidfd

    def alive(self) -> bool:
        return os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def kill(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:  # not yet in its own session, or already gone
            self._process.kill()

    def reap(self) -> int:
        self.kill()  # what it started must not outlive it; its number is ours until waited for
        status = self._process.wait()
        os.close(self._pidfd)
        return status
