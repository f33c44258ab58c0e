"""What a run measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from infra.database import Snapshot

_APPLIED = """
    SELECT TIMESTAMPDIFF(MICROSECOND, o.timestamp, m.created_at) AS microseconds
    FROM orders o JOIN stock_movements m ON m.reference = CONCAT('order:', o.id) AND m.reason = 'order'
    WHERE o.id IN %(orders)s
"""
_CHUNK = 1000


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The value that `percent` of the values do not exceed (nearest rank); None of no values."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def milliseconds(seconds: Sequence[float], *percents: float) -> dict[str, float | None]:
    """Percentiles as e.g. `{"p50": 7.4}`."""
    found = {f"p{percent:g}": percentile(seconds, percent) for percent in percents}
    return {name: round(value * 1000, 1) if value is not None else None for name, value in found.items()}


def seconds_to_applied(snapshot: Snapshot, order_ids: Collection[int]) -> list[float]:
    """From each order's timestamp to its movement's, in seconds: both are the clocks of functions on this machine."""
    ids = sorted(order_ids)
    found: list[float] = []
    for first in range(0, len(ids), _CHUNK):
        rows = snapshot.rows(_APPLIED, {"orders": ids[first : first + _CHUNK]})
        found.extend(row["microseconds"] / 1_000_000 for row in rows)
    return found
