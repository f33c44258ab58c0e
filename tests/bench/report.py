"""What was measured, as tables, as JSON, and as a picture for the docs."""

from __future__ import annotations

from html import escape
from statistics import median
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.events import Backlog, Figures, Pace, Stream
    from tests.bench.growth import Grown
    from tests.bench.services import Figure
    from tests.bench.starts import Figures as StartFigures

Row = dict[str, Any]


def gateways_table(rows: Sequence[Row]) -> Table:
    """The contenders beside one another; a request is one through the authorizer, whose answer is kept."""
    table = _table("The trivial function behind gateway and authorizer (medians)")
    crowds = sorted(int(name.removeprefix("per_second_at_")) for name in rows[0] if name.startswith("per_second_at_"))
    table.add_column("")
    many = (f"req/s at {clients}" for clients in crowds)
    for column in ("cold", "p50", "p95", *many, f"p99/p50 at {crowds[-1]}", "memory", "after load", "enforced"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        enforced = {True: "yes", False: "NO", None: "has none"}[row["enforces_authorizer"]]
        table.add_row(
            row["name"],
            f"{row['cold_ms']:.0f} ms",
            f"{row['p50_at_1']:.2f} ms",
            f"{row['p95_at_1']:.2f} ms",
            *(_per_second(row, clients) for clients in crowds),
            f"{row[f'p99_at_{crowds[-1]}'] / row[f'p50_at_{crowds[-1]}']:.1f}",
            f"{row['idle_mb']:.0f} MB",
            f"{row['loaded_mb']:.0f} MB",
            enforced,
        )
    return table


def services_table(figures: Sequence[Figure]) -> Table:
    """The real services, in each way."""
    table = _table("The real services (medians)")
    table.add_column("")
    for column in ("by", "p50", "p95", "p99", "req/s at 8"):
        table.add_column(column, justify="right" if column != "by" else "left", no_wrap=True)
    for figure in figures:
        errors = f" ({figure.errors} errors)" if figure.errors else ""
        many = "" if figure.per_second is None else f"{figure.per_second:.0f}{errors}"
        table.add_row(figure.what, figure.way, *(f"{value:.1f} ms" for value in (figure.p50, figure.p95, figure.p99)), many)
    return table


def paces_table(paces: Sequence[Pace]) -> Table:
    """Orders at their own pace, until they were taken and until their stock had moved."""
    table = _table("Orders through the gateway, from sending one (medians)")
    for column in ("orders/s", "taken: p50", "p99", "stock applied: p50", "p99", "refused"):
        table.add_column(column, justify="right", no_wrap=True)
    for pace in paces:
        times = (pace.answered_p50, pace.answered_p99, pace.applied_p50, pace.applied_p99)
        table.add_row(str(pace.per_second), *(f"{value:.1f} ms" for value in times), f"{pace.errors} of {pace.orders + pace.errors}")
    return table


def streams_table(streams: Sequence[Stream]) -> Table:
    """Stock events at their own pace, until they were delivered."""
    table = _table("Stock events written at their own pace, half of them orders whose decisions are consumed as well (medians)")
    for column in ("events/s", "events", "delivered: p50", "p99", "all, after the last"):
        table.add_column(column, justify="right", no_wrap=True)
    for each in streams:
        times = (f"{each.delivered_p50:.1f} ms", f"{each.delivered_p99:.1f} ms", f"{each.seconds_behind:.2f} s")
        table.add_row(str(each.per_second), f"{each.events:,}", *times)
    return table


def backlog_table(backlogs: Sequence[Backlog]) -> Table:
    """Backlogs of stock events, as they were worked off."""
    table = _table("Stock events that had come together, half of them orders whose decisions are consumed as well")
    for column in ("events", "applied in", "events/s", "all decided in", "CPU per event", "memory at a quarter, and at the end"):
        table.add_column(column, justify="right", no_wrap=column != "memory at a quarter, and at the end")
    for each in backlogs:
        memory = ", ".join(f"{role}: {quarter:.0f}, {end:.0f} MB" for role, (quarter, end) in each.memory_mb.items())
        times = (f"{each.seconds:.1f} s", f"{each.per_second:.0f}", f"{each.decided_seconds:.1f} s")
        table.add_row(f"{each.events:,}", *times, f"{each.cpu_ms_per_event:.2f} ms", memory)
    return table


def growth_table(grown: Sequence[Grown]) -> Table:
    """What each thing costs of a growing company, and how many times as much as of the smallest."""
    sizes = sorted({each.orders for each in grown})
    table = _table("Of a growing company (medians, lists and statistics not from the cache)")
    table.add_column("")
    for orders in sizes:
        table.add_column(f"{orders:,} orders", justify="right", no_wrap=True)
    for what in dict.fromkeys(each.what for each in grown):
        of_sizes = {each.orders: each for each in grown if each.what == what}
        table.add_row(what, *(f"{of_sizes[orders].p50:.1f} ms ({of_sizes[orders].ratio:.1f})" for orders in sizes))
    return table


def growth_goals(grown: Sequence[Grown]) -> list[Goal]:
    """Nothing costs more than twice as much of the largest company as of the smallest."""
    most = max(each.orders for each in grown)
    return [Goal(f"{each.what}: of {most:,} orders / of the fewest", each.ratio, at_most=2) for each in grown if each.orders == most]


def starts_table(figures: StartFigures) -> Table:
    """Starts of the whole, and of one function's environment; what the whole weighs at rest."""
    table = _table("Starts, and what the system weighs at rest")
    table.add_column("")
    table.add_column("measured", justify="right", no_wrap=True)
    table.add_row("first start of a system: servers, migrations, deployment, caches", f"{figures.first_up_seconds:.1f} s")
    table.add_row("its second start", f"{figures.second_up_seconds:.1f} s")
    for way, milliseconds in figures.cold_start_ms.items():
        table.add_row(f"a new environment of the product service, {way}", f"{milliseconds:.1f} ms")
    for role, size in sorted(figures.idle_mb.items(), key=lambda each: -each[1]):
        table.add_row(f"memory at rest: {role}", f"{size:.0f} MB")
    table.add_row("memory at rest: all of it", f"{sum(figures.idle_mb.values()):.0f} MB")
    table.add_row("memory just after its start, with an environment of each function", f"{sum(figures.started_mb.values()):.0f} MB")
    return table


def start_goals(figures: StartFigures) -> list[Goal]:
    """What was asked of starts and weight, each as a part of its bound."""
    forked, fresh = (figures.cold_start_ms[way] for way in ("forked", "fresh interpreter"))
    return [
        Goal("cold start of a real service: forked / fresh interpreter", forked / fresh, at_most=0.1),
        Goal("second start of the system / 10 s", figures.second_up_seconds / 10, at_most=1),
        Goal("memory of the whole system at rest / 600 MB", sum(figures.idle_mb.values()) / 600, at_most=1),
    ]


def event_goals(figures: Figures) -> list[Goal]:
    """What was asked of events, each as a part of its bound, and what holds on any machine."""
    paces = {pace.per_second: pace for pace in figures.paces}
    fastest = max(figures.streams, key=lambda stream: stream.per_second)
    rate = median(backlog.per_second for backlog in figures.backlogs)
    spent = median(backlog.cpu_ms_per_event for backlog in figures.backlogs)
    grown = max(end / quarter for backlog in figures.backlogs for quarter, end in backlog.memory_mb.values())
    return [
        Goal("stock applied at 50 orders/s, p50 / 30 ms", paces[50].applied_p50 / 30, at_most=1),
        Goal("stock applied at 50 orders/s, p99 / 150 ms", paces[50].applied_p99 / 150, at_most=1),
        Goal("stock applied: p50 at 50 orders/s / at 10", paces[50].applied_p50 / paces[10].applied_p50, at_most=2),
        Goal("1,000 stock events/s: left to deliver when the last is due, in seconds / 1", fastest.seconds_behind, at_most=1),
        Goal("stock events per second of a backlog / 1000", rate / 1000, at_least=1),
        Goal("processor time per stock event / 2 ms, as two cores have for a thousand", spent / 2, at_most=1),
        Goal("memory after a backlog / after a quarter of it", grown, at_most=1.05),
    ]


def goals_table(goals: Sequence[Goal]) -> Table:
    """Each goal as a ratio of this run, and whether it is met."""
    table = _table("Goals, as ratios in this run")
    for column in ("", "measured", "goal", ""):
        table.add_column(column, justify="left" if not column else "right", no_wrap=column != "")
    for goal in goals:
        table.add_row(goal.what, f"{goal.ratio:.2f}", goal.says, "[green]met[/]" if goal.met else "[red]missed[/]")
    return table


def picture(rows: Sequence[Row]) -> str:
    """Requests per second at 8 clients as bars, an SVG that reads on light and on dark pages."""
    ranked = sorted(rows, key=lambda row: -row["per_second_at_8"])
    most = ranked[0]["per_second_at_8"]
    height, left, wide = 30, 250, 380
    bars = []
    for number, row in enumerate(ranked):
        y, width = 34 + number * height, max(2, row["per_second_at_8"] / most * wide)
        fill = "#0f766e" if row["name"] == "ours" else "#94a3b8"
        bars.append(
            f'<text x="{left - 10}" y="{y + 15}" text-anchor="end">{escape(str(row["name"]))}</text>'
            f'<rect x="{left}" y="{y}" width="{width:.0f}" height="20" rx="3" fill="{fill}"/>'
            f'<text x="{left + width + 8:.0f}" y="{y + 15}">{row["per_second_at_8"]:.0f}/s · p50 {row["p50_at_1"]:.2f} ms</text>'
        )
    total = 44 + len(ranked) * height
    style = "text{font:13px system-ui,sans-serif;fill:#475569}@media(prefers-color-scheme:dark){text{fill:#cbd5e1}}"
    title = "Requests per second, 8 clients, through the authorizer; p50 at one client"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 {total}" role="img" aria-label="{title}"><style>{style}</style>'
        f'<text x="10" y="20" font-weight="600">{title}</text>{"".join(bars)}</svg>\n'
    )


class Goal:
    """A ratio of two figures of one run, and the bound that it is to keep."""

    def __init__(self, what: str, ratio: float, *, at_most: float | None = None, at_least: float | None = None) -> None:
        self.what, self.ratio = what, ratio
        self.met = (at_most is None or ratio <= at_most) and (at_least is None or ratio >= at_least)
        self.says = f"at most {at_most:g}" if at_most is not None else f"at least {at_least:g}"

    def document(self) -> Row:
        """For the JSON file."""
        return {"what": self.what, "ratio": self.ratio, "goal": self.says, "met": self.met}


def gateway_goals(rows: Mapping[str, Row], *, leeway: float = 1.0) -> list[Goal]:
    """What is wanted of the edge, of the contenders that were measured. `leeway` widens each bound, for a short run on a busy machine."""
    ours, goals = rows["ours"], []
    if bare := rows.get("bare Runtime API loop"):
        goals.append(Goal("warm request, p50: ours / bare loop", ours["p50_at_1"] / bare["p50_at_1"], at_most=1.5 * leeway))
    if other := rows.get("serverless-offline"):
        faster = ours["per_second_at_8"] / other["per_second_at_8"]
        goals += [
            Goal("warm request, p50: ours / serverless-offline", ours["p50_at_1"] / other["p50_at_1"], at_most=1.0 * leeway),
            Goal("throughput at 8 clients: ours / serverless-offline", faster, at_least=2 / leeway),
            Goal("memory after load: ours / serverless-offline", ours["loaded_mb"] / other["loaded_mb"], at_most=0.5 * leeway),
        ]
    if gateway := rows.get("LocalStack's gateway, our executor"):
        goals.append(Goal("warm request, p50: LocalStack's gateway / ours", gateway["p50_at_1"] / ours["p50_at_1"], at_least=2 / leeway))
    goals.append(Goal("64 clients, p99 / p50", ours["p99_at_64"] / ours["p50_at_64"], at_most=10))
    goals.append(Goal("64 clients, errors", float(ours["errors_at_64"]), at_most=0))
    return goals


def _per_second(row: Figures, clients: int) -> str:
    errors = row[f"errors_at_{clients}"]
    return f"{row[f'per_second_at_{clients}']:.0f}" + (f" ({errors} errors)" if errors else "")


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
