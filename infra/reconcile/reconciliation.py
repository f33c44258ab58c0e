"""Making the checks, and saying what they found."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from common.events import TOPOLOGY
from infra.database import snapshot
from infra.progress import Silent
from infra.reconcile.checks import CHECKS, MOST_SHOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.api_client import ApiClient
    from infra.database import Snapshot
    from infra.progress import Progress

_LOOK_AGAIN = 0.5
GRACE_SECONDS = 5.0

_COUNTED = """
    SELECT (SELECT COUNT(*) FROM products) AS products, (SELECT COUNT(*) FROM stock_movements) AS movements,
           (SELECT COUNT(*) FROM orders) AS orders, (SELECT COUNT(*) FROM orders WHERE status = 'confirmed') AS confirmed,
           (SELECT COUNT(*) FROM procurements) AS procurements, (SELECT COUNT(*) FROM outbox) AS events
"""


@dataclass(frozen=True)
class Mismatch:
    """Something that must not be."""

    check: str
    subject: str
    detail: str


@dataclass(frozen=True)
class Reconciliation:
    """What was looked at, and what was wrong with it."""

    counted: Mapping[str, int]
    mismatches: list[Mismatch]

    @property
    def clean(self) -> bool:
        """Whether everything agrees."""
        return not self.mismatches

    def document(self) -> dict[str, Any]:
        """As JSON types."""
        found = [{"check": m.check, "subject": m.subject, "detail": m.detail} for m in self.mismatches]
        return {"reconciled": self.clean, "checked": dict(self.counted), "mismatches": found}


def reconcile_database(addresses: Mapping[str, str], grace: float = GRACE_SECONDS, progress: Progress | None = None) -> Reconciliation:
    """Every check over one snapshot of the whole database, each told to `progress`. Raises pymysql.Error."""
    progress = progress or Silent()
    progress.begin("checks", len(CHECKS))
    mismatches: list[Mismatch] = []
    with snapshot(addresses) as database:
        counted = {name: int(number) for name, number in database.rows(_COUNTED, {})[0].items()}
        for check in CHECKS:
            mismatches += _made(database, check.name, check.query, grace)
            progress.advance()
    return Reconciliation(counted, mismatches)


def reconcile_api(client: ApiClient) -> list[Mismatch]:
    """What the inventory service itself finds wrong. Raises RefusedError, GaveUpError."""
    page = client.get("/api/inventory/reconcile", mismatched="true", limit=MOST_SHOWN)
    return [_mismatch_of(product) for product in page["products"]]


def reconcile(
    client: ApiClient, addresses: Mapping[str, str], *, grace: float = GRACE_SECONDS, progress: Progress | None = None
) -> Reconciliation:
    """The database's view and the service's, together. Raises pymysql.Error, RefusedError, GaveUpError."""
    database = reconcile_database(addresses, grace, progress)
    return Reconciliation(database.counted, [*database.mismatches, *reconcile_api(client)])


def until_clean(make: Callable[[], Reconciliation], wait_seconds: float) -> Reconciliation:
    """Made again until nothing is wrong any more or the time is over."""
    deadline = time.monotonic() + wait_seconds
    while True:
        made = make()
        if made.clean or time.monotonic() >= deadline:
            return made
        time.sleep(_LOOK_AGAIN)


def _made(database: Snapshot, name: str, query: str, grace: float) -> list[Mismatch]:
    topology = [{"channel": channel.name, "consumer": consumer} for channel in TOPOLOGY.values() for consumer in channel.consumers]
    rows = database.rows(f"{query} LIMIT {MOST_SHOWN}", {"grace": grace, "topology": json.dumps(topology)})
    return [Mismatch(name, row["subject"], row["detail"]) for row in rows]


def _mismatch_of(product: dict[str, Any]) -> Mismatch:
    detail = ", ".join(f"{name} {Decimal(str(amount)):f}" for name, amount in product.items() if name != "product_id")
    return Mismatch("service_reconciles", f"product {product['product_id']}", detail)
