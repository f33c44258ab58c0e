"""`inventory status`: processes, services, consumers, lag and breakers in one look."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import typer
from rich.markup import escape

from infra.cli.context import CommandFailed, output, stack_of
from infra.cli.options import AsJson  # noqa: TC001  # typer reads the annotations
from infra.cli.table import Table

if TYPE_CHECKING:
    from rich.console import Console

    from infra.stack import Stack

GOOD = {"running", "done", "ok", "closed", "warm"}
PASSING = {"waiting", "starting", "stopping", "half-open", "cold", "degraded"}
_SILENCE_WORTH_SAYING = 3


def status(
    context: typer.Context,
    as_json: AsJson = False,
) -> None:
    """Show whether everything runs and is healthy. Exit code 1 when something is not."""
    stack = stack_of(context)
    supervised = stack.placement.kept_by == "supervisor"
    if supervised and not stack.state.supervised():
        if as_json:
            output.print_json(json.dumps({"healthy": False, "running": False}))
            raise typer.Exit(1)
        raise CommandFailed("The system is not running. Start it with: make up")
    # Of containers their engine tells: docker compose ps.
    state = stack.state.read() if supervised else {"servers": {}, "jobs": {}}
    health = gateway_health(stack)
    healthy = _processes_well(state) and health.get("status") == "ok"
    if as_json:
        output.print_json(json.dumps({"healthy": healthy, "running": True, **state, "health": health}))
    else:
        print_status(state, health, output)
        output.print("[green]Healthy.[/]" if healthy else f"[red]Not healthy.[/] {escape(str(health.get('reason', '')))}")
    if not healthy:
        raise typer.Exit(1)


def print_status(state: dict[str, Any], health: dict[str, Any], console: Console) -> None:
    """The supervisor's state and what GET /health says, as tables."""
    tables = [_processes(state)] if state["servers"] else []
    if "services" in health:
        tables.append(_services(health["services"]))
    if "consumers" in health:
        tables.append(_consumers(health["consumers"]))
    for table in tables:
        table.print(console)
        console.print()


def gateway_health(stack: Stack) -> dict[str, Any]:
    """What GET /health says; `reason` why it says nothing."""
    url = f"{stack.gateway_url}/health"
    try:
        answer = httpx.get(url, timeout=20)
        body = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        return {"status": "unreachable", "reason": f"GET {url}: {error}"}
    if not isinstance(body, dict) or "services" not in body:
        return {"status": "unreachable", "reason": f"GET {url} answered {answer.status_code}: {answer.text[:200]}"}
    return body


def _processes_well(state: dict[str, Any]) -> bool:
    servers = all(server["actual"] == "running" for server in state["servers"].values())
    return servers and all(job["actual"] == "done" for job in state["jobs"].values())


def _processes(state: dict[str, Any]) -> Table:
    table = Table("", "state", "pid", "for", "restarts", "ports", title="Processes")
    for name, server in state["servers"].items():
        wanted = "" if server["desired"] == "running" else " (as asked)"
        ports = " ".join(str(port) for port in server["ports"].values())
        cells = (_state(server["actual"]) + wanted, _text(server["pid"]), _age(server.get("since")), str(server["restarts"]), ports)
        table.add_row(name, *cells, note=_text(server["detail"]))
    for name, job in state["jobs"].items():
        table.add_row(name, _state(job["actual"]), "", _age(job.get("since")), "", "", note=_text(job["detail"]))
    return table


def _services(services: dict[str, dict[str, Any]]) -> Table:
    table = Table("", "state", "database", "redis", "cache", "breakers", title="Services")
    for name, service in services.items():
        measured = {dependency: service.get(dependency) or {} for dependency in ("database", "redis")}
        table.add_row(
            name,
            _state(service.get("status", "?")),
            *(_dependency(probe) for probe in measured.values()),
            _cache(service.get("cache")),
            _breakers(service.get("breakers") or {}),
            note=_text("; ".join(each["error"] for each in (service, *measured.values()) if each.get("error"))),
        )
    return table


def _consumers(consumers: dict[str, dict[str, Any]]) -> Table:
    table = Table("", "state", "pid", "restarts", "lag", "delivered", "failed", "dead", title="Consumers")
    for name, consumer in consumers.items():
        table.add_row(
            name,
            _state(consumer.get("state", "?")),
            _text(consumer.get("pid")),
            _text(consumer.get("restarts")),
            _lag(consumer.get("lag")),
            _text(consumer.get("delivered")),
            _text(consumer.get("failed")),
            _text(consumer.get("dead_letters")),
            note=_text(_reason(consumer)),
        )
    return table


def _reason(consumer: dict[str, Any]) -> str | None:
    told = consumer.get("reason") or consumer.get("outage") or consumer.get("last_error") or consumer.get("error")
    silent = consumer.get("reported_seconds_ago")
    if silent is not None and silent > _SILENCE_WORTH_SAYING:
        return f"not heard of for {silent:.0f} s" + (f"; before that: {told}" if told else "")
    return told


def _lag(lag: dict[str, Any] | None) -> str:
    if not lag:
        return ""
    return f"{lag['events']} ({lag['seconds']:.1f} s)" if lag["events"] else "0"


def _dependency(measured: dict[str, Any]) -> str:
    if not measured:
        return ""
    return f"[green]{measured.get('milliseconds', 0):.1f} ms[/]" if measured.get("ok") else "[red]down[/]"


def _breakers(breakers: dict[str, str]) -> str:
    """Those that are not closed by name; that all the others are is the usual."""
    told = [f"{of} {_state(state)}" for of, state in breakers.items() if state != "closed"]
    return ", ".join(told) if told or not breakers else _state("closed")


def _cache(cache: dict[str, Any] | None) -> str:
    if not cache:
        return ""
    return _state("warm" if cache.get("warm") else "cold")


def _state(state: Any) -> str:
    colour = "green" if state in GOOD else "yellow" if state in PASSING else "red"
    return f"[{colour}]{escape(str(state))}[/]"


def _text(value: Any) -> str:
    return "" if value is None else escape(str(value))


def _age(since: str | None) -> str:
    if since is None:
        return ""
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
