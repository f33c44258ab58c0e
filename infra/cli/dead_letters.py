"""`inventory dead-letters`: the events that a consumer failed on again and again."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.markup import escape

from common import deliveries
from common.deliveries import DeadLetter
from infra.cli.context import CommandFailed, output
from infra.cli.database import session_of
from infra.cli.options import AsJson, flag, group
from infra.cli.table import Table

app = group("Dead letters: events a consumer failed on five times. Look at them, have them tried again.")

# Replayed so many at a time, so that no transaction holds its locks for long.
_AT_ONCE = 500


@app.command(name="list")
def list_letters(
    context: typer.Context,
    replayed: Annotated[bool, flag("--replayed", help="Those already replayed as well.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="The latest so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the dead letters that wait to be looked at."""
    with session_of(context) as session:
        found = [_columns(letter) for letter in deliveries.dead_letters(session, limit=limit, replayed_too=replayed)]
    if as_json:
        output.print_json(json.dumps(found, default=str))
        return
    if not found:
        output.print("There are no dead letters.")
        return
    table = Table("id", "consumer", "event", "failed at (UTC)")
    for letter in found:
        mark = " (replayed)" if letter["replayed_at"] else ""
        reason = escape(f"{letter['channel']}: {_first_line(letter['reason'])}{mark}")
        table.add_row(str(letter["id"]), letter["consumer"], letter["event_id"], str(letter["failed_at"])[:19], note=reason)
    table.print(output)


@app.command()
def show(context: typer.Context, letter_id: Annotated[int, typer.Argument(metavar="ID")], as_json: AsJson = False) -> None:
    """Show one dead letter whole: the event and why it failed. Exit code 1 when there is no such one."""
    with session_of(context) as session:
        found = session.get(DeadLetter, letter_id)
    if found is None:
        raise CommandFailed(f"There is no dead letter {letter_id}.")
    letter = _columns(found)
    if as_json:
        output.print_json(json.dumps(letter, default=str))
        return
    for name, value in letter.items():
        output.print(f"[bold]{name}[/]: {escape(_readable(value))}")


@app.command()
def replay(
    context: typer.Context,
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="Which ones, as `list` shows them.")] = None,
    everything: Annotated[bool, flag("--all", help="All that have not been replayed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Have events told to their consumers again, with five more attempts each. What was processed before is not doubled.

    Exit code 1 when one of the ids is not there or was replayed before.
    """
    if bool(ids) == everything:
        raise CommandFailed("Say which dead letters to replay: their ids, or --all.")
    with session_of(context) as session:
        wanted = deliveries.waiting_letters(session) if everything else list(ids or ())
    replayed: list[int] = []
    for begin in range(0, len(wanted), _AT_ONCE):
        with session_of(context) as session:
            replayed += [letter.id for letter in deliveries.replay(session, wanted[begin : begin + _AT_ONCE])]
    missing = sorted(set(wanted) - set(replayed))
    if as_json:
        output.print_json(json.dumps({"replayed": replayed, "not_waiting": missing}))
    else:
        output.print(f"{len(replayed)} given to their consumers again, within seconds. What fails again: inventory dead-letters list")
    if missing:
        raise CommandFailed(f"Not there, or replayed before: {', '.join(map(str, missing))}")


def _columns(letter: DeadLetter) -> dict[str, Any]:
    return {column.key: getattr(letter, column.key) for column in DeadLetter.__table__.columns}


def _first_line(reason: str) -> str:
    return next(iter(reason.splitlines()), "")


def _readable(value: Any) -> str:
    return "-" if value is None else str(value)
