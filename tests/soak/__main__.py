"""`python -m tests.soak --minutes N`: load for so long, and whether any process of the system takes more and more memory."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from rich.console import Console

from infra import ending
from infra.cli.table import Table
from infra.stack import Ports, Stack, launcher
from tests.soak.load import Load
from tests.soak.processes import Life, resident
from tests.soak.verdict import MIB, Sample, Trend, least_leak, trend

SAMPLE_SECONDS = 5.0
TOLD_SECONDS = 60.0
# What fills a cache of a fixed size grows until it is full, and no further: what it may hold in all, and why.
BOUNDED = {
    "mariadb": (450 * MIB, "its buffer pool of 128 MB"),
    "redis": (320 * MIB, "its maxmemory of 256 MB"),
}

Lives = dict[str, dict[Life, list[Sample]]]

console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """Entry of the command. 0 when no process grows without a bound."""
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--threads", type=int, default=4, help="how many clients work at once")
    parser.add_argument("--json", type=Path, default=Path(".run/soak.json"), help="where every sample is written")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="soak-"))
    stack = Stack(directory, Ports.free())
    try:
        console.print(f"starting a system of its own in {directory}")
        launcher.up(stack)
        with Load(stack, options.threads) as load:
            lives = _watch(stack, load, options.minutes * 60)
        statuses = dict(sorted(load.statuses.items()))
        disk = {part.name: sum(file.stat().st_size for file in part.rglob("*") if file.is_file()) for part in directory.iterdir()}
    finally:
        launcher.down(stack)
        shutil.rmtree(directory, ignore_errors=True)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(_document(lives)), encoding="utf-8")
    answers = ", ".join(f"{number:,} times {status or 'none'}" for status, number in statuses.items())
    console.print(f"\n{sum(statuses.values()):,} requests in {options.minutes:g} minutes, answered {answers}")
    console.print("on the disk: " + ", ".join(f"{name} {size / MIB:.0f} MB" for name, size in sorted(disk.items()) if size > MIB))
    console.print(f"every sample: {options.json}\n")
    return _print_verdict(lives, options.minutes * 60)


def _watch(stack: Stack, load: Load, seconds: float) -> Lives:
    lives: Lives = defaultdict(lambda: defaultdict(list))
    began = time.monotonic()
    told = 0.0
    while (now := time.monotonic() - began) < seconds:
        found = resident(stack)
        for role, processes in found.items():
            for life, held in processes.items():
                lives[role][life].append((now, held))
        if now >= told:
            told += TOLD_SECONDS
            total = sum(sum(processes.values()) for processes in found.values())
            number = sum(map(len, found.values()))
            parts = ", ".join(f"{role} {sum(processes.values()) / MIB:.0f}" for role, processes in found.items() if "function" not in role)
            functions = sum(sum(processes.values()) for role, processes in found.items() if "function" in role)
            requests = sum(load.statuses.values())
            console.print(
                f"{now / 60:5.1f} min  {requests:7,} requests  {number} processes, {total / MIB:,.0f} MB: "
                f"functions {functions / MIB:.0f}, {parts}"
            )
        time.sleep(max(0.0, SAMPLE_SECONDS - (time.monotonic() - began - now)))
    return lives


def _print_verdict(lives: Lives, seconds: float) -> int:
    table = Table("process", "number", "MB after warm-up", "MB at the end", "MB per hour", "verdict")
    grown = []
    for role, of_role in sorted(lives.items()):
        judged = [found for samples in of_role.values() if (found := trend(samples)) is not None]
        if not judged:
            table.add_row(role, str(len(of_role)), "", "", "", "none lived long enough to say")
            continue
        worst = max(judged, key=lambda found: (found.grows, found.per_hour))
        word = _word(role, worst)
        if "grows" in word:
            grown.append(role)
        table.add_row(role, str(len(of_role)), *_figures(worst), word)
    table.print(console)
    console.print(f"\nA leak of less than {least_leak(seconds) / MIB:.1f} MB per hour is not seen in so short a time.")
    console.print(f"\n[red]Growing: {', '.join(grown)}.[/]" if grown else "\n[green]Nothing grows without a bound.[/]")
    return 1 if grown else 0


def _figures(found: Trend) -> tuple[str, str, str]:
    return f"{found.first / MIB:.1f}", f"{found.last / MIB:.1f}", f"{found.per_hour / MIB:+.1f}"


def _word(role: str, found: Trend) -> str:
    if not found.grows:
        return "[green]steady[/]"
    bound, why = BOUNDED.get(role, (0, ""))
    return f"[green]fills {why}[/]" if found.last < bound else "[red]grows[/]"


def _document(lives: Lives) -> list[dict[str, Any]]:
    return [
        {"role": role, "pid": pid, "samples": [[round(at, 1), held] for at, held in samples]}
        for role, of_role in lives.items()
        for (pid, _), samples in of_role.items()
    ]


if __name__ == "__main__":
    ending.run(main)
