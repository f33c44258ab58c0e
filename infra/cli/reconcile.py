"""`inventory reconcile`: does everything agree?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from infra.api_client import Account, ApiClient, GaveUpError, RefusedError
from infra.cli.context import CommandFailed, drawing, errors, output, running_stack_of
from infra.cli.options import AsJson  # noqa: TC001  # typer reads the annotations
from infra.cli.progress import PhaseBars
from infra.cli.table import Table
from infra.reconcile import reconciliation
from infra.reconcile.checks import CHECKS

if TYPE_CHECKING:
    from infra.reconcile.reconciliation import Reconciliation


def reconcile(
    context: typer.Context,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Let the system settle for as long as this before a mismatch counts.")
    ] = 0,
    grace: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="What began less than this ago may still be on its way.")
    ] = reconciliation.GRACE_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Check that stock, movements, orders, procurements and events agree, by the database and by the API.

    Nothing may be lost, doubled or invented: every product's stock is the sum of its movements and equals opening + procured
    - sold + changed by hand, every order is decided, every event delivered. Exit code 1 on any mismatch.
    """
    stack = running_stack_of(context)
    account = Account(stack.run_dir, stack.gateway_url)
    with ApiClient(stack.gateway_url, account, give_up_after=max(10.0, wait)) as client, PhaseBars(drawing) as bars:
        try:
            made = reconciliation.until_clean(lambda: reconciliation.reconcile(client, stack.addresses(), grace=grace, progress=bars), wait)
        except (RefusedError, GaveUpError) as error:
            raise CommandFailed(f"The API could not be asked: {error}") from error
    if as_json:
        output.print_json(json.dumps(made.document()))
    else:
        print_reconciliation(made)
    if not made.clean:
        raise typer.Exit(1)


def print_reconciliation(made: Reconciliation) -> None:
    """What was checked, and each mismatch."""
    if made.mismatches:
        promises = {check.name: check.promise for check in CHECKS} | {
            "service_reconciles": "the inventory service finds its own stock reconciled"
        }
        table = Table("check", "subject", title=f"{len(made.mismatches)} mismatches")
        for mismatch in made.mismatches:
            table.add_row(mismatch.check, escape(mismatch.subject), note=escape(mismatch.detail))
        table.print(output)
        for name in dict.fromkeys(mismatch.check for mismatch in made.mismatches):
            errors.print(f"{name}: {promises[name]}", style="dim")
    checked = ", ".join(f"{number:,} {name}" for name, number in made.counted.items())
    verdict = "[green]Reconciled.[/]" if made.clean else "[red]Not reconciled.[/]"
    output.print(f"{verdict} Checked {checked}.")
