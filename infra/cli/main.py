"""The `inventory` command. A new group of commands is a module of its own, added to GROUPS or COMMANDS."""

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

from infra.cli import backup, db, dead_letters, dev, events, invoke, lifecycle, local, logs, rebuild, reconcile, replay, seed, status, users
from infra.cli.context import CommandFailed, chosen_stack, errors
from infra.stack import PortBusy
from infra.stack.launcher import CameNotUp, NotRunning

app = typer.Typer(
    help="Runs, watches and operates the inventory system on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS = (
    lifecycle.up,
    lifecycle.down,
    lifecycle.start,
    lifecycle.stop,
    lifecycle.restart,
    lifecycle.revive,
    status.status,
    logs.logs,
    invoke.invoke,
    local.local,
    dev.dev,
    seed.seed,
    replay.replay,
    reconcile.reconcile,
    rebuild.rebuild,
    backup.backup,
    backup.restore,
)
GROUPS = {"db": db.app, "events": events.app, "dead-letters": dead_letters.app, "users": users.app}

for command in COMMANDS:
    app.command()(command)
for name, group in GROUPS.items():
    app.add_typer(group, name=name)


@app.callback()
def choose_instance(
    context: typer.Context,
    run_dir: Annotated[
        Path | None,
        typer.Option(envvar="RUN_DIR", help="Directory of the instance: its data, logs and state. [default: .run]", show_default=False),
    ] = None,
    port_offset: Annotated[
        int | None,
        typer.Option(
            envvar="PORT_OFFSET", help="Add this to every port. [default: that of the running instance, or 0]", show_default=False
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
    except (ClientError, BotoCoreError, httpx.HTTPError, pymysql.Error, RedisError) as error:
        _fail(f"{error}\nIs everything running? See: inventory status")
    except BrokenPipeError:
        # The reader (head, less) has seen enough. Nothing more may be written, not even by the interpreter at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(message: str) -> None:
    errors.print(message, style="red", markup=False)
    sys.exit(1)


if __name__ == "__main__":
    main()
