"""Which instance a command speaks of, and how it speaks to its user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from infra.stack import Ports, Stack

if TYPE_CHECKING:
    from pathlib import Path

    import typer


class _Output(Console):
    def on_broken_pipe(self) -> None:
        """The reader (head, less) has seen enough; `main` ends the command."""
        raise BrokenPipeError


# The terminal wraps what is too long for it, and a pipe gets whole lines.
output = _Output(highlight=False, soft_wrap=True)
errors = _Output(stderr=True, highlight=False, soft_wrap=True)
# For what is drawn anew in its place, and so must keep to the lines it has.
drawing = Console(stderr=True, highlight=False)


class CommandFailed(Exception):
    """Ends a command with its text as the message and exit code 1."""


def chosen_stack(run_dir: Path | None, port_offset: int | None) -> Stack:
    """The instance named by the options; one that runs in the directory listens where it does, and only there."""
    directory = run_dir or Stack.default_run_dir()
    if directory.exists() and not directory.is_dir():
        raise CommandFailed(f"{directory} is no directory. Name the one that is, or is to be, the instance's: --run-dir, or RUN_DIR")
    try:
        wanted = Stack(directory, Ports.shifted(port_offset or 0))
    except ValueError as error:
        raise CommandFailed(str(error)) from error
    existing = Stack.of(directory)
    if existing is None or not (existing.state.supervised() or existing.placement.kept_by == "containers"):
        return wanted
    if port_offset is not None and existing.ports != wanted.ports:
        raise CommandFailed(
            f"The system in {directory} runs with its gateway on port {existing.ports.gateway}, not {wanted.ports.gateway}.\n"
            f"Leave PORT_OFFSET={port_offset} out, or name the directory of the one you mean: RUN_DIR=.run-{port_offset}"
        )
    return existing


def stack_of(context: typer.Context) -> Stack:
    """The instance of the running command."""
    stack: Stack = context.find_root().obj
    return stack


def running_stack_of(context: typer.Context) -> Stack:
    """Like stack_of, for commands which need a running system. Whether containers run is seen when they are asked."""
    stack = stack_of(context)
    if stack.placement.kept_by == "supervisor" and not stack.state.supervised():
        raise CommandFailed("The system is not running. Start it with: make up")
    return stack


def own_stack_of(context: typer.Context) -> Stack:
    """Like stack_of, for commands about processes, files and ports of this machine."""
    stack = stack_of(context)
    if stack.placement.kept_by == "containers":
        raise CommandFailed("Its servers run in containers of their own. Say it to them: docker compose up | down | start | stop | logs")
    return stack


def supervised_stack_of(context: typer.Context) -> Stack:
    """Like running_stack_of, for commands which stop and start servers, or stand beside them."""
    own_stack_of(context)
    return running_stack_of(context)
