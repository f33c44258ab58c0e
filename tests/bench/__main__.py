"""`python -m tests.bench`: all measurements in one run, side by side."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from infra.ending import end_as_by_ctrl_c
from tests.bench import events, gateways, growth, report, services, starts
from tests.bench.contenders import BareLoop, Edge, LocalStackGateway

PARTS = ("gateways", "services", "starts", "events", "growth")
WIDTH = 150

say = Console(stderr=True)
output = Console(width=WIDTH)


def bench(
    rounds: Annotated[int, typer.Option(help="How often all is measured in turn.", min=1)] = 3,
    seconds: Annotated[float, typer.Option(help="How long each load lasts.", min=1)] = 5,
    part: Annotated[list[str] | None, typer.Option(help=f"Only this part: {', '.join(PARTS)}. Can be given more than once.")] = None,
    quick: Annotated[bool, typer.Option(help="One short round against the bare loop and LocalStack's gateway, with wide bounds.")] = False,
    backlog: Annotated[int, typer.Option(help="How many stock events have come together.", min=1000)] = events.BACKLOG,
    million: Annotated[bool, typer.Option(help="Let the company grow to a million orders, which takes minutes to make.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Write the chart of the gateways to this file, as SVG.")] = None,
) -> None:
    """Measure side by side, print tables of medians and the goals as ratios. Exit code 1 when a goal is missed."""
    parts = part or (["gateways"] if quick else list(PARTS))
    if unknown := set(parts) - set(PARTS):
        raise typer.BadParameter(f"there is no part {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    told: dict[str, Any] = {}
    goals: list[report.Goal] = []
    if "gateways" in parts:
        kinds = (Edge, LocalStackGateway, BareLoop) if quick else gateways.ALL
        measured = gateways.measure(kinds, rounds=1 if quick else rounds, seconds=2 if quick else seconds, say=_progress)
        rows = told["gateways"] = [each.figures() for each in measured]
        output.print(report.gateways_table(rows))
        goals += report.gateway_goals({row["name"]: row for row in rows}, leeway=2.0 if quick else 1.0)
        if picture:
            picture.write_text(report.picture(rows))
    if "services" in parts:
        with tempfile.TemporaryDirectory(prefix="inventory-bench-", ignore_cleanup_errors=True) as directory:
            figures = services.measure(Path(directory), rounds=rounds, seconds=seconds, say=_progress)
        told["services"] = [asdict(figure) for figure in figures]
        output.print(report.services_table(figures))
    if "starts" in parts:
        with tempfile.TemporaryDirectory(prefix="inventory-bench-", ignore_cleanup_errors=True) as directory:
            started = starts.measure(Path(directory), rounds=rounds, say=_progress)
        told["starts"] = asdict(started)
        output.print(report.starts_table(started))
        goals += report.start_goals(started)
    if "events" in parts:
        with tempfile.TemporaryDirectory(prefix="inventory-bench-", ignore_cleanup_errors=True) as directory:
            taken = events.measure(Path(directory), rounds=rounds, seconds=2 * seconds, backlog=backlog, say=_progress)
        told["events"] = asdict(taken)
        output.print(report.paces_table(taken.paces))
        output.print(report.streams_table(taken.streams))
        output.print(report.backlog_table(taken.backlogs))
        goals += report.event_goals(taken)
    if "growth" in parts:
        with tempfile.TemporaryDirectory(prefix="inventory-bench-", ignore_cleanup_errors=True) as directory:
            sizes = (*growth.ORDERS, growth.MANY_ORDERS) if million else growth.ORDERS
            grown = growth.measure(Path(directory), sizes=sizes, say=_progress)
        told["growth"] = [asdict(each) for each in grown]
        output.print(report.growth_table(grown))
        goals += report.growth_goals(grown)
    output.print(report.goals_table(goals))
    told["goals"] = [goal.document() for goal in goals]
    if json_file:
        json_file.write_text(json.dumps(told, indent=1) + "\n")
    if not all(goal.met for goal in goals):
        raise typer.Exit(1)


def _progress(what: str) -> None:
    say.print(what, style="dim")


if __name__ == "__main__":
    end_as_by_ctrl_c()
    typer.run(bench)
