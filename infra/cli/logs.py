"""`inventory logs`: the log files of the processes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.context import CommandFailed, output, own_stack_of
from infra.cli.options import flag
from infra.stack.logs import tail

if TYPE_CHECKING:
    from pathlib import Path

Name = Annotated[
    str | None, typer.Argument(help="One process, e.g. localstack, bridge, deploy, supervisor; without it, all.", metavar="[NAME]")
]


def logs(
    context: typer.Context,
    name: Name = None,
    follow: Annotated[bool, flag("--follow", "-f", help="Go on printing what is added, until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines of each log.")] = 40,
) -> None:
    """Show what the processes wrote."""
    directory = own_stack_of(context).logs_dir
    files = {path.stem: path for path in sorted(directory.glob("*.log"))}
    if name is not None:
        if name not in files:
            raise CommandFailed(f"There is no log of {name} in {directory}. There are: {', '.join(files) or 'none'}")
        files = {name: files[name]}
    width = max((len(each) for each in files), default=0)
    ends = {each: path.stat().st_size for each, path in files.items()}
    for each, path in files.items():
        for line in tail(path, lines):
            _print(each if name is None else "", width, line)
    while follow:
        for each, path in files.items():
            ends[each] = _print_added(path, ends[each], each if name is None else "", width)
        time.sleep(0.2)


def _print_added(path: Path, end: int, name: str, width: int) -> int:
    """Print the whole lines after `end`; the offset of what is left."""
    if path.stat().st_size < end:  # turned over at a start
        end = 0
    with path.open("rb") as log:
        log.seek(end)
        added = log.read()
    complete = added.rfind(b"\n") + 1
    for line in added[:complete].decode(errors="replace").splitlines():
        _print(name, width, line)
    return end + complete


def _print(name: str, width: int, line: str) -> None:
    output.print(f"{name:<{width}}  {line}" if name else line, markup=False)
