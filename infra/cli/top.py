"""`inventory top`: what the system is doing, now and now again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import httpx
import typer
from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from infra.cli.context import output, running_stack_of
from infra.metrics.reading import Between, Look, addresses, look

if TYPE_CHECKING:
    from rich.console import RenderableType

ROUTES = 8
MIB = 2**20


def top(
    context: typer.Context,
    interval: Annotated[float, typer.Option("--interval", "-i", min=0.2, help="Seconds between two looks.")] = 1.0,
    count: Annotated[int | None, typer.Option("--count", "-n", min=1, help="End after so many looks; without it, Ctrl-C ends it.")] = None,
) -> None:
    """Show live what the system is doing: requests, environments, consumers, breakers, servers. Where there is no terminal, one look."""
    stack = running_stack_of(context)
    if count is None and not output.is_terminal:
        count = 1
    urls = addresses(stack)
    with httpx.Client(timeout=5) as client:
        before = look(urls, client)
        if not output.is_terminal:
            for _ in range(count or 1):
                time.sleep(interval)
                after = look(urls, client)
                output.print(picture(Between(before, after)))
                before = after
            return
        shown = 0
        with Live(console=output, screen=count is None, auto_refresh=False) as live:
            while count is None or shown < count:
                time.sleep(interval)
                after = look(urls, client)
                live.update(picture(Between(before, after)), refresh=True)
                before = after
                shown += 1


def picture(between: Between) -> RenderableType:
    """What happened between two looks, for a terminal."""
    parts: list[RenderableType] = [_head(between)]
    if between.after.away:
        parts.append(Text(f"Not to be had: {', '.join(between.after.away)}. See: inventory status", style="red"))
    for table in (_routes(between), _functions(between), _consumers(between)):
        parts += [table, Text()]
    parts.append(_servers(between))
    return Group(*parts)


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True, min_width=12)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _head(between: Between) -> RenderableType:
    median, slowest = (_ms(between.quantile(share, "edge_request_duration_seconds")) for share in (0.5, 0.99))
    errors = sum(between.more("edge_requests_total", status=status) for status in _errors(between))
    cached, asked = (between.more("edge_authorizations_total", by=by) for by in ("cache", "authorizer"))
    parts = [
        f"[bold]{between.per_second('edge_requests_total'):,.0f}[/] requests/s",
        f"{median} p50, {slowest} p99",
        f"[red]{errors / between.seconds:,.1f} errors/s[/]" if errors else "no errors",
        f"{cached / (cached + asked):.0%} authorized by cache" if cached + asked else "nobody authorized",
    ]
    return Panel(Text.from_markup("  ".join(parts)), title=f"the last {between.seconds:.1f} s", title_align="left")


def _errors(between: Between) -> list[str]:
    return [status for status in between.values("edge_requests_total", "status") if status.startswith("5")]


def _routes(between: Between) -> RenderableType:
    table = _table("Routes", "", "asked/s", "p50", "p99", "refused/s", "errors/s")
    statuses = between.values("edge_requests_total", "status")
    pairs = {(held["method"], held["route"]) for held, _ in between.after.of("edge_requests_total")}
    busy = sorted(((between.per_second("edge_requests_total", method=m, route=r), m, r) for m, r in pairs), reverse=True)
    for rate, method, route in busy[:ROUTES]:
        if not rate:
            break
        labels = {"method": method, "route": route}
        refused, failed = (
            sum(between.per_second("edge_requests_total", status=status, **labels) for status in statuses if status[0] == first)
            for first in "45"
        )
        took = (_ms(between.quantile(share, "edge_request_duration_seconds", **labels)) for share in (0.5, 0.99))
        table.add_row(f"{method} {route}", f"{rate:,.1f}", *took, _rate(refused), _alarming(failed))
    if not table.row_count:
        table.add_row("[dim]nobody asks anything[/]")
    return table


def _functions(between: Between) -> RenderableType:
    now = between.after
    table = _table("Functions", "", "runs/s", "errors/s", "started", "busy", "idle", "queued")
    for function in between.values("lambda_invocations_total", "function"):
        labels = {"function": function}
        busy, idle = (now.sum("lambda_environments", state=state, **labels) for state in ("busy", "idle"))
        rate = between.per_second("lambda_invocations_total", **labels)
        if rate or busy or idle:
            table.add_row(
                function.removeprefix("inventory-"),
                _rate(rate),
                _alarming(between.per_second("lambda_errors_total", **labels)),
                _rate(between.more("lambda_cold_starts_total", **labels)),
                f"{busy:.0f}",
                f"{idle:.0f}",
                f"[yellow]{queued:.0f}[/]" if (queued := now.sum("lambda_queued", **labels)) else "0",
            )
    if not table.row_count:
        table.add_row("[dim]no function runs[/]")
    return table


def _consumers(between: Between) -> RenderableType:
    now = between.after
    table = _table("Consumers", "", "state", "done/s", "failed/s", "behind", "by", "dead", "restarts")
    for consumer in between.values("bridge_consumer_state", "consumer"):
        labels = {"consumer": consumer}
        state = next((held["state"] for held, value in now.of("bridge_consumer_state", **labels) if value), "unknown")
        dead = now.sum("dead_letters", **labels)
        table.add_row(
            consumer,
            f"[green]{state}[/]" if state == "running" else f"[red]{state}[/]",
            _rate(between.per_second("bridge_delivered_total", **labels)),
            _alarming(between.per_second("bridge_failed_total", **labels)),
            f"{now.sum('bridge_lag_events', **labels):,.0f}",
            f"{now.sum('bridge_lag_seconds', **labels):.1f} s",
            f"[red]{dead:,.0f}[/]" if dead else "0",
            f"{now.sum('bridge_restarts_total', **labels):.0f}",
        )
    return table


def _servers(between: Between) -> RenderableType:
    now = between.after
    breakers = [f"[red]{held['dependency']} {_breaker(value)}[/]" for held, value in now.of("breaker_open") if value]
    hits, misses = between.more("redis_keyspace_hits_total"), between.more("redis_keyspace_misses_total")
    words = [
        f"Breakers: {', '.join(breakers) or '[green]all closed[/]'}",
        f"Redis: {_megabytes(now, 'redis_memory_bytes')}, {f'{hits / (hits + misses):.0%} hits' if hits + misses else 'not read'}",
        f"MariaDB: {now.sum('mariadb_connections'):.0f} of {now.sum('mariadb_connections_limit'):.0f} connections",
        f"Events on their way: {now.sum('outbox_undelivered'):,.0f}",
        f"Low in stock: {now.sum('stock_alerts_active'):,.0f} products",
        f"LocalStack: {_megabytes(now, 'process_resident_memory_bytes')}",
    ]
    return Text.from_markup("\n".join(words))


def _breaker(value: float) -> str:
    return "open" if value == 1 else "half-open"


def _megabytes(now: Look, name: str) -> str:
    held = now.get(name)
    return "away" if held is None else f"{held / MIB:,.0f} MB"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"


def _rate(value: float) -> str:
    return f"{value:,.1f}" if value else "0"


def _alarming(value: float) -> str:
    return f"[red]{value:,.1f}[/]" if value else "0"
