"""`inventory status`: processes, services, consumers, lag and breakers in one look."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import typer
from rich.markup import escape
from rich.table import Table

from infra.cli.context import CommandFailed, output, stack_of

if TYPE_CHECKING:
    from infra.stack import Stack

GOOD = {"running", "done", "ok", "closed", "warm"}
PASSING = {"waiting", "starting", "stopping", "half-open", "cold", "degraded"}


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
    healthy = _processes_well(state) and health.get("status") == "ok"
    if as_json:
        output.print_json(json.dumps({"healthy": healthy, "running": True, **state, "health": health}))
    else:
        output.print(_processes(state))
        if "services" in health:
            output.print(_services(health["services"]))
        if "consumers" in health:
            output.print(_consumers(health["consumers"]))
        output.print("[green]Healthy.[/]" if healthy else f"[red]Not healthy.[/] {escape(str(health.get('reason', '')))}")
    if not healthy:
        raise typer.Exit(1)


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
    table = _table("Processes", "", "state", "pid", "for", "restarts", "ports", "")
    for name, server in state["servers"].items():
        wanted = "" if server["desired"] == "running" else " (as asked)"
        ports = " ".join(str(port) for port in server["ports"].values())
        age = _age(server.get("since"))
        table.add_row(
            name, _state(server["actual"]) + wanted, _text(server["pid"]), age, str(server["restarts"]), ports, _text(server["detail"])
        )
    for name, job in state["jobs"].items():
        table.add_row(name, _state(job["actual"]), "", _age(job.get("since")), "", "", _text(job["detail"]))
    return table


def _services(services: dict[str, dict[str, Any]]) -> Table:
    table = _table("Services", "", "state", "database", "redis", "cache", "breakers")
    for name, service in services.items():
        table.add_row(
            name,
            _state(service.get("status", "?")),
            _dependency(service.get("database")),
            _dependency(service.get("redis")),
            _cache(service.get("cache")),
            ", ".join(f"{of} {_state(state)}" for of, state in (service.get("breakers") or {}).items()),
        )
    return table


def _consumers(consumers: dict[str, dict[str, Any]]) -> Table:
    table = _table("Consumers", "", "state", "pid", "restarts", "lag", "delivered", "failed", "dead letters", "heard of", "")
    for name, consumer in consumers.items():
        lag = consumer.get("lag") or {}
        heard = consumer.get("reported_seconds_ago")
        table.add_row(
            name,
            _state(consumer.get("state", "?")),
            _text(consumer.get("pid")),
            _text(consumer.get("restarts")),
            f"{lag['events']} events, {lag['seconds']:.1f} s" if lag else "",
            _text(consumer.get("delivered")),
            _text(consumer.get("failed")),
            _text(consumer.get("dead_letters")),
            "" if heard is None else f"{heard:.1f} s ago",
            _text(consumer.get("reason") or consumer.get("outage") or consumer.get("last_error")),
        )
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        # Figures and names stay whole; what is long, the last column, may wrap.
        table.add_column(column, no_wrap=column != "" or column is columns[0], overflow="fold")
    return table


def _dependency(measured: dict[str, Any] | None) -> str:
    if not measured:
        return ""
    if measured.get("ok"):
        return f"[green]{measured.get('milliseconds', 0):.1f} ms[/]"
    return f"[red]down[/] {escape(str(measured.get('error', '')))}"


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
