"""A whole run, from the plan to the figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.database import snapshot
from infra.files import locked
from infra.replay import catalogue, opening
from infra.replay.driving import Driven, drive
from infra.replay.figures import milliseconds, seconds_to_applied
from infra.replay.settling import settle

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping
    from pathlib import Path

    from infra.api_client import ApiClient
    from infra.progress import Progress
    from infra.reconcile.reconciliation import Reconciliation
    from infra.replay.lines import Reported
    from infra.replay.plan import Plan
    from infra.replay.run import Run


@dataclass
class Replayed:
    """What became of a file: every line an order, a return, or reported."""

    run_id: str
    lines: int
    driven: Driven
    reported: list[Reported]
    statuses: Counter[str]
    retries: Counter[str]
    applied: list[float] | None = None
    """Seconds from each order to its change of stock; None where the database is not at hand."""
    reconciliation: Reconciliation | None = None
    products: int = 0
    customers: int = 0

    @property
    def by_kind(self) -> dict[str, list[int]]:
        """The numbers of the lines that were reported, by why."""
        kinds: dict[str, list[int]] = {}
        for line in self.reported:
            kinds.setdefault(line.kind, []).append(line.number)
        return kinds

    @property
    def adds_up(self) -> bool:
        """Whether no line was dropped and none counted twice."""
        numbers = [*self.driven.orders, *self.driven.returns, *(line.number for line in self.reported)]
        return len(numbers) == self.lines == len(set(numbers))

    @property
    def good(self) -> bool:
        """Whether nothing is lost, open or at odds."""
        complete = self.adds_up and not self.statuses["pending"] and not any(line.kind == "unanswered" for line in self.reported)
        return complete and (self.reconciliation is None or self.reconciliation.clean)

    @property
    def lines_per_second(self) -> float:
        """How fast the lines were driven, set-up and settling left aside."""
        driven = len(self.driven.latencies) + len(self.driven.returns)
        return round(driven / self.driven.seconds, 1) if self.driven.seconds else 0.0

    def document(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "run_id": self.run_id,
            "good": self.good,
            "lines": self.lines,
            "orders": len(self.driven.orders),
            "returns": len(self.driven.returns),
            "reported": len(self.reported),
            "adds_up": self.adds_up,
            "reported_by_kind": self.by_kind,
            "products": self.products,
            "customers": self.customers,
            "seconds": round(self.driven.seconds, 2),
            "lines_per_second": self.lines_per_second,
            "order_latency_ms": milliseconds(self.driven.latencies, 50, 95, 99),
            "applied_ms": milliseconds(self.applied, 50, 99) if self.applied is not None else None,
            "applied": len(self.applied) if self.applied is not None else None,
            "statuses": {status: self.statuses[status] for status in ("confirmed", "rejected", "pending", "cancelled")},
            "answered_before": self.driven.answered_before,
            "retries": dict(self.retries),
            "reconciliation": self.reconciliation.document() if self.reconciliation else None,
        }


def replay(
    client: ApiClient, run: Run, plan: Plan, *, supplier_name: str, lock: Path, progress: Progress, at_once: int, patience_seconds: float
) -> Replayed:
    """Set up, buy, drive, and wait until every order is decided. Raises RefusedError, GaveUpError."""
    # Two replays at once may want the same new customers: the second waits, and finds them.
    with locked(lock):
        found = catalogue.set_up(client, run, plan, supplier_name, progress, at_once)
    procurements = opening.procure(client, run, plan, found, progress, at_once)
    opening.wait_for_stock(client, procurements, progress, at_once, patience_seconds)
    storages = opening.storages(client, plan, found, at_once, patience_seconds)
    driven = drive(client, run, plan.to_drive, found, storages, progress, at_once)
    statuses = settle(client, driven.orders.values(), progress, patience_seconds)
    return Replayed(
        run_id=run.run_id,
        lines=plan.lines,
        driven=driven,
        reported=sorted([*plan.reported, *driven.reported], key=lambda line: line.number),
        statuses=statuses,
        retries=client.retries,
        products=len(plan.products),
        customers=len(plan.customers),
    )


def measure_applied(replayed: Replayed, addresses: Mapping[str, str]) -> None:
    """Add how long stock took to follow the orders. Raises pymysql.Error."""
    with snapshot(addresses) as database:
        replayed.applied = seconds_to_applied(database, replayed.driven.orders.values())
