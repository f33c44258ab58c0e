"""The events that consumers could not be told of: looking at them, and having them tried again."""

from collections.abc import Sequence
from typing import Any

from pymysql.cursors import DictCursor

from infra.bridge.database import Database, in_transaction

_LATEST = """
    SELECT id, consumer, event_id, channel, reason, attempts, failed_at, replayed_at
    FROM dead_letters WHERE replayed_at IS NULL OR %(replayed_too)s ORDER BY id DESC LIMIT %(limit)s
"""
_BY_ID = """
    SELECT id, consumer, event_id, channel, reason, attempts, failed_at, replayed_at, payload
    FROM dead_letters WHERE id = %(id)s
"""
_WAITING_IDS = "SELECT id FROM dead_letters WHERE replayed_at IS NULL ORDER BY id"
_STILL_WAITING = "SELECT id, consumer, event_id, channel FROM dead_letters WHERE id IN %(ids)s AND replayed_at IS NULL ORDER BY id"
# The outbox row is locked first, as the bridge does when it marks, so that it cannot mark by what was before the replay.
_UNDELIVER = "UPDATE outbox SET delivered_at = NULL WHERE event_id IN %(events)s"
_FORGET_FAILURES = "DELETE FROM delivery_failures WHERE consumer = %(consumer)s AND event_id = %(event_id)s"
_REPLAYED = "UPDATE dead_letters SET replayed_at = UTC_TIMESTAMP(6) WHERE id IN %(ids)s"

# Replayed so many at a time, so that no transaction holds its locks for long.
_CHUNK = 500


def dead_letters(connection: Database, *, limit: int = 100, replayed_too: bool = False) -> list[dict[str, Any]]:
    """The latest dead letters, those already replayed only if asked for."""
    with connection.cursor() as cursor:
        cursor.execute(_LATEST, {"limit": limit, "replayed_too": replayed_too})
        return list(cursor.fetchall())


def dead_letter(connection: Database, letter_id: int) -> dict[str, Any] | None:
    """One dead letter with its payload, if there is such a one."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_ID, {"id": letter_id})
        return cursor.fetchone()


def waiting_ids(connection: Database) -> list[int]:
    """All that have not been replayed."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING_IDS)
        return [row["id"] for row in cursor.fetchall()]


def replay(connection: Database, ids: Sequence[int]) -> list[dict[str, Any]]:
    """Have these told to their consumers again, with five more attempts each. Returns those that were waiting for it.

    The bridge finds them at its next sweep, within seconds.
    """
    replayed: list[dict[str, Any]] = []
    for begin in range(0, len(ids), _CHUNK):
        chunk = list(ids[begin : begin + _CHUNK])
        replayed += in_transaction(connection, lambda cursor, chunk=chunk: _replay(cursor, chunk))  # type: ignore[misc]
    return replayed


def _replay(cursor: DictCursor, ids: Sequence[int]) -> list[dict[str, Any]]:
    cursor.execute(_STILL_WAITING, {"ids": ids})
    letters = list(cursor.fetchall())
    if letters:
        cursor.execute(_UNDELIVER, {"events": [letter["event_id"] for letter in letters]})
        for letter in letters:
            cursor.execute(_FORGET_FAILURES, letter)
        cursor.execute(_REPLAYED, {"ids": [letter["id"] for letter in letters]})
    return letters
