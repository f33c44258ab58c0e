"""What a consumer has still to be told, by the tables, and the record of how telling it went.

An event is undelivered for a consumer while its outbox row has no `delivered_at`, the consumer has not noted it in
`processed_events`, and it is not among the consumer's dead letters. The row gets its `delivered_at` when every consumer
of its channel is done with it.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pymysql.cursors import DictCursor

from common.topology import TOPOLOGY, channels_of
from infra.bridge.database import Database, in_transaction
from infra.bridge.delivery import Round, Row
from infra.bridge.settings import BridgeSettings

# The index gives undelivered rows in order of id, so that a long backlog costs no more than a short one.
# A next attempt further off than a minute was noted by a clock that was wrong.
_UNDELIVERED = """
    SELECT o.id, o.event_id, o.channel, o.payload, COALESCE(f.attempts, 0) AS attempts
    FROM outbox o FORCE INDEX (ix_outbox_delivered_at_id)
    LEFT JOIN processed_events p ON p.consumer = %(consumer)s AND p.event_id = o.event_id
    LEFT JOIN dead_letters d ON d.consumer = %(consumer)s AND d.event_id = o.event_id AND d.replayed_at IS NULL
    LEFT JOIN delivery_failures f ON f.consumer = %(consumer)s AND f.event_id = o.event_id
    WHERE o.delivered_at IS NULL AND o.id > %(after)s AND o.channel IN %(channels)s AND p.event_id IS NULL AND d.id IS NULL
      AND (f.event_id IS NULL OR f.next_attempt_at <= UTC_TIMESTAMP(6)
           OR f.next_attempt_at > UTC_TIMESTAMP(6) + INTERVAL 60 SECOND)
    ORDER BY o.id LIMIT %(limit)s
"""
_LOCK = "SELECT id, event_id, channel FROM outbox WHERE id IN %(ids)s AND delivered_at IS NULL ORDER BY id FOR UPDATE"
_PROCESSED = "SELECT consumer, event_id FROM processed_events WHERE consumer IN %(consumers)s AND event_id IN %(events)s"
_DEAD = """
    SELECT consumer, event_id FROM dead_letters
    WHERE consumer IN %(consumers)s AND event_id IN %(events)s AND replayed_at IS NULL
"""
_MARK = "UPDATE outbox SET delivered_at = UTC_TIMESTAMP(6) WHERE id IN %(ids)s"
_NOTE_FAILURE = """
    INSERT INTO delivery_failures (consumer, event_id, attempts, last_error, next_attempt_at)
    VALUES (%(consumer)s, %(event_id)s, %(attempts)s, %(reason)s, UTC_TIMESTAMP(6) + INTERVAL %(microseconds)s MICROSECOND)
    ON DUPLICATE KEY UPDATE attempts = VALUES(attempts), last_error = VALUES(last_error), next_attempt_at = VALUES(next_attempt_at)
"""
_FORGET_FAILURES = "DELETE FROM delivery_failures WHERE consumer = %(consumer)s AND event_id IN %(events)s"
# An event that was replayed and fails again is a dead letter again.
_BURY = """
    INSERT INTO dead_letters (consumer, event_id, channel, payload, reason, attempts, failed_at)
    VALUES (%(consumer)s, %(event_id)s, %(channel)s, %(payload)s, %(reason)s, %(attempts)s, UTC_TIMESTAMP(6))
    ON DUPLICATE KEY UPDATE reason = VALUES(reason), attempts = VALUES(attempts), failed_at = VALUES(failed_at), replayed_at = NULL
"""
_DONE_BUT_UNMARKED = """
    SELECT o.id
    FROM outbox o FORCE INDEX (ix_outbox_delivered_at_id)
    JOIN ({listeners}) t ON t.channel = o.channel
    LEFT JOIN processed_events p ON p.consumer = t.consumer AND p.event_id = o.event_id
    LEFT JOIN dead_letters d ON d.consumer = t.consumer AND d.event_id = o.event_id AND d.replayed_at IS NULL
    WHERE o.delivered_at IS NULL AND o.channel IN %(channels)s
    GROUP BY o.id HAVING SUM(p.event_id IS NULL AND d.id IS NULL) = 0
    ORDER BY o.id LIMIT 1000
"""

_LONGEST_REASON = 10_000
_NOT_NOTED = "the function answered without having noted the event as processed"


@dataclass
class Settlement:
    """What became of a batch for its consumer."""

    processed: int = 0
    dead: list[str] = field(default_factory=list)
    # Seconds until the first of the failed events may be tried again.
    retry_in: float | None = None


class Outbox:
    """The outbox as one consumer sees it, over a connection of its own. Every method raises one of DATABASE_AWAY."""

    def __init__(self, connection: Database, consumer: str, settings: BridgeSettings) -> None:
        self._connection = connection
        self._consumer = consumer
        self._settings = settings
        self._channels = channels_of(consumer)

    def newest_id(self) -> int:
        """The highest id there is. Transactions still under way may yet add rows below it."""
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT COALESCE(MAX(id), 0) AS newest FROM outbox")
            row = cursor.fetchone()
        return int(row["newest"]) if row else 0

    def undelivered(self, limit: int, *, after: int = 0) -> list[Row]:
        """The oldest events the consumer has still to be told of, less those that wait for their next attempt."""
        with self._connection.cursor() as cursor:
            cursor.execute(_UNDELIVERED, {"consumer": self._consumer, "channels": self._channels, "limit": limit, "after": after})
            return [Row(**row) for row in cursor.fetchall()]

    def settle(self, rows: Sequence[Row], outcome: Round) -> Settlement:
        """Record how a batch went and mark as delivered what no consumer has still to be told of.

        An event that the function claims to have done but did not note as processed has failed too. One that is noted as
        processed has not failed, whatever was said.
        """
        return in_transaction(self._connection, lambda cursor: self._settle(cursor, rows, outcome))

    def finish(self) -> int:
        """Mark rows that all consumers are done with and whose marking somebody did not live to do. Returns how many."""
        listeners = " UNION ALL ".join(
            f"SELECT '{channel}' AS channel, '{consumer}' AS consumer"  # names from the topology, not from outside
            for channel in self._channels
            for consumer in TOPOLOGY[channel].consumers
        )
        with self._connection.cursor() as cursor:
            cursor.execute(_DONE_BUT_UNMARKED.format(listeners=listeners), {"channels": self._channels})
            ids = [row["id"] for row in cursor.fetchall()]
        return in_transaction(self._connection, lambda cursor: _lock_and_mark(cursor, ids)) if ids else 0

    def _settle(self, cursor: DictCursor, rows: Sequence[Row], outcome: Round) -> Settlement:
        # Locked before it is read who is done: see `_mark`.
        locked = _lock(cursor, [row.id for row in rows])
        done = _done(cursor, _PROCESSED, [row.event_id for row in rows])
        noted = {event_id for consumer, event_id in done if consumer == self._consumer}
        failures = {row.event_id: _NOT_NOTED for row in outcome.answered} | outcome.failures
        settlement = Settlement(processed=len(noted))
        self._forget_failures(cursor, [row for row in rows if row.attempts and row.event_id in noted])
        for row in rows:
            if row.event_id in noted:
                continue
            if row.event_id in failures:
                self._note_failure(cursor, row, row.attempts + 1, failures[row.event_id], settlement)
            elif row.event_id in outcome.deferred:
                self._note_failure(cursor, row, row.attempts, outcome.deferred[row.event_id], settlement)
        _mark(cursor, locked, done)
        return settlement

    def _note_failure(self, cursor: DictCursor, row: Row, attempts: int, reason: str, settlement: Settlement) -> None:
        note: dict[str, Any] = {
            "consumer": self._consumer,
            "event_id": row.event_id,
            "attempts": attempts,
            "reason": reason[:_LONGEST_REASON],
        }
        if attempts >= self._settings.failures_to_dead_letter:
            cursor.execute(_BURY, note | {"channel": row.channel, "payload": row.payload})
            self._forget_failures(cursor, [row])
            settlement.dead.append(row.event_id)
            return
        delays = self._settings.retry_delays
        wait = delays[min(attempts, len(delays)) - 1] * random.uniform(0.8, 1.2)  # noqa: S311  # jitter, not a secret
        cursor.execute(_NOTE_FAILURE, note | {"microseconds": int(wait * 1_000_000)})
        settlement.retry_in = min(wait, settlement.retry_in or wait)

    def _forget_failures(self, cursor: DictCursor, rows: Sequence[Row]) -> None:
        if rows:
            cursor.execute(_FORGET_FAILURES, {"consumer": self._consumer, "events": [row.event_id for row in rows]})


def _done(cursor: DictCursor, query: str, event_ids: Sequence[str]) -> set[tuple[str, str]]:
    consumers = sorted({consumer for channel in TOPOLOGY.values() for consumer in channel.consumers})
    cursor.execute(query, {"consumers": consumers, "events": event_ids})
    return {(row["consumer"], row["event_id"]) for row in cursor.fetchall()}


def _lock(cursor: DictCursor, ids: Sequence[int]) -> Sequence[Mapping[str, Any]]:
    cursor.execute(_LOCK, {"ids": ids})
    return cursor.fetchall()


def _lock_and_mark(cursor: DictCursor, ids: Sequence[int]) -> int:
    locked = _lock(cursor, ids)
    return _mark(cursor, locked, _done(cursor, _PROCESSED, [row["event_id"] for row in locked])) if locked else 0


def _mark(cursor: DictCursor, locked: Sequence[Mapping[str, Any]], done: set[tuple[str, str]]) -> int:
    """Mark those of the rows that every consumer of their channel is done with. Returns how many.

    The rows were locked before it was read who is done: of two consumers that finish at once the second sees the first, and
    a dead letter that is being replayed is seen either before (the replay then clears the mark) or as replayed.
    """
    missing = [row["event_id"] for row in locked if not _is_complete(row, done)]
    if missing:
        done = done | _done(cursor, _DEAD, missing)
    complete = [row["id"] for row in locked if _is_complete(row, done)]
    return cursor.execute(_MARK, {"ids": complete}) if complete else 0


def _is_complete(row: Mapping[str, Any], done: set[tuple[str, str]]) -> bool:
    return all((consumer, row["event_id"]) in done for consumer in TOPOLOGY[row["channel"]].consumers)
