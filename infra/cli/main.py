"""The `inventory` command. A new command or group of commands is a module of its own, added to COMMANDS or GROUPS under its heading."""

from __future__ import annotations

import os
import sys
from pathlib import Path  # noqa: TC003 - typer reads annotations when it runs
from typing import Annotated

import httpx
import pymysql
import typer
from botocore.exceptions import BotoCoreError, ClientError
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from infra.cli import (
    auth,
    backup,
    db,
    dead_letters,
    debug,
    dev,
    events,
    invoke,
    lifecycle,
    local,
    logs,
    rebuild,
    reconcile,
    replay,
    seed,
    status,
    top,
    users,
)
from infra.cli.context import CommandFailed, chosen_stack, errors
from infra.stack import PortBusy
from infra.stack.launcher import CameNotUp, NotRunning

app = typer.Typer(
    help="Runs, watches and operates the inventory system on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS = {
    "Run": (lifecycle.up, lifecycle.down, lifecycle.start, lifecycle.stop, lifecycle.restart, lifecycle.revive),
    "Watch": (status.status, top.top, logs.logs, reconcile.reconcile),
    "Data": (seed.seed, replay.replay, backup.backup, backup.restore, rebuild.rebuild),
    "Develop": (invoke.invoke, local.local, dev.dev, debug.debug),
}
GROUPS = {
    "Watch": {"events": events.app, "dead-letters": dead_letters.app},
    "Data": {"users": users.app, "auth": auth.app, "db": db.app},
}

for panel, commands in COMMANDS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
for panel, groups in GROUPS.items():
    for name, group in groups.items():
        app.add_typer(group, name=name, rich_help_panel=panel)


@app.callback()
def choose_instance(
    context: typer.Context,
    run_dir: Annotated[
        Path | None,
        typer.Option(envvar="RUN_DIR", help="Directory of the instance: its data, logs and state; .run unless said.", show_default=False),
    ] = None,
    port_offset: Annotated[
        int | None,
        typer.Option(
            envvar="PORT_OFFSET", help="Add this to every port; without it, that of the running instance, or 0.", show_default=False
        ),
    ] = None,
) -> None:
    context.obj = chosen_stack(run_dir, port_offset)


def main() -> None:
    """Entry point. What a user can cause ends as one message, not as a traceback."""
    try:
        app()
    except (CommandFailed, PortBusy, NotRunning, CameNotUp) as error:
        _fail(str(error))
    except (ClientError, BotoCoreError, httpx.HTTPError, RedisError) as error:
        _fail(f"{error}\nIs everything running? See: inventory status")
    except (pymysql.Error, DBAPIError) as error:
        told = error.orig if isinstance(error, DBAPIError) else error
        # The number is for programs; the text behind it says what is wrong.
        _fail(f"The database: {told.args[-1] if told and told.args else error}\nIs everything running? See: inventory status")
    except BrokenPipeError:
        # The reader has seen enough. Nothing more may be written, not even by the interpreter at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(message: str) -> None:
    errors.print(message, style="red", markup=False)
    sys.exit(1)


if __name__ == "__main__":
    main()
