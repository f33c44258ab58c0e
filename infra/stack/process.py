"""Starting, recognising and ending the process of a server."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from infra.stack.logs import open_log

if TYPE_CHECKING:
    from collections.abc import Mapping

OWNER_VARIABLE = "INVENTORY_STACK"
"""Marks every process of ours in its environment, so that a supervisor finds what a killed one left behind."""


class ServerProcess:
    """One process, started by us or taken over from a supervisor that died. Identified by pid and start: pids are reused."""

    def __init__(self, process: psutil.Process, child: subprocess.Popen[bytes] | None = None) -> None:
        self._process = process
        self._child = child
        self.pid = process.pid
        self.created = start_of(process.pid)
        self.exit_code: int | None = None

    @classmethod
    def start(
        cls, name: str, command: tuple[str, ...], *, environment: Mapping[str, str], directory: Path, log: Path, run_dir: Path
    ) -> ServerProcess:
        """Start `command` in a session of its own: a signal to the supervisor or its terminal does not reach it."""
        directory.mkdir(parents=True, exist_ok=True)
        with open_log(log) as output:
            child = subprocess.Popen(
                command,
                env={**environment, OWNER_VARIABLE: owner_mark(run_dir, name)},
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(psutil.Process(child.pid), child)

    @classmethod
    def adopt(cls, pid: int, created: str | float) -> ServerProcess | None:
        """The process recorded as (`pid`, `created`), when it still runs."""
        try:
            process = psutil.Process(pid)
            # A supervisor of before 2026-11-27 recorded the time of day, and may still be the one to be stopped.
            same = start_of(pid) == created if isinstance(created, str) else abs(process.create_time() - created) < 1
            return cls(process) if same and process.status() != psutil.STATUS_ZOMBIE else None
        except (OSError, psutil.Error):
            return None

    def alive(self) -> bool:
        if self._child is not None:
            self.exit_code = self._child.poll()
            return self.exit_code is None
        try:
            # An adopted process is nobody's child; where init does not reap, a dead one stays visible as a zombie.
            return self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def stop(self, timeout: float) -> bool:
        """SIGTERM, wait, SIGKILL; True when it went by itself. Takes the rest of its session with it."""
        graceful = True
        if self.alive():
            self.send_signal(signal.SIGTERM)
            graceful = self.wait(timeout)
            if not graceful:
                self.send_signal(signal.SIGKILL)
                self.wait(5)
        self.end_session()
        return graceful

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
        self.wait(5)
        self.end_session()

    def wait(self, timeout: float) -> bool:
        """True when it has ended within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def end_session(self) -> None:
        """Kill what the process left in its session (LocalStack's execution environments, after a kill -9)."""
        for pid in psutil.pids():
            with contextlib.suppress(OSError):
                if pid != self.pid and os.getsid(pid) == self.pid:
                    os.kill(pid, signal.SIGKILL)

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing where it has ended."""
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            self._process.send_signal(number)


def start_of(pid: int) -> str:
    """When a process started: which boot of the machine, and how many ticks after it. The time of day would not do, as clocks are set.

    Raises OSError when there is no such process. See proc(5), /proc/pid/stat, field 22.
    """
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {ticks}"


def owner_mark(run_dir: Path, name: str) -> str:
    return f"{run_dir}:{name}"


def processes_of(run_dir: Path) -> dict[int, str]:
    """Every process started for the instance in `run_dir`, by pid, with the name of its server."""
    prefix = f"{run_dir}:"
    found = {}
    for process in psutil.process_iter():
        try:
            mark = process.environ().get(OWNER_VARIABLE, "")
        except psutil.Error:
            continue
        if mark.startswith(prefix):
            found[process.pid] = mark.removeprefix(prefix)
    return found
