"""Forgetting what nobody will ask for any more, a little at a time."""

import threading
from collections.abc import Callable

from pymysql.cursors import DictCursor

from common.observability import logger
from common.topology import CONSUMERS
from infra.bridge.database import DATABASE_AWAY, close, connect, in_transaction
from infra.bridge.settings import BridgeSettings

_CHUNK = 500
# Leaves the database to those who have work for it.
_PAUSE_SECONDS = 0.05

# Never what is undelivered, nor what a dead letter may still want to have replayed.
_OLD_EVENTS = """
    SELECT o.id, o.event_id FROM outbox o
    WHERE o.delivered_at < UTC_TIMESTAMP(6) - INTERVAL %(seconds)s SECOND
      AND NOT EXISTS (SELECT 1 FROM dead_letters d WHERE d.consumer IN %(consumers)s AND d.event_id = o.event_id AND d.replayed_at IS NULL)
    ORDER BY o.delivered_at, o.id LIMIT %(chunk)s FOR UPDATE
"""
# What is known of an event goes with it, and not before: until then it keeps the event from being applied again.
_FORGET = (
    "DELETE FROM processed_events WHERE consumer IN %(consumers)s AND event_id IN %(events)s",
    "DELETE FROM delivery_failures WHERE consumer IN %(consumers)s AND event_id IN %(events)s",
    "DELETE FROM dead_letters WHERE consumer IN %(consumers)s AND event_id IN %(events)s",
    "DELETE FROM outbox WHERE id IN %(ids)s",
)
# How many events there are up to which is noted (common.positions): what is behind those that go has so many fewer before it.
_LOCK_POSITIONS = """
    INSERT INTO list_horizons (list, id, seen_at) VALUES ('outbox', 0, UTC_TIMESTAMP(6)) ON DUPLICATE KEY UPDATE list = list
"""
_FORGET_POSITIONS = "DELETE FROM list_positions WHERE list = 'outbox' AND id <= %(newest)s"
_CORRECT_POSITIONS = "UPDATE list_positions SET position = position - %(gone)s WHERE list = 'outbox'"
_FORGET_TOKENS = "DELETE FROM revoked_tokens WHERE expires_at < UTC_TIMESTAMP(6) LIMIT %(chunk)s"
_FORGET_KEYS = "DELETE FROM idempotency_keys WHERE created_at < UTC_TIMESTAMP(6) - INTERVAL %(seconds)s SECOND LIMIT %(chunk)s"


class Housekeeping(threading.Thread):
    """Cleans up every few minutes, over a connection of its own, while the bridge is active."""

    def __init__(self, settings: BridgeSettings) -> None:
        super().__init__(name="housekeeping", daemon=True)
        self._settings = settings
        self._closing = threading.Event()

    def run(self) -> None:
        """Clean up until closed."""
        while not self._closing.wait(self._settings.housekeeping_seconds):
            try:
                clean_up(self._settings, self._closing)
            except DATABASE_AWAY as error:
                logger.warning("housekeeping_put_off", error=str(error))

    def close(self) -> None:
        """Begin nothing new."""
        self._closing.set()


def clean_up(settings: BridgeSettings, stop: threading.Event) -> tuple[int, int]:
    """Delete old events, revoked tokens and idempotency keys. Returns how many events and keys. Raises one of DATABASE_AWAY."""
    connection = connect()
    try:
        events = _repeat(lambda: in_transaction(connection, lambda cursor: _forget_events(cursor, settings)), stop)
        # A token that has expired counts no longer, revoked or not.
        _repeat(lambda: in_transaction(connection, lambda cursor: cursor.execute(_FORGET_TOKENS, {"chunk": _CHUNK})), stop)
        keys = _repeat(lambda: in_transaction(connection, lambda cursor: _forget_keys(cursor, settings)), stop)
    finally:
        close(connection)
    if events or keys:
        logger.info("cleaned_up", events=events, idempotency_keys=keys)
    return events, keys


def _repeat(delete_chunk: Callable[[], int], stop: threading.Event) -> int:
    """Until nothing is left to delete: however fast events come, they are forgotten as fast in the end."""
    total = 0
    while True:
        deleted = delete_chunk()
        total += deleted
        if deleted < _CHUNK or stop.wait(_PAUSE_SECONDS):
            return total


def _forget_events(cursor: DictCursor, settings: BridgeSettings) -> int:
    seconds = int(settings.retention_days * 86400)
    cursor.execute(_OLD_EVENTS, {"seconds": seconds, "consumers": CONSUMERS, "chunk": _CHUNK})
    rows = cursor.fetchall()
    if rows:
        ids = [row["id"] for row in rows]
        known = {"consumers": CONSUMERS, "events": [row["event_id"] for row in rows], "ids": ids}
        cursor.execute(_LOCK_POSITIONS)
        for statement in _FORGET:
            cursor.execute(statement, known)
        cursor.execute(_FORGET_POSITIONS, {"newest": max(ids)})
        cursor.execute(_CORRECT_POSITIONS, {"gone": len(ids)})
    return len(rows)


def _forget_keys(cursor: DictCursor, settings: BridgeSettings) -> int:
    return cursor.execute(_FORGET_KEYS, {"seconds": int(settings.idempotency_hours * 3600), "chunk": _CHUNK})
