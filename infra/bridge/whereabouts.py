"""Where an event is: recorded, told to which of its consumers, and what it did to the stock."""

from typing import Any

from common.topology import TOPOLOGY
from infra.bridge.database import Database

_EVENTS = """
    SELECT event_id, channel, payload, trace_id, created_at, delivered_at
    FROM outbox WHERE event_id = %(key)s OR trace_id = %(key)s ORDER BY id LIMIT 200
"""
_PROCESSED = "SELECT processed_at FROM processed_events WHERE consumer = %(consumer)s AND event_id = %(event_id)s"
_DEAD = """
    SELECT id AS dead_letter, reason, attempts
    FROM dead_letters WHERE consumer = %(consumer)s AND event_id = %(event_id)s AND replayed_at IS NULL
"""
_FAILURES = "SELECT attempts, last_error, next_attempt_at FROM delivery_failures WHERE consumer = %(consumer)s AND event_id = %(event_id)s"
_MOVEMENT = "SELECT id, product_id, delta, balance_after, reason, reference, created_at FROM stock_movements WHERE event_id = %(event_id)s"


def events_of(connection: Database, key: str) -> list[dict[str, Any]]:
    """The event with this id, or all events of this trace, in order; each with what became of it per consumer, and its movement."""
    with connection.cursor() as cursor:

        def first(query: str, event_id: str, consumer: str = "") -> dict[str, Any] | None:
            cursor.execute(query, {"consumer": consumer, "event_id": event_id})
            return cursor.fetchone()

        def told(consumer: str, event_id: str) -> dict[str, Any]:
            if processed := first(_PROCESSED, event_id, consumer):
                return {"consumer": consumer, "state": "processed", "at": processed["processed_at"]}
            if dead := first(_DEAD, event_id, consumer):
                return {"consumer": consumer, "state": "dead", **dead}
            if failed := first(_FAILURES, event_id, consumer):
                return {"consumer": consumer, "state": "failing", "attempts": failed["attempts"], "reason": failed["last_error"]}
            return {"consumer": consumer, "state": "waiting"}

        cursor.execute(_EVENTS, {"key": key})
        events = list(cursor.fetchall())
        for event in events:
            listeners = TOPOLOGY[event["channel"]].consumers if event["channel"] in TOPOLOGY else ()
            event["consumers"] = [told(consumer, event["event_id"]) for consumer in listeners]
            event["movement"] = first(_MOVEMENT, event["event_id"])
        return events
