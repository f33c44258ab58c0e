"""`inventory replay`: a file of real invoice lines, sold again."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003  # typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.api_client import Account, ApiClient, GaveUpError, RefusedError
from infra.cli.context import CommandFailed, drawing, errors, output, running_stack_of, stack_of
from infra.cli.options import flag
from infra.cli.progress import PhaseBars
from infra.cli.reconcile import print_reconciliation
from infra.cli.table import Table
from infra.reconcile import reconciliation
from infra.replay import replaying
from infra.replay.lines import KINDS, NotInvoiceLinesError, read_lines
from infra.replay.plan import plan
from infra.replay.report import write_report
from infra.replay.run import NotResumableError, Run

if TYPE_CHECKING:
    from infra.replay.plan import Plan
    from infra.replay.replaying import Replayed
    from infra.stack import Stack

_REFUSALS = {"refused": "the gateway said no", "unanswered": "no answer; --resume would tell whether it was applied"}


def replay(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, metavar="FILE", help="The CSV of invoice lines.")],
    limit: Annotated[int | None, typer.Option(min=1, metavar="LINES", help="Take the first so many lines only.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="How many requests at a time.")] = 8,
    base_url: Annotated[
        str | None, typer.Option(help="Another gateway than that of the running instance. Its database is then not looked into.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN_ID", help="Go on with a run that was broken off; nothing is done twice.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the lines that were not replayed to this file (.csv or .json).")] = None,
    wait: Annotated[
        float,
        typer.Option(
            min=1,
            metavar="SECONDS",
            help="How long to wait while nothing happens: for an answer, stock, a decision; and for the reconciliation to be clean.",
        ),
    ] = 120,
    as_json: Annotated[bool, flag("--json", help="Print the outcome as JSON, for scripts.")] = False,
) -> None:
    """Sell a file of invoice lines again, through the gateway, and check that nothing was lost.

    The file has the columns invoice_no, stock_code, description, quantity, invoiced_at, unit_price, customer_id and country. Its products,
    customers and opening procurements are made first; then every line with a positive quantity is an order, and every negative one a
    return. Lines that cannot be either are reported. A second run sells the same products again. Exit code 1 when a line is not
    accounted for, an order stays pending, or the reconciliation finds a mismatch.
    """
    stack = stack_of(context) if base_url else running_stack_of(context)
    url = base_url or stack.gateway_url
    try:
        wanted = plan(read_lines(file, limit))
    except NotInvoiceLinesError as error:
        raise CommandFailed(str(error)) from error
    try:
        with ApiClient(url, Account(stack.run_dir, url), connections=concurrency, give_up_after=wait) as client, PhaseBars(drawing) as bars:
            run = _run(client, stack, file, limit, url, resume)
            errors.print(
                f"Run {run.run_id}: {wanted.lines} lines. If it breaks off: inventory replay {file} --resume {run.run_id}", markup=False
            )
            made = _replayed(client, stack, run, wanted, bars, file.stem, concurrency, wait, with_database=base_url is None)
    except (RefusedError, GaveUpError, NotResumableError) as error:
        raise CommandFailed(str(error)) from error
    if report is not None:
        write_report(report, made.reported)
    if as_json:
        output.print_json(json.dumps(made.document()))
    else:
        _print(made, wanted)
    if not made.good:
        raise typer.Exit(1)


def _run(client: ApiClient, stack: Stack, file: Path, limit: int | None, url: str, resume: str | None) -> Run:
    client.sign_in()
    directory = stack.run_dir / "replays"
    if resume is None:
        run = Run.new(file, limit, url)
        run.remember(directory, client.username)
        return run
    run = Run.resumed(directory, resume, file, client.username)
    if (run.limit, run.base_url) != (limit, url):
        raise NotResumableError(f"Run {resume} was begun with --limit {run.limit or 'none'} at {run.base_url}: resume it alike.")
    return run


def _replayed(
    client: ApiClient, stack: Stack, run: Run, wanted: Plan, bars: PhaseBars, name: str, at_once: int, wait: float, *, with_database: bool
) -> Replayed:
    lock = stack.run_dir / "replays" / "set-up.lock"
    made = replaying.replay(
        client, run, wanted, supplier_name=f"Supplier of {name}"[:200], lock=lock, progress=bars, at_once=at_once, patience_seconds=wait
    )
    if with_database:
        made.reconciliation = reconciliation.until_clean(lambda: reconciliation.reconcile(client, stack.addresses(), progress=bars), wait)
        replaying.measure_applied(made, stack.addresses())
    return made


def _print(made: Replayed, wanted: Plan) -> None:
    if made.reported:
        _print_reported(made)
    figures = made.document()
    table = Table()
    sign = "=" if made.adds_up else "[red]≠[/]"
    table.add_row(
        "lines", f"{made.lines} {sign} {figures['orders']} orders + {figures['returns']} returns + {figures['reported']} reported"
    )
    table.add_row("for", f"{len(wanted.products)} products, {len(wanted.customers)} customers")
    table.add_row("orders", ", ".join(f"{number} {status}" for status, number in figures["statuses"].items()))
    table.add_row("speed", f"{made.lines_per_second} lines per second ({figures['seconds']} s)")
    table.add_row("POST /api/orders", _percentiles(figures["order_latency_ms"]))
    if figures["applied_ms"] is not None:
        table.add_row("order to stock", f"{_percentiles(figures['applied_ms'])} ({figures['applied']} orders)")
    if made.retries:
        table.add_row("tried again", ", ".join(f"{cause} {number} times" for cause, number in made.retries.items()))
    if made.driven.answered_before:
        table.add_row("answered before", f"{made.driven.answered_before} lines, by their keys")
    table.print(output)
    if made.reconciliation is None:
        output.print("[yellow]Not reconciled with the database: --base-url names a gateway only.[/]")
    else:
        print_reconciliation(made.reconciliation)


def _print_reported(made: Replayed) -> None:
    table = Table("lines", "not replayed")
    for kind, numbers in made.by_kind.items():
        table.add_row(str(len(numbers)), (KINDS | _REFUSALS)[kind], note=", ".join(map(str, numbers)))
    table.print(output)
    for line in made.reported:
        if line.kind in _REFUSALS:
            errors.print(f"line {line.number}: {line.detail}", markup=False)


def _percentiles(figures: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value} ms" for name, value in figures.items())
