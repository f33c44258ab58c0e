"""While real lines are sold, each kind of process is killed in turn; every line is applied once all the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from common.events import CONSUMERS
from infra.stack.instance import PROJECT_DIR
from tests.bridge_children import child_pid
from tests.e2e.client import Clerk, eventually
from tests.e2e.invoice_lines import command, invoice_lines, run_command

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.stack import Stack

pytestmark = pytest.mark.supervised

LINES = 1000
FUNCTIONS = ("inventory-order", "inventory-inventory", "inventory-inventory-consumer", "inventory-order-consumer")


def server_pid(system: Stack, server: str) -> int | None:
    """A server that runs; None while it does not."""
    entry = system.state.read()["servers"][server]
    return entry["pid"] if entry["actual"] == "running" else None


def environment_pid(system: Stack, function: str) -> int | None:
    """A process that runs a function, one at work if there is any."""
    try:
        known = httpx.get(f"{system.localstack_url}/_lambda/environments", timeout=10).json()["environments"]
    except httpx.HTTPError:
        return None
    mine = sorted((e for e in known if e["function"] == function and e["pid"]), key=lambda e: e["state"] != "busy")
    return mine[0]["pid"] if mine else None


def victims(system: Stack) -> list[tuple[str, Callable[[], int | None], bool]]:
    """Each kind of process: name, how to find its pid, whether it is restarted (a function's next one comes when needed)."""
    return [
        # What takes longest to come back first: on a fast machine the lines may be through before the last of them died.
        ("redis", lambda: server_pid(system, "redis"), True),
        ("bridge", lambda: server_pid(system, "bridge"), True),
        *((f"consumer {name}", lambda name=name: child_pid(system, name), True) for name in CONSUMERS),
        *((f"function {name}", lambda name=name: environment_pid(system, name), False) for name in FUNCTIONS),
    ]


def kill(pid: int) -> int | None:
    """The process that was killed; None where it has gone by itself meanwhile."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return None
    return pid


def kill_each_in_turn(system: Stack, goes_on: Callable[[], bool]) -> list[str]:
    """Kill one of each kind, the next when the last is back, for as long as `goes_on`. Returns what was killed."""
    killed = []
    for name, find, comes_back in victims(system):
        pid = None
        while pid is None and goes_on():
            pid = kill(eventually(find, seconds=90, what=f"the process of {name}"))
        if pid is None:
            break
        killed.append(name)
        if comes_back:
            eventually(lambda find=find, pid=pid: find() not in {None, pid}, seconds=90, what=f"a new process of {name}")
    return killed


@pytest.mark.timeout(600)
def test_whatever_is_killed_in_the_middle_nothing_is_lost_or_doubled(system, tmp_path):
    clerk = Clerk(system.gateway_url)
    before = clerk.get("/api/orders", limit=1)["total"]
    file = invoice_lines(tmp_path, LINES)
    with (tmp_path / "said").open("w") as errors:
        # Few at a time, so that there is a middle to kill in.
        replay = command(system, "replay", str(file), "--json", "--concurrency", "2", "--wait", "240")
        running = subprocess.Popen(replay, cwd=PROJECT_DIR, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        eventually(lambda: _orders(clerk) > before + 5, seconds=200, what="the first orders of the replay")
        killed = kill_each_in_turn(system, lambda: running.poll() is None)
        printed = running.communicate(timeout=300)[0]
    finally:
        running.kill()

    assert running.returncode == 0, printed[-3000:] + (tmp_path / "said").read_text()[-2000:]
    outcome = json.loads(printed)
    assert {"redis", "bridge"} <= set(killed), killed
    assert outcome["lines"] == LINES == outcome["orders"] + outcome["returns"] + outcome["reported"]
    assert outcome["statuses"]["confirmed"] == outcome["orders"]
    assert run_command(system, "reconcile", "--wait", "60")["reconciled"]
    assert clerk.get("/api/orders", limit=1)["total"] == before + outcome["orders"]


def _orders(clerk: Clerk) -> int:
    return int(clerk.get("/api/orders", limit=1)["total"])
