"""The `inventory` command. A new command or group of commands is a module of its own, added to COMMANDS under its heading."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path  # noqa: TC003 - typer reads annotations when it runs
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from infra.cli.context import CommandFailed, chosen_stack, errors
from infra.stack import PortBusy
from infra.stack.launcher import CameNotUp, NotRunning, StillRunning

if TYPE_CHECKING:
    from typer._click import Command

# Each by its module and its function there; a group is its module's `app`.
COMMANDS = {
    "Run": ("lifecycle.up", "lifecycle.down", "lifecycle.start", "lifecycle.stop", "lifecycle.restart", "lifecycle.revive"),
    "Watch": ("status.status", "top.top", "logs.logs", "reconcile.reconcile", "events.app", "dead_letters.app"),
    "Data": ("seed.seed", "replay.replay", "backup.backup", "backup.restore", "rebuild.rebuild", "users.app", "auth.app", "db.app"),
    "Develop": ("invoke.invoke", "local.local", "dev.dev", "debug.debug"),
}


class _Commands(Mapping[str, "Command"]):
    """The commands by name, each imported when it is asked for: most wait for libraries that the others can do without."""

    def __init__(self) -> None:
        self._places = {self._name(place): (panel, place) for panel, places in COMMANDS.items() for place in places}

    def __getitem__(self, name: str) -> Command:
        return _command(name, *self._places[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    @staticmethod
    def _name(place: str) -> str:
        module, function = place.split(".")
        return (module if function == "app" else function).replace("_", "-")


@cache
def _command(name: str, panel: str, place: str) -> Command:
    module, attribute = place.split(".")
    found = getattr(import_module(f"infra.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        its = found
    else:
        its = typer.Typer(rich_markup_mode="markdown", add_completion=False)
        its.command()(found)
    command = get_command(its)
    command.name = name
    command.rich_help_panel = panel  # type: ignore[attr-defined] # of both classes there are
    return command


class _Inventory(TyperGroup):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Commands()  # type: ignore[assignment] # nothing is added


app = typer.Typer(
    cls=_Inventory,
    help="Runs, watches and operates the inventory system on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    except (CommandFailed, PortBusy, NotRunning, CameNotUp, StillRunning) as error:
        _fail(str(error))
    except BrokenPipeError:
        # The reader has seen enough. Nothing more may be written, not even by the interpreter at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if (message := _of_servers(error)) is None:
            raise
        _fail(f"{message}\nIs everything running? See: inventory status")


def _of_servers(error: Exception) -> str | None:
    """What to tell of an error that AWS, HTTP, Redis or the database caused."""
    import httpx  # noqa: PLC0415 (what raised it has imported it; the other commands need not wait for it)
    import pymysql  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    from redis.exceptions import RedisError  # noqa: PLC0415
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415

    told = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(told, pymysql.Error):
        # The number is for programs; the text behind it says what is wrong.
        return f"The database: {told.args[-1] if told.args else error}"
    return str(error) if isinstance(error, (ClientError, BotoCoreError, httpx.HTTPError, RedisError, DBAPIError)) else None


def _fail(message: str) -> None:
    errors.print(message, style="red", markup=False)
    sys.exit(1)


if __name__ == "__main__":
    main()
