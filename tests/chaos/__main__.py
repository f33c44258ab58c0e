"""`python -m tests.chaos --seed N --operations N --faults N`: breaks a system of its own, and says whether it kept its promises."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from infra import ending
from tests.chaos.plan import CLIENTS, make_plan
from tests.chaos.run import possible_kinds, run
from tests.chaos.system import ChaosSystem
from tests.chaos.verdict import tables, verdict


def main() -> int:
    """Entry of the command. 0 when every promise was kept, 1 when one was broken."""
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--operations", type=int, default=2000)
    parser.add_argument("--faults", type=int, default=60)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="end the work after so long, however far it is")
    parser.add_argument("--kind", action="append", help="only faults of this kind; may be given several times")
    parser.add_argument("--json", type=Path, default=Path(".run/chaos.json"), help="where the verdict is written as JSON")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 150)
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    system = ChaosSystem(directory)
    began = time.monotonic()

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False)

    try:
        say(f"starting a system of its own in {directory}")
        system.start()
        impossible = {kind: why for kind, why in possible_kinds(system).items() if not options.kind or kind in options.kind}
        kinds = [kind for kind, why in impossible.items() if not why]
        plan = make_plan(options.seed, options.operations, options.faults, kinds=kinds, clients=options.clients)
        size = f"{len(plan.operations):,} operations, {len(plan.faults):,} faults"
        say(f"up after {time.monotonic() - began:.1f} s; seed {plan.seed}, plan {plan.digest}: {size}")
        outcome = run(system, plan, say, seconds=options.minutes * 60)
    finally:
        system.stop()
    document = verdict(outcome, impossible)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(document, indent=1), encoding="utf-8")
    for table in tables(document):
        console.print(table)
    if document["clean"]:
        shutil.rmtree(directory, ignore_errors=True)
        say(f"Every promise was kept. The verdict as JSON: {options.json}")
        return 0
    say(f"Promises were broken. The verdict as JSON: {options.json}; the system's logs and data: {directory}")
    return 1


if __name__ == "__main__":
    ending.run(main)
