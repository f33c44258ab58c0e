"""Waiting until inventory has decided every order of a run."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from infra.api_client import ApiClient
    from infra.progress import Progress

_PAGE = 500
_LOOK_AGAIN = 0.25


def settle(client: ApiClient, order_ids: Collection[int], progress: Progress, patience_seconds: float) -> Counter[str]:
    """How many of the orders are in which status, once none is pending or none was decided for so long."""
    progress.begin("orders decided", len(order_ids))
    deadline = time.monotonic() + patience_seconds
    statuses: Counter[str] = Counter()
    waiting = set(order_ids)
    while waiting:
        decided = _decided(client, waiting)
        statuses.update(decided.values())
        waiting -= decided.keys()
        progress.advance(len(decided))
        if decided:
            deadline = time.monotonic() + patience_seconds
        if waiting and time.monotonic() > deadline:
            statuses["pending"] = len(waiting)
            return statuses
        if waiting:
            time.sleep(_LOOK_AGAIN)
    return statuses


def _decided(client: ApiClient, waiting: set[int]) -> dict[int, str]:
    """Those of the orders that are not pending any more, with their status; read a page of ids at a time, skipping gaps."""
    decided: dict[int, str] = {}
    remaining = sorted(waiting)
    while remaining:
        orders = client.get("/api/orders", after=remaining[0] - 1, limit=_PAGE)["orders"]
        if not orders:
            break
        decided.update({order["id"]: order["status"] for order in orders if order["id"] in waiting and order["status"] != "pending"})
        last = orders[-1]["id"]
        remaining = [order_id for order_id in remaining if order_id > last]
    return decided
