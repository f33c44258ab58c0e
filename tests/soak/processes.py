"""Every process of a running system, by what it does, and how much memory it holds."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import httpx
import psutil

from infra.stack.process import start_of
from tests.bridge_children import child_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.stack import Stack

Life = tuple[int, str]
"""A process: its pid and when it began, as pids are given again."""


def resident(stack: Stack) -> dict[str, dict[Life, int]]:
    """Resident bytes of each process, by role: a server, a consumer of the bridge, a function, what functions are forked from."""
    found: dict[str, dict[Life, int]] = {}
    for role, process in _processes(stack):
        try:
            with process.oneshot():
                found.setdefault(role, {})[process.pid, start_of(process.pid)] = process.memory_info().rss
        except (psutil.Error, OSError):
            continue  # it has just ended
    return found


def proportional(stack: Stack) -> dict[str, int]:
    """Proportional set size by role, in bytes: pages that several processes share are counted once, over all of them."""
    found: dict[str, int] = {}
    for role, process in _processes(stack):
        with contextlib.suppress(psutil.Error):  # it has just ended
            found[role] = found.get(role, 0) + process.memory_full_info().pss
    return found


def cpu_seconds(stack: Stack) -> dict[Life, tuple[str, float]]:
    """Role of each process, and the processor time that it has taken so far."""
    found: dict[Life, tuple[str, float]] = {}
    for role, process in _processes(stack):
        with contextlib.suppress(psutil.Error, OSError):  # it has just ended
            times = process.cpu_times()
            found[process.pid, start_of(process.pid)] = role, times.user + times.system
    return found


def cpu_spent(before: dict[Life, tuple[str, float]], after: dict[Life, tuple[str, float]]) -> dict[str, float]:
    """Seconds by role, of those that live `after`: what has ended meanwhile, having idled, is not missed."""
    spent: dict[str, float] = {}
    for life, (role, seconds) in after.items():
        _, already = before.get(life, (role, 0.0))
        spent[role] = spent.get(role, 0.0) + seconds - already
    return spent


def _processes(stack: Stack) -> Iterator[tuple[str, psutil.Process]]:
    state = stack.state.read()
    yield "supervisor", psutil.Process(state["supervisor"]["pid"])
    functions = _functions(stack)
    for name, server in state["servers"].items():
        try:
            process = psutil.Process(server["pid"])
            children = process.children(recursive=True)
        except psutil.Error:
            continue
        yield name, process
        for child in children:
            yield (functions.get(child.pid) or "localstack: templates" if name == "localstack" else _child(name, child)), child


def _functions(stack: Stack) -> dict[int, str]:
    """Names of the functions that the execution environments run, by pid."""
    try:
        known = httpx.get(f"{stack.localstack_url}/_lambda/environments", timeout=30).json()["environments"]
    except (httpx.HTTPError, ValueError):
        return {}
    return {each["pid"]: f"function {each['function'].removeprefix('inventory-')}" for each in known}


def _child(server: str, process: psutil.Process) -> str:
    name = None
    with contextlib.suppress(psutil.Error):
        name = child_name(process)
    return f"{server}: {name or 'other'}"
