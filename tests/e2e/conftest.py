"""The whole system for the end-to-end tests: an instance of its own on free ports, as `make up` would start it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from infra.stack import Ports, Stack, launcher
from infra.stack.placement import get_placement
from infra.stack.process import processes_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running system: `system.gateway_url`, `system.environment()`, `system.state.read()`.

    Servers are stopped and started by infra.stack.launcher. After the last test it is stopped gracefully, and nothing of it may be left.
    Where INVENTORY_KEPT_BY says that containers keep it, it is the one RUN_DIR speaks of (see tests/containers).
    """
    if get_placement().kept_by == "containers":
        running = Stack.of(Path(os.environ["RUN_DIR"]))
        assert running is not None
        yield running
        return
    stack = Stack(tmp_path_factory.mktemp("system"), Ports.free())
    started: set[psutil.Process] = set()
    try:
        launcher.up(stack)
        yield stack
    finally:
        started = _processes_below(stack)
        launcher.down(stack)
    left = [process for process in started if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert not left, f"left behind: {[' '.join(process.cmdline()) for process in left]}"
    assert not processes_of(stack.run_dir)
    assert "did not stop within" not in (stack.logs_dir / "supervisor.log").read_text(), "a server did not stop by itself"


def _processes_below(stack: Stack) -> set[psutil.Process]:
    """The servers and all their descendants: consumers, execution environments."""
    found: set[psutil.Process] = set()
    for server in stack.state.read().get("servers", {}).values():
        if server.get("pid") and psutil.pid_exists(server["pid"]):
            process = psutil.Process(server["pid"])
            found |= {process, *process.children(recursive=True)}
    return found | _mentioning(stack.run_dir)


def _mentioning(directory: Path) -> set[psutil.Process]:
    """Processes with the run directory on their command line, whosever children they are."""
    found = set()
    for process in psutil.process_iter():
        try:
            if any(str(directory) in argument for argument in process.cmdline()):
                found.add(process)
        except psutil.Error:
            continue
    return found
