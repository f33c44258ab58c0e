"""`inventory status`: processes, services, consumers, lag and breakers in one look."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import typer
from rich.table import Table

from infra.cli.context import CommandFailed, output, stack_of

if TYPE_CHECKING:
    from infra.stack import Stack

GOOD = {"running", "done", "healthy", "ok", "up", "alive", "closed", "warm", "true", "pass"}
BAD = {"failed", "restarting", "unhealthy", "down", "dead", "given_up", "open", "error", "false", "fail", "stopped", "unreachable"}


def status(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON, for scripts.")] = False,
) -> None:
    """Show whether everything runs and is healthy. Exit code 1 when something is not."""
    stack = stack_of(context)
    if not stack.state.supervised():
        if as_json:
            output.print_json(json.dumps({"healthy": False, "running": False}))
            raise typer.Exit(1)
        raise CommandFailed("The system is not running. Start it with: make up")
    state = stack.state.read()
    health = gateway_health(stack)
    healthy = _processes_well(state) and health.get("status") in {"healthy", "ok", "up", "pass"}
    if as_json:
        output.print_json(json.dumps({"healthy": healthy, "running": True, **state, "health": health}))
    else:
        output.print(_processes(state))
        for title, section in health.items():
            _print_section(title, section)
        output.print("[green]Healthy.[/]" if healthy else "[red]Not healthy.[/]")
    if not healthy:
        raise typer.Exit(1)


def gateway_health(stack: Stack) -> dict[str, Any]:
    """What GET /health says; `unreachable` when it says nothing."""
    try:
        answer = httpx.get(f"{stack.gateway_url}/health", timeout=20)
        body = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        return {"status": "unreachable", "reason": f"GET {stack.gateway_url}/health: {error}"}
    if not isinstance(body, dict):
        return {"status": "unreachable", "reason": f"GET {stack.gateway_url}/health answered {answer.status_code}"}
    if "code" in body and "title" in body:  # the gateway's own problem+json: there is no such route
        return {"status": "unreachable", "reason": f"{answer.status_code} {body.get('title')}"}
    return body


def _processes_well(state: dict[str, Any]) -> bool:
    servers = all(server["actual"] == "running" for server in state["servers"].values())
    return servers and all(job["actual"] == "done" for job in state["jobs"].values())


def _processes(state: dict[str, Any]) -> Table:
    table = Table("process", "state", "wanted", "pid", "for", "restarts", "ports", "", title="Processes", title_justify="left", box=None)
    for name, server in state["servers"].items():
        table.add_row(
            name,
            _coloured(server["actual"]),
            server["desired"],
            str(server["pid"] or ""),
            _age(server.get("since")),
            str(server["restarts"]),
            " ".join(str(port) for port in server["ports"].values()),
            _plain(server["detail"]),
        )
    for name, job in state["jobs"].items():
        table.add_row(name, _coloured(job["actual"]), "", "", _age(job.get("since")), "", "", _plain(job["detail"]))
    return table


def _print_section(title: str, section: Any) -> None:
    """One part of the health answer, whatever its shape: a value, an object of objects, or a list of objects."""
    if isinstance(section, list) and section and all(isinstance(entry, dict) for entry in section):
        section = {str(entry.get("name") or entry.get("consumer") or number): entry for number, entry in enumerate(section, 1)}
    if not isinstance(section, dict):
        output.print(f"{title}: {_value(section)}")
        return
    if not section or not all(isinstance(entry, dict) for entry in section.values()):
        output.print(f"{title}: " + ", ".join(f"{key} {_value(value)}" for key, value in section.items()))
        return
    columns = list(dict.fromkeys(key for entry in section.values() for key in entry if key not in {"name", "consumer"}))
    table = Table("", *(column.replace("_", " ") for column in columns), title=title.capitalize(), title_justify="left", box=None)
    for name, entry in section.items():
        table.add_row(name, *(_value(entry.get(column, "")) for column in columns))
    output.print(table)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        # A component with a state of its own is told by that, and by the rest only in --json.
        named = next((value[key] for key in ("status", "state") if key in value), None)
        return _value(named) if named is not None else ", ".join(f"{key} {_value(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_value(inner) for inner in value)
    return _coloured(str(value))


def _coloured(text: str) -> str:
    colour = "green" if text.lower() in GOOD else "red" if text.lower() in BAD else ""
    return f"[{colour}]{text}[/]" if colour else _plain(text)


def _plain(text: Any) -> str:
    return str(text or "").replace("[", "\\[") if text != 0 else "0"


def _age(since: str | None) -> str:
    if since is None:
        return ""
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
