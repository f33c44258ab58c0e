"""`python -m tests.containers`: docker-compose.yml for real, under a project's name, on ports and with volumes of its own.

Builds the images, starts the services, runs the end-to-end tests against them, stops and starts them, and removes them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

from infra import ending
from infra.stack import Ports, Stack
from tests.containers import bases
from tests.containers.composition import PROJECT, services
from tests.containers.engine import Composition, EngineFailed, find

WORK = PROJECT / ".build" / "containers"
RUN = WORK / "run"


def main() -> int:
    """Entry of the command. 0 when all is as it should be, or when there is no engine to see it with."""
    parser = argparse.ArgumentParser(prog="make test-containers")
    parser.add_argument("--keep", action="store_true", help="leave the services running when done")
    parser.add_argument("tests", nargs="*", help="only these tests")
    options = parser.parse_args()
    stack = Stack(RUN, Ports.free())
    engine = find(stack.ports)
    if engine is None:
        _say(
            "SKIPPED: no container engine is usable here: neither docker with compose, nor podman (Debian: podman, runc or crun, iptables)."
        )
        return 0
    # Where the tests' own commands and the page's tests look for the ports.
    stack.state.publish({"ports": stack.ports.as_mapping()})
    try:
        return _run(engine, options.tests, keep=options.keep)
    except bases.NoBases as none:
        _say(f"SKIPPED: {none}.")
        return 0
    except EngineFailed as failure:
        _say(str(failure))
        return 1


def _run(engine: Composition, tests: list[str], *, keep: bool) -> int:
    began = time.monotonic()
    made = bases.provide(engine, WORK, _say)
    engine.build()
    sizes = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in engine.image_sizes().items())
    _say(f"built after {time.monotonic() - began:.0f} s: {sizes}" + (", on bases made here" if made else ""))
    try:
        began = time.monotonic()
        engine.down(forget=True)  # what a run that was cut off left behind
        engine.up()
        _say(f"up after {time.monotonic() - began:.0f} s: {', '.join(services())}")
        paths = tests or ["tests/e2e", "tests/containers"]
        command = [sys.executable, "-m", "pytest", "-m", "not supervised", *paths]
        environment = {**os.environ, "INVENTORY_KEPT_BY": "containers", "RUN_DIR": str(RUN)}
        return subprocess.run(command, cwd=PROJECT, env=environment, check=False).returncode
    finally:
        if not keep:
            engine.down(forget=True)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # a command


if __name__ == "__main__":
    ending.run(main)
