"""`inventory logs`: what processes and functions wrote."""

from __future__ import annotations

import json
import time
from collections import deque
from typing import TYPE_CHECKING, Annotated, Protocol

import typer
from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.context import CommandFailed, output, own_stack_of
from infra.cli.options import flag
from infra.deploy.deployment import client_of

if TYPE_CHECKING:
    from pathlib import Path

    from infra.stack import Stack

GROUP_PREFIX = "/aws/lambda/inventory-"
FUNCTIONS_BACK_SECONDS = 900
"""How far back functions' logs are read; processes' files are read whole."""
LAST_BYTES = 1024 * 1024
"""The last lines of a file are looked for in so much of it."""
LATE_MILLISECONDS = 5_000
LOOK_SECONDS = 0.3

Name = Annotated[
    str | None,
    typer.Argument(
        help="A process (localstack, bridge, deploy, ...) or a function (product, order-consumer, ...); all processes unless said.",
        metavar="[NAME]",
    ),
]


class Log(Protocol):
    """One of the logs; lines are told once, the oldest first."""

    def last(self, lines: int | None) -> list[str]:
        """So many of the last whole lines there are (None: all); what is added later comes behind them."""

    def added(self) -> list[str]:
        """The whole lines that were added since."""


def logs(  # each is an option
    context: typer.Context,
    name: Name = None,
    trace: Annotated[
        str | None,
        typer.Option("--trace", help="Only lines of one request, wherever it went, by its trace id."),
    ] = None,
    follow: Annotated[bool, flag("--follow", "-f", help="Go on printing what is added, until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines of each log.")] = 40,
) -> None:
    """Show what processes and functions wrote. Functions' logs are shown by name, for a trace, and when following."""
    stack = own_stack_of(context)
    chosen = _chosen(stack, name, with_functions=follow or trace is not None)
    width = 0 if name else max((len(each) for each in chosen), default=0)

    def tell(each: str, found: list[str]) -> None:
        for line in found:
            if trace is None or trace in line:
                output.print(f"{each:<{width}}  {line}" if width else line, markup=False)

    if trace:
        for _, each, line in sorted(
            (_moment(line), each, line) for each, log in chosen.items() for line in log.last(None) if trace in line
        ):
            tell(each, [line])
    else:
        for each, log in chosen.items():
            tell(each, log.last(lines))
    while follow:
        for each, log in chosen.items():
            tell(each, log.added())
        time.sleep(LOOK_SECONDS)


def _moment(line: str) -> str:
    """When a line was written, as our own processes say it; what is no JSON comes first."""
    try:
        return str(json.loads(line)["timestamp"])
    except (ValueError, KeyError, TypeError):
        return ""


def _chosen(stack: Stack, name: str | None, *, with_functions: bool) -> dict[str, Log]:
    processes: dict[str, Log] = {path.stem: FileLog(path) for path in sorted(stack.logs_dir.glob("*.log"))}
    if name in processes:
        return {name: processes[name]}
    if name is None and not with_functions:
        return processes
    functions = _functions(stack)
    if name is None:
        return processes | functions
    if name not in functions:
        there_are = ", ".join([*processes, *functions]) or "none"
        raise CommandFailed(f"There is no log of {name} in {stack.logs_dir}, nor of such a function. There are: {there_are}")
    return {name: functions[name]}


def _functions(stack: Stack) -> dict[str, Log]:
    """None while LocalStack is away, as functions log there."""
    client = client_of(stack, "logs")
    try:
        pages = client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=GROUP_PREFIX)
        groups = [group["logGroupName"] for page in pages for group in page["logGroups"]]
    except (BotoCoreError, ClientError):
        return {}
    return {group.removeprefix(GROUP_PREFIX): GroupLog(client, group) for group in groups}


class FileLog:
    """What a process writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end = 0

    def last(self, lines: int | None) -> list[str]:
        begin = self._end = 0 if lines is None else max(0, self._path.stat().st_size - LAST_BYTES)
        found = self.added()
        return list(deque(found[1:] if begin else found, lines))  # the first is cut there

    def added(self) -> list[str]:
        if self._path.stat().st_size < self._end:  # turned over at a start
            self._end = 0
        with self._path.open("rb") as log:
            log.seek(self._end)
            added = log.read()
        complete = added.rfind(b"\n") + 1
        self._end += complete
        return added[:complete].decode(errors="replace").splitlines()


class GroupLog:
    """A function's log in CloudWatch Logs."""

    def __init__(self, client: object, group: str) -> None:
        self._pages = client.get_paginator("filter_log_events").paginate  # type: ignore[attr-defined]
        self._group = group
        self._newest = int((time.time() - FUNCTIONS_BACK_SECONDS) * 1000)
        # Environments hand in what they logged at moments of their own: what was told of the last seconds, by id.
        self._told: dict[str, int] = {}

    def last(self, lines: int | None) -> list[str]:
        return list(deque(self.added(), lines))

    def added(self) -> list[str]:
        since = self._newest - LATE_MILLISECONDS
        found = []
        try:
            for page in self._pages(logGroupName=self._group, startTime=since, interleaved=True):
                found += [event for event in page["events"] if event["eventId"] not in self._told]
        except (BotoCoreError, ClientError):
            return []  # LocalStack is away: nothing new is written either
        self._told |= {event["eventId"]: event["timestamp"] for event in found}
        self._newest = max([self._newest, *(event["timestamp"] for event in found)])
        self._told = {key: at for key, at in self._told.items() if at >= self._newest - LATE_MILLISECONDS}
        return [event["message"].rstrip("\n") for event in found]
