"""How long until something answers: the system, the system as it was left, a service's new environment; and what it all weighs."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import httpx

from infra.deploy.deployment import client_of
from infra.stack import Ports, Stack, launcher
from tests.e2e.client import eventually
from tests.soak.processes import proportional

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FUNCTION = "inventory-product"
# localstack_process_runtime.settings.SPAWN, as a function's own variable.
SPAWN = "PROCESS_RUNTIME_SPAWN"
WAYS = {"forked": {}, "fresh interpreter": {SPAWN: "fresh"}}
COLD_STARTS = 7
SETTLE_SECONDS = 10.0
REST_SECONDS = 600.0
"""Until when at the latest all that runs functions has ended for want of work."""
# Which route it is does not matter: it is the start that is measured.
_REQUEST = {"resource": "/nothing", "path": "/nothing", "httpMethod": "GET", "requestContext": {}}


@dataclass(frozen=True)
class Figures:
    """Seconds until `inventory up` returns, MB of the whole system at rest, ms until a new environment of a service is ready, by way."""

    first_up_seconds: float
    second_up_seconds: float
    started_mb: dict[str, float]
    """Proportional set size, by role, just after the second start: pages that several processes share are counted once."""
    idle_mb: dict[str, float]
    """The same at rest: nobody has wanted anything for so long that what runs functions has ended."""
    cold_start_ms: dict[str, float]


def measure(directory: Path, *, rounds: int = 3, say: Callable[[str], None] = lambda _: None) -> Figures:
    """Start a system in `directory` that never ran, stop it, start it again, let it rest, and start environments of a function in turn."""
    stack = Stack(directory, Ports.free())
    try:
        say("first start of a system")
        first = _timed(lambda: launcher.up(stack))
        say("second start")
        launcher.down(stack)
        second = _timed(lambda: launcher.up(stack))
        time.sleep(SETTLE_SECONDS)
        started = proportional(stack)
        taken: dict[str, list[float]] = {way: [] for way in WAYS}
        for number in range(1, rounds + 1):
            for way, variables in WAYS.items():
                say(f"round {number} of {rounds}: cold starts of {FUNCTION}, {way}")
                taken[way] += _cold_starts(stack, variables)
        say("waiting until the system is at rest, which takes some minutes")
        eventually(lambda: not any(_running(stack).values()), seconds=REST_SECONDS, what="rest")
        time.sleep(SETTLE_SECONDS)
        idle = proportional(stack)
    finally:
        launcher.down(stack)
    return Figures(first, second, _megabytes(started), _megabytes(idle), {way: median(times) for way, times in taken.items()})


def _megabytes(by_role: dict[str, int]) -> dict[str, float]:
    return {role: size / 1e6 for role, size in by_role.items()}


def _running(stack: Stack) -> dict[str, list[Any]]:
    """Environments, and what they are forked from."""
    known = httpx.get(f"{stack.localstack_url}/_lambda/environments", timeout=30).json()
    return {kind: known[kind] for kind in ("environments", "templates", "bases")}


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _cold_starts(stack: Stack, variables: dict[str, str]) -> list[float]:
    """What the function's reports say of its environments' starts."""
    functions = client_of(stack, "lambda")
    deployed = functions.get_function_configuration(FunctionName=FUNCTION)["Environment"]["Variables"]
    deployed.pop(SPAWN, None)
    functions.update_function_configuration(FunctionName=FUNCTION, Environment={"Variables": deployed | variables})
    functions.get_waiter("function_updated_v2").wait(FunctionName=FUNCTION, WaiterConfig={"Delay": 1})
    _report(functions)  # what is forked from is there now
    taken = []
    for _ in range(COLD_STARTS):
        _end_environments(stack)
        taken.append(float(re.findall(r"Init Duration: ([\d.]+) ms", _report(functions))[0]))
    return taken


def _report(functions: Any) -> str:
    answer = functions.invoke(FunctionName=FUNCTION, LogType="Tail", Payload=json.dumps(_REQUEST))
    answer["Payload"].read()
    return base64.b64decode(answer["LogResult"]).decode()


def _end_environments(stack: Stack) -> None:
    def running() -> list[int]:
        return [each["pid"] for each in _running(stack)["environments"] if each["function"] == FUNCTION]

    for pid in running():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: not running(), seconds=10, what="the end of all environments")
