"""`python -m tests.security --cases N --seed N`: attacks a system of its own over HTTP, and says what was tried and what was found."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from infra import ending
from infra.stack import Ports, Stack, launcher
from tests.security import api_document, authentication, headers, injection, isolation, leaks
from tests.security.target import Target
from tests.security.verdict import tables, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.part import Part


def main() -> int:
    """Entry of the command. 0 when no attack succeeded, 1 when one did."""
    parser = argparse.ArgumentParser(prog="make security", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="about so many random requests by schemathesis")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10, help="end schemathesis after so long, however far it is")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be given several times")
    parser.add_argument("--json", type=Path, default=Path(".run/security.json"), help="where the verdict is written as JSON")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 150)
    directory = Path(tempfile.mkdtemp(prefix="security-"))
    stack = Stack(directory / "run", Ports.free())
    began = time.monotonic()

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False)

    try:
        say(f"starting a system of its own in {directory}")
        launcher.up(stack)
        say(f"up after {time.monotonic() - began:.1f} s")
        parts = _attack(Target(stack), options, say)
    finally:
        launcher.down(stack)
    document = verdict(parts, seed=options.seed, seconds=time.monotonic() - began)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(document, indent=1), encoding="utf-8")
    for table in tables(document):
        console.print(table)
    if document["clean"]:
        shutil.rmtree(directory, ignore_errors=True)
        say(f"No attack succeeded. The verdict as JSON: {options.json}")
        return 0
    say(f"Attacks succeeded. The verdict as JSON: {options.json}; the system's logs and data: {directory}")
    return 1


PARTS: dict[str, Callable[[Target, argparse.Namespace], Part]] = {
    "document": lambda target, options: api_document.attack(target, options.cases, options.seed, seconds=options.minutes * 60),
    "injection": lambda target, _: injection.attack(target),
    "authentication": lambda target, _: authentication.attack(target),
    "headers": lambda target, _: headers.attack(target),
    "isolation": lambda target, _: isolation.attack(target),
    "leaks": lambda target, _: leaks.attack(target),
}
"""In this order: what looks for secrets in logs comes after all that uses any."""


def _attack(target: Target, options: argparse.Namespace, say: Callable[[str], None]) -> list[Part]:
    parts = []
    for name, attack in PARTS.items():
        if options.part and name not in options.part:
            continue
        began = time.monotonic()
        part = attack(target, options)
        say(f"{part.name}: {part.tried.total():,} cases, {len(part.findings):,} findings, {time.monotonic() - began:.1f} s")
        parts.append(part)
    return parts


if __name__ == "__main__":
    ending.run(main)
