"""`inventory up`, `down`, `start`, `stop`, `restart`, `revive`."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live
from rich.table import Table as RichTable

from infra.cli.context import CommandFailed, drawing, output, own_stack_of, supervised_stack_of
from infra.cli.table import Table
from infra.stack import launcher
from infra.stack.process import ServerProcess

if TYPE_CHECKING:
    from infra.stack import Stack

ServerName = Annotated[str, typer.Argument(help="mariadb, redis, localstack, bridge or page.", metavar="SERVER")]

MARKS = {
    "running": "[green]✔[/]",
    "done": "[green]✔[/]",
    "stopped": "[yellow]■[/]",
    "failed": "[red]✘[/]",
    "restarting": "[red]↻[/]",
    "unhealthy": "[red]✘[/]",
}


def up(context: typer.Context) -> None:
    """Start the system, or bring a running one up to date with the code."""
    stack = own_stack_of(context)
    steps = _Steps(stack)
    if drawing.is_terminal:
        with Live(steps, console=drawing, refresh_per_second=8):
            launcher.up(stack, steps.update)
    else:
        launcher.up(stack, steps.print_new)
    output.print(f"\nUp after {time.monotonic() - steps.began:.1f} s.\n")
    _print_addresses(stack)


def down(context: typer.Context) -> None:
    """Stop the system gracefully; its data stays."""
    stack = own_stack_of(context)
    began = time.monotonic()
    if launcher.down(stack):
        output.print(f"Stopped after {time.monotonic() - began:.1f} s. The data stays in {stack.run_dir}.")
    else:
        output.print("Nothing was running.")


def start(context: typer.Context, server: ServerName) -> None:
    """Start one server that was stopped."""
    _set(context, server, "start")


def stop(context: typer.Context, server: ServerName) -> None:
    """Stop one server and keep it stopped, to see how the others do without it."""
    _set(context, server, "stop")


def restart(context: typer.Context, server: ServerName) -> None:
    """Stop one server and start it again."""
    _set(context, server, "restart")


def revive(context: typer.Context) -> None:
    """Start the consumers again that the bridge gave up, once what made them die is mended."""
    bridge = supervised_stack_of(context).state.read().get("servers", {}).get("bridge", {})
    # Its record may be of before the machine was switched off, and its number another's by now.
    process = ServerProcess.adopt(bridge["pid"], bridge["created"]) if bridge.get("actual") == "running" else None
    if process is None:
        raise CommandFailed("The bridge does not run: start it with inventory start bridge.")
    process.send_signal(signal.SIGHUP)
    output.print("The bridge starts again what it gave up; see inventory status.")


def _set(context: typer.Context, server: str, action: str) -> None:
    stack = own_stack_of(context)
    if server not in stack.servers:
        raise CommandFailed(f"There is no server {server}. There are: {', '.join(stack.servers)}")
    began = time.monotonic()
    launcher.set_server(stack, server, action)
    done = {"start": "runs", "stop": "is stopped", "restart": "runs again"}[action]
    output.print(f"{server} {done} (after {time.monotonic() - began:.1f} s).")


class _Steps:
    """The steps of `up` in the order they happen, drawn anew (terminal) or printed once each (pipe)."""

    def __init__(self, stack: Stack) -> None:
        names = list(stack.servers)
        behind_jobs = [name for name in names if set(stack.servers[name].needs) & set(stack.jobs)]
        self._names = [*(name for name in names if name not in behind_jobs), *stack.jobs, *behind_jobs]
        self._entries: dict[str, dict[str, Any]] = {}
        self._finished: dict[str, float] = {}
        self._printed: set[str] = set()
        self.began = time.monotonic()

    def update(self, state: dict[str, Any]) -> None:
        self._entries = {**state.get("servers", {}), **state.get("jobs", {})}
        for name, entry in self._entries.items():
            if entry["actual"] in {"running", "done", "stopped"} and not (entry["actual"] == "running" and name in state["jobs"]):
                self._finished.setdefault(name, time.monotonic() - self.began)
            else:
                self._finished.pop(name, None)

    def print_new(self, state: dict[str, Any]) -> None:
        self.update(state)
        for name in self._names:
            if name in self._finished and name not in self._printed:
                self._printed.add(name)
                output.print(
                    f"{name:<12}{self._entries[name]['actual']:<10}{self._finished[name]:6.1f} s  {self._detail(name)}".rstrip(),
                    markup=False,
                )

    def __rich__(self) -> RichTable:
        table = RichTable.grid(padding=(0, 2))
        for name in self._names:
            entry = self._entries.get(name, {"actual": "waiting"})
            busy = name not in self._finished
            mark = (
                "[cyan]…[/]" if busy and entry["actual"] not in {"failed", "restarting", "unhealthy"} else MARKS.get(entry["actual"], "…")
            )
            seconds = f"{self._finished[name]:.1f} s" if name in self._finished else ""
            table.add_row(mark, name, entry["actual"], seconds, f"[dim]{self._detail(name)}[/]")
        return table

    def _detail(self, name: str) -> str:
        longest = 90
        detail = str(self._entries.get(name, {}).get("detail") or "").replace("[", "\\[")
        return detail if len(detail) <= longest else detail[:longest] + "…"


def _print_addresses(stack: Stack) -> None:
    table = Table()
    if "page" in stack.servers:
        table.add_row("page", stack.page_url)
    table.add_row("gateway", f"{stack.gateway_url}  (health: {stack.gateway_url}/health)")
    table.add_row("LocalStack", stack.localstack_url)
    addresses = stack.addresses()
    table.add_row(
        "MySQL",
        f"{addresses['DATABASE_HOST']}:{addresses['DATABASE_PORT']}  user {addresses['DATABASE_USER']}, "
        f"password {addresses['DATABASE_PASSWORD']}, database {addresses['DATABASE_NAME']}",
    )
    table.add_row("Redis", f"{addresses['REDIS_HOST']}:{addresses['REDIS_PORT']}")
    table.print(output)
    output.print("\nNext: .venv/bin/inventory status | logs | --help; stop with make down.", markup=False)
