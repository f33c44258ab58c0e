"""`inventory backup`, `inventory restore`: the whole system in one file, and made of one."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003  # typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from infra.backup.archive import BackupError
from infra.backup.database import MIGRATIONS
from infra.backup.making import back_up
from infra.backup.restoring import check
from infra.backup.restoring import restore as restore_system
from infra.cli.context import CommandFailed, drawing, errors, output, running_stack_of, stack_of, supervised_stack_of
from infra.cli.options import flag
from infra.cli.progress import PhaseBars
from infra.cli.table import Table

if TYPE_CHECKING:
    from infra.backup.archive import Manifest

AsJson = Annotated[bool, flag("--json", help="Print what the backup holds as JSON, for scripts.")]


def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(dir_okay=False, metavar="FILE", help="The file to write.")],
    overwrite: Annotated[bool, flag("--overwrite", help="Write over a file that is there, once the new one is whole.")] = False,
    as_json: AsJson = False,
) -> None:
    """Back up the database as of this moment into one file, while the system goes on working.

    The file appears when it is whole. It holds everything but the keys that tokens are signed with, password hashes included: keep it
    where only you can read it.
    """
    stack = running_stack_of(context)
    try:
        with PhaseBars(drawing) as bars:
            made = back_up(stack.addresses(), file, bars, overwrite=overwrite)
    except BackupError as error:
        raise CommandFailed(str(error)) from error
    _print(made, file, as_json=as_json)


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE", help="A file that `inventory backup` made.")],
    check_only: Annotated[bool, flag("--check", help="Only see whether the file is whole and fits; needs no running system.")] = False,
    replace: Annotated[bool, flag("--replace", help="Give up what the system holds now.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the running system one of what a backup holds; without --replace, only one that is still empty.

    The file is verified first, and what is there stays until all is loaded. The API is away for as long as it takes LocalStack to start;
    then everybody signs in anew, and events that were on their way when the backup was made are delivered.
    """
    try:
        with PhaseBars(drawing) as bars:
            if check_only:
                held = check(file, bars, stack_of(context).project_dir)
            else:
                held = restore_system(supervised_stack_of(context), file, bars, replace=replace)
    except BackupError as error:
        raise CommandFailed(str(error)) from error
    _print(held, file, as_json=as_json)
    if not check_only:
        errors.print("Restored. Does everything agree? inventory reconcile --wait 60")


def _print(manifest: Manifest, file: Path, *, as_json: bool) -> None:
    if as_json:
        output.print_json(json.dumps({"file": str(file), "bytes": file.stat().st_size, **manifest.document()}))
        return
    table = Table()
    table.add_row("file", f"{file}, {file.stat().st_size:,} bytes")
    table.add_row("as of", f"{manifest.made_at} UTC")
    table.add_row("schema", manifest.schema_version)
    table.add_row("on their way", f"{manifest.undelivered_events:,} events not delivered yet")
    for name, part in manifest.tables.items():
        if part.rows and name != MIGRATIONS:
            table.add_row(name, f"{part.rows:,}")
    table.print(output)
