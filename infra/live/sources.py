"""The two tables whose new rows are told: what was decided (outbox), and what it did to the stock (stock_movements)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decimal import Decimal

MOVEMENTS_CHANNEL = "stock_movements"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Source:
    """A table that only grows at its end, and how one of its rows is told (None: not at all)."""

    table: str
    columns: str
    message: Callable[[Row], str | None]


def _event(row: Row) -> str | None:
    try:
        event = json.loads(row["payload"])
    except ValueError:
        return None
    return _text({"channel": row["channel"], **event}) if isinstance(event, dict) else None


def _movement(row: Row) -> str:
    return _text(
        {
            "channel": MOVEMENTS_CHANNEL,
            "event_type": "stock_changed",
            "event_id": row["event_id"],
            "movement_id": row["id"],
            "product_id": row["product_id"],
            "delta": _number(row["delta"]),
            "balance_after": _number(row["balance_after"]),
            "reason": row["reason"],
            "reference": row["reference"],
            "occurred_at": f"{row['created_at'].isoformat()}+00:00",
            "trace_id": row["trace_id"],
        }
    )


def _text(message: Mapping[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


OUTBOX = Source("outbox", "id, channel, payload", _event)
MOVEMENTS = Source("stock_movements", "id, product_id, delta, balance_after, reason, reference, event_id, trace_id, created_at", _movement)
SOURCES = (OUTBOX, MOVEMENTS)
