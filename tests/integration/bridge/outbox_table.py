"""The outbox as producers write it, and what onlookers can see of the delivery."""

import json

from common.events import new_event_id

_TABLES = ("outbox", "processed_events", "delivery_failures", "dead_letters")


class OutboxTable:
    """Writes events as `common.events.emit` does, with or without the wake-up; reads what became of them."""

    def __init__(self, connection, redis) -> None:
        self._connection = connection
        self._redis = redis

    def clear(self) -> None:
        self._execute(
            "CREATE TABLE IF NOT EXISTS bridge_test_effects "
            "(id BIGINT AUTO_INCREMENT PRIMARY KEY, consumer VARCHAR(40), event_id CHAR(36), applied_at DATETIME(6))"
        )
        # The outbox first: what is gone from it, no bridge delivers any more.
        for table in (*_TABLES, "bridge_test_effects"):
            self._execute(f"DELETE FROM {table}")

    def add(self, channel: str, *, event_type: str | None = None, publish: bool = True, **fields) -> str:
        return self.add_many(channel, [fields], event_type=event_type, publish=publish)[0]

    def add_many(self, channel: str, events: list[dict], *, event_type: str | None = None, publish: bool = True) -> list[str]:
        rows = []
        for fields in events:
            event_id = new_event_id()
            event = {**fields, "event_id": event_id, "event_type": event_type or channel, "trace_id": "trace-of-a-test"}
            rows.append((event_id, channel, json.dumps(event), "trace-of-a-test"))
        with self._connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO outbox (event_id, channel, payload, trace_id, created_at) VALUES (%s, %s, %s, %s, UTC_TIMESTAMP(6))", rows
            )
        if publish:
            for row in rows:
                self._redis.publish(channel, row[2])
        return [row[0] for row in rows]

    def undelivered(self) -> int:
        return self._execute("SELECT COUNT(*) FROM outbox WHERE delivered_at IS NULL")[0][0]

    def effects(self, consumer: str | None = None) -> list[str]:
        """Event ids in the order of their effects, doubles included."""
        return [
            row[0]
            for row in self._execute(
                "SELECT event_id FROM bridge_test_effects WHERE %s IS NULL OR consumer = %s ORDER BY id", (consumer, consumer)
            )
        ]

    def begun(self) -> int:
        """How many events are noted as processed, in transactions that may not be committed yet."""
        self._execute("SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED")
        return self._execute("SELECT COUNT(*) FROM processed_events")[0][0]

    def dead_letters(self) -> list[tuple]:
        return list(self._execute("SELECT consumer, event_id, attempts, reason FROM dead_letters WHERE replayed_at IS NULL"))

    def execute(self, statement: str, parameters: tuple = ()):
        return self._execute(statement, parameters)

    def _execute(self, statement: str, parameters: tuple = ()):
        with self._connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall()
