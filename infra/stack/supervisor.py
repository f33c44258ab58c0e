"""The background process of an instance: `python -m infra.stack.supervisor --run-dir DIR --ports JSON`.

It starts the servers in the order of their needs, keeps them running, runs migrations and deployment in between, and stops
everything in reverse on SIGTERM. When it is killed itself, the servers go on; the next supervisor takes them over.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import threading
from pathlib import Path

from infra.stack.board import Board
from infra.stack.instance import Stack
from infra.stack.jobs import JobRunner
from infra.stack.keeper import Keeper, LeftBehind
from infra.stack.ports import Ports
from infra.stack.process import ServerProcess, processes_of, start_of

log = logging.getLogger("supervisor")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--ports", type=json.loads, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stack = Stack(arguments.run_dir, Ports.from_mapping(arguments.ports))
    claim = stack.state.claim()
    if claim is None:
        log.info("another supervisor keeps %s", stack.run_dir)
        return
    with claim:
        supervise(stack)


def supervise(stack: Stack) -> None:
    """Keep `stack` until SIGTERM or SIGINT."""
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    left_behind = take_over(stack)
    header = {
        "supervisor": {"pid": os.getpid(), "created": start_of(os.getpid())},
        "run_dir": str(stack.run_dir),
        "ports": stack.ports.as_mapping(),
    }
    deployments = stack.state.requests()["deployments"]
    board = Board(stack.state, header)
    keepers = [Keeper(stack, server, board, left_behind.get(name)) for name, server in stack.servers.items()]
    jobs = [JobRunner(stack, job, board, deployments) for job in stack.jobs.values()]
    _begin(keepers, jobs)
    while not ending.wait(0.2):
        asked = stack.state.requests()["deployments"]
        if asked != deployments:
            deployments = asked
            _bring_up_to_date(keepers, jobs, asked)
    log.info("stopping")
    for job in jobs:
        job.end()
    for keeper in reversed(keepers):
        keeper.end()
    log.info("stopped")


def _begin(keepers: list[Keeper], jobs: list[JobRunner]) -> None:
    for keeper in keepers:
        keeper.start()
    for keeper in keepers:  # those left behind may run former code
        keeper.restart_if_changed()
    for job in jobs:
        job.start()


def _bring_up_to_date(keepers: list[Keeper], jobs: list[JobRunner], asked: int) -> None:
    # Servers before jobs, which would otherwise begin on a server about to go.
    for keeper in keepers:
        keeper.restart_if_changed()
    for job in jobs:
        job.ask(asked)


def take_over(stack: Stack) -> dict[str, LeftBehind]:
    """Servers a killed supervisor left running, by name; whatever else it left is ended."""
    recorded = stack.state.read().get("servers", {})
    adopted = {}
    for name, entry in recorded.items():
        if name in stack.servers and entry.get("pid"):
            process = ServerProcess.adopt(entry["pid"], entry["created"])
            if process is not None:
                adopted[name] = LeftBehind(process, entry.get("fingerprint", ""))
    sessions = {kept.process.pid for kept in adopted.values()} | {os.getsid(0)}
    for pid, name in processes_of(stack.run_dir).items():
        try:
            stray = ServerProcess.adopt(pid, start_of(pid)) if pid != os.getpid() and os.getsid(pid) not in sessions else None
        except OSError:  # it has just ended
            continue
        if stray is not None:
            log.warning("%s: ending pid %s, left behind by a former supervisor", name, pid)
            stray.stop(stack.servers[name].stop_timeout if name in stack.servers else 5)
    return adopted


if __name__ == "__main__":
    main()
