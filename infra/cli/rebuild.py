"""`inventory rebuild`: stock made anew from the ledger."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.context import output, running_stack_of
from infra.cli.options import flag
from infra.cli.table import Table
from infra.reconcile.checks import MOST_SHOWN
from infra.reconcile.rebuild import drifts, repair
from infra.reconcile.sums import make_anew, wrong_sums
from infra.stack.logs import open_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.reconcile.rebuild import Drift


def rebuild(
    context: typer.Context,
    check: Annotated[bool, flag("--check", help="Only show what has drifted; exit code 1 when something has.")] = False,
    by_sum: Annotated[
        bool, flag("--by-sum", help="Where a ledger contradicts itself, take the sum of its movements all the same.")
    ] = False,
    as_json: Annotated[bool, flag("--json", help="Print it as JSON, for scripts; quantities as texts, since they are exact.")] = False,
) -> None:
    """Set each product's stock to the sum of its movements, where it is anything else, and sums to what they are of.

    It never should be: see `inventory reconcile`. The ledger of movements is read and never touched, and everybody may go on
    working. What was set is written to the log (inventory logs rebuild). Exit code 1 when a product is left as it is, because its
    ledger contradicts itself: a movement was lost, or stock had drifted before its last one. Which of the two, what was bought and
    sold must tell: inventory reconcile.
    """
    stack = running_stack_of(context)
    found = drifts(stack.addresses())
    repaired: list[Drift] = []
    if check or not found:
        left = found
    else:
        with open_log(stack.logs_dir / "rebuild.log") as log:

            def tell(drift: Drift) -> None:
                moment = datetime.now(UTC).isoformat(timespec="seconds")
                log.write(f"{moment} {json.dumps({'repaired': drift.document()})}\n".encode())
                repaired.append(drift)

            left = repair(stack.addresses(), found, tell, by_sum=by_sum)
    wrong = wrong_sums(stack.addresses())
    if not check:
        make_anew(stack.addresses(), wrong)
    tables = [sums.table for sums in wrong]
    if as_json:
        stocks = {"repaired": [each.document() for each in repaired], "left": [each.document() for each in left]}
        output.print_json(json.dumps({**stocks, "sums": tables}))
    else:
        _print("repaired", repaired)
        _print("drifted" if check else "left as they are", left)
        if not found:
            output.print("[green]Every product's stock is the sum of its movements.[/]")
        for table in tables:
            output.print(f"{table} [red]did not add up[/]" if check else f"{table} [green]made anew[/]")
    if left or (check and wrong):
        raise typer.Exit(1)


def _print(what: str, found: Sequence[Drift]) -> None:
    if not found:
        return
    table = Table("product", "stock", "by its ledger", "movements", title=f"{len(found)} {what}")
    for drift in found[:MOST_SHOWN]:
        stock = "none" if drift.quantity is None else f"{drift.quantity:f}"
        doubt = "" if drift.certain else f"the ledger contradicts itself: its last balance is {drift.last_balance:f}"
        table.add_row(str(drift.product_id), stock, f"{drift.ledger:f}", str(drift.movements), note=doubt)
    table.print(output)
    if len(found) > MOST_SHOWN:
        output.print(f"    and {len(found) - MOST_SHOWN:,} more; all of them: --json", style="dim")
