"""What commands do to an instance from outside: start its supervisor, ask it for something, wait, end it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from infra.stack import board as is_
from infra.stack.logs import open_log, tail
from infra.stack.ports import PortBusy, Ports, ensure_free
from infra.stack.process import ServerProcess, processes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from infra.stack.instance import Stack

GONE_WITHIN = 10.0
"""Seconds in which a process is gone that was killed, or whose parent was."""

SERVER_ATTEMPTS = 4
"""A server that failed this often while one waits for it is reported rather than waited for."""


class NotRunning(Exception):
    """The instance has no supervisor; its text says how to start it."""


class CameNotUp(Exception):
    """A server or job failed; its text says which and why, with its last log lines."""


class StillRunning(Exception):
    """What was to stop has not; its text says what it is, with the supervisor's last log lines."""


def up(stack: Stack, progress: Callable[[dict[str, Any]], None] = lambda _: None, timeout: float = 600) -> None:
    """Bring `stack` to run the code that is there now. `progress` is called with the state whenever it changed.

    Raises PortBusy or CameNotUp. What runs already and has not changed is left alone; what was stopped by itself is started.
    """
    if stack.state.supervised():
        _same_ports(stack)
    else:
        ensure_free(_ports_needed(stack), own_pids=_left_running(stack))
    with stack.state.changing_requests() as requests:
        requests["stopped"] = []
        requests["deployments"] += 1
        asked = requests["deployments"]
    supervisor = None if stack.state.supervised() else _start_supervisor(stack)
    _wait_until_up(stack, asked, supervisor, progress, timeout)


def down(stack: Stack) -> bool:
    """Stop everything gracefully; False when nothing ran. Raises StillRunning."""
    # Servers stop one after the other. A supervisor that has not ended by then is killed.
    timeout = sum(server.stop_timeout + GONE_WITHIN for server in stack.servers.values()) + GONE_WITHIN
    if stack.state.supervised():
        _wait(lambda: _supervisor_or_none(stack) is not None, 10)  # one that has just started has yet to say its pid
        _supervisor(stack).stop(timeout)
    elif _left_running(stack):
        # Its supervisor was killed: a new one takes over what is left only to end it.
        starting = _start_supervisor(stack)
        _wait(lambda: stack.state.read().get("supervisor", {}).get("pid") == starting.pid, 20)
        starting.terminate()
        with suppress(subprocess.TimeoutExpired):
            starting.wait(timeout)
    else:
        return False
    if not _wait(lambda: not _left_running(stack), GONE_WITHIN):
        left = ", ".join(f"{name} (pid {pid})" for pid, name in sorted(_left_running(stack).items()))
        raise StillRunning(_last_words(stack, "supervisor", f"Not everything has stopped, try again: {left} still runs."))
    return True


def set_server(stack: Stack, name: str, action: str, timeout: float = 90) -> None:
    """`start`, `stop` or `restart` one server and wait until it is so."""
    if not stack.state.supervised():
        raise NotRunning("The system is not running. Start it with: make up")
    before = stack.state.read()["servers"][name]
    with stack.state.changing_requests() as requests:
        requests["stopped"] = sorted({*requests["stopped"], name} - ({name} if action != "stop" else set()))
        if action == "restart":
            requests["restarts"][name] = requests["restarts"].get(name, 0) + 1

    def settled() -> bool:
        now = stack.state.read()["servers"][name]
        if action == "stop":
            return bool(now["actual"] == is_.STOPPED)
        return bool(now["actual"] == is_.RUNNING and (action == "start" or now["pid"] != before["pid"]))

    if not _wait(settled, timeout):
        now = stack.state.read()["servers"][name]
        raise CameNotUp(f"{name} is {now['actual']} after {timeout:.0f} s: {now['detail'] or 'see its log'}")


@contextmanager
def without(stack: Stack, names: Collection[str]) -> Iterator[None]:
    """The named servers stopped for as long as a `with` block lasts; after it, the whole up again. Raises NotRunning, CameNotUp."""
    try:
        for name in names:
            set_server(stack, name, "stop")
        yield
    finally:
        up(stack)


def _ports_needed(stack: Stack) -> dict[str, int]:
    return {purpose: port for server in stack.servers.values() for purpose, port in server.ports.items()}


def _left_running(stack: Stack) -> dict[int, str]:
    """What a killed supervisor left, by its records and by their mark: names by pid."""
    recorded = stack.state.read().get("servers", {}).items()
    alive = {entry["pid"]: name for name, entry in recorded if entry.get("pid") and ServerProcess.adopt(entry["pid"], entry["created"])}
    return alive | processes_of(stack.run_dir)


def _same_ports(stack: Stack) -> None:
    running = Ports.from_mapping(stack.state.read()["ports"])
    if running != stack.ports:
        raise PortBusy(
            f"The system in {stack.run_dir} already runs with its gateway on port {running.gateway}, not {stack.ports.gateway}.\n"
            "Stop it first (make down), or give the second one a directory of its own: make up PORT_OFFSET=100 RUN_DIR=.run-100"
        )


def _start_supervisor(stack: Stack) -> subprocess.Popen[bytes]:
    with open_log(stack.logs_dir / "supervisor.log") as output:
        return subprocess.Popen(
            [
                sys.executable,
                *("-m", "infra.stack.supervisor"),
                *("--run-dir", str(stack.run_dir)),
                *("--ports", json.dumps(stack.ports.as_mapping())),
            ],
            cwd=stack.project_dir,
            env=stack.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _supervisor_or_none(stack: Stack) -> ServerProcess | None:
    recorded = stack.state.read().get("supervisor")
    return ServerProcess.adopt(recorded["pid"], recorded["created"]) if recorded else None


def _supervisor(stack: Stack) -> ServerProcess:
    process = _supervisor_or_none(stack)
    if process is None:
        raise NotRunning(f"The supervisor of {stack.run_dir} is not to be found; see {stack.logs_dir / 'supervisor.log'}")
    return process


def _wait_until_up(
    stack: Stack,
    asked: int,
    supervisor: subprocess.Popen[bytes] | None,
    progress: Callable[[dict[str, Any]], None],
    timeout: float,
) -> None:
    deadline = time.monotonic() + timeout
    restarts_before: dict[str, int] = {}
    last = None
    while True:
        state = stack.state.read()
        if supervisor is None or state.get("supervisor", {}).get("pid") == supervisor.pid:
            if state != last:
                last = state
                progress(_as_of(state, asked))
            if _all_up(stack, state, asked):
                return
            _raise_on_failure(stack, state, asked, restarts_before)
        if supervisor is None or supervisor.poll() is not None:
            supervisor = _successor(stack, supervisor)
        if time.monotonic() > deadline:
            raise CameNotUp(f"The system is not up after {timeout:.0f} s; see the logs in {stack.logs_dir}")
        time.sleep(0.05)


def _successor(stack: Stack, ended: subprocess.Popen[bytes] | None) -> subprocess.Popen[bytes] | None:
    """Who is to be waited for now: a supervisor of ours, or somebody else's (None). Raises CameNotUp when ours has ended."""
    if stack.state.supervised():
        return None
    if ended is not None:
        raise CameNotUp(_last_words(stack, "supervisor", "The supervisor ended."))
    return _start_supervisor(stack)  # the one that seemed to live was about to die


def _raise_on_failure(stack: Stack, state: dict[str, Any], asked: int, restarts_before: dict[str, int]) -> None:
    for name, server in state.get("servers", {}).items():
        before = restarts_before.setdefault(name, server["restarts"])
        if server["restarts"] - before >= SERVER_ATTEMPTS:
            raise CameNotUp(_last_words(stack, name, f"{name} does not come up: {server['detail']}"))
    for name, job in state.get("jobs", {}).items():
        if job["actual"] == is_.FAILED and job["answered"] >= asked:
            raise CameNotUp(_last_words(stack, name, f"{name} failed: {job['detail']}"))


def _as_of(state: dict[str, Any], asked: int) -> dict[str, Any]:
    """The state as it answers this request: a job done for a former one has yet to run."""
    jobs = {
        name: job | {"actual": is_.WAITING, "detail": ""} if job["actual"] in {is_.DONE, is_.FAILED} and job["answered"] < asked else job
        for name, job in state.get("jobs", {}).items()
    }
    return {**state, "jobs": jobs}


def _all_up(stack: Stack, state: dict[str, Any], asked: int) -> bool:
    servers, jobs = state.get("servers", {}), state.get("jobs", {})
    if not all(jobs.get(name, {}).get("actual") == is_.DONE and jobs[name]["answered"] >= asked for name in stack.jobs):
        return False
    wanted = set(stack.servers) - set(stack.state.requests()["stopped"])
    return all(servers.get(name, {}).get("actual") == is_.RUNNING for name in wanted)


def _last_words(stack: Stack, name: str, what: str) -> str:
    log = stack.logs_dir / f"{name}.log"
    return "\n".join([what, f"The end of {log}:", *(f"  {line}" for line in tail(log, 15))])


def _wait(condition: Callable[[], bool], timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
