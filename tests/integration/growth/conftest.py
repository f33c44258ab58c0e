"""A company that has become a hundred times as large, in a database whose effort is counted rather than timed."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, inspect, text

import common.redis_client
from common.config import get_settings
from common.db import get_engine, transaction
from common.positions import note_anew
from infra.progress import Silent
from infra.seed import scale
from infra.seed.sizes import Sizes
from tests.integration.services.conftest import be_patient, begin_anew

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

UNTIL = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIZES = Sizes(suppliers=5, customers=100, products=200, orders=1000, movements=1450)
TIMES = 100
_COPIES_AT_ONCE = 11
# How rows are made a hundred: `n` is the number of the copy; columns not named stay as they are.
_COPIES = {
    "products": {"id": "id + 1000 * n", "product_code": "CONCAT(product_code, 'X', n)"},
    "search_words": {"entity_id": "entity_id + 1000 * n"},
    "orders": {
        "id": "id + 10000 * n",
        "timestamp": "timestamp + INTERVAL 40 * n DAY",
        "product_id": "product_id + 1000 * (n MOD 7)",
        "quantity": "quantity + n MOD 5",
        "total_cost": "total_cost + n",
    },
    "stock_movements": {"id": "id + 10000 * n", "event_id": "UUID()", "reference": "CONCAT(reference, n)"},
    "stock_alerts": {"id": "id + 10000 * n", "stock_version": "stock_version + 100000 * n"},
    "outbox": {"id": "id + 100000 * n", "event_id": "UUID()", "trace_id": "CONCAT('copy-', n, '-', id)"},
}


class Effort:
    """What was asked of the database, and what that cost it: entries of indexes and rows that were read."""

    def __init__(self) -> None:
        self.reads = 0
        self.statements: list[tuple[str, Any]] = []


@contextmanager
def effort() -> Iterator[tuple[Effort, Any]]:
    """Measures what a session does."""
    found = Effort()

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        found.statements.append((statement, parameters))

    with transaction() as session:
        session.execute(text("FLUSH STATUS"))
        event.listen(get_engine(), "before_cursor_execute", note)
        try:
            yield found, session
        finally:
            event.remove(get_engine(), "before_cursor_execute", note)
        found.reads = sum(int(value) for _, value in session.execute(text("SHOW SESSION STATUS LIKE 'Handler_read%'")))


@pytest.fixture(scope="module")
def small(mariadb: Mapping[str, str], redis: Mapping[str, str]) -> Iterator[None]:
    """A thousand orders."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**mariadb, **redis, "AWS_DEFAULT_REGION": "us-east-1"}.items():
            environment.setenv(name, value)
        be_patient(environment)
        begin_anew()
        common.redis_client.get_redis().flushall()
        empty()
        scale.fill(get_settings(), SIZES, seed=1, until=UNTIL, days=30, progress=Silent())
        yield
        empty()
        get_engine().dispose()
        begin_anew()


def grow() -> None:
    """Make a hundred of everything: not consistent, but as much."""
    for table, changed in _COPIES.items():
        with get_engine().begin() as connection:
            names = [column["name"] for column in inspect(connection).get_columns(table)]
            own, copied = ", ".join(f"`{name}`" for name in names), ", ".join(changed.get(name, f"`{name}`") for name in names)
            limit = {"id": 100_000 if table == "outbox" else 10_000 if table in {"orders", "stock_movements", "stock_alerts"} else 1000}
            original = f"`{'entity_id' if table == 'search_words' else 'id'}` < :id"
            for first in range(1, TIMES, _COPIES_AT_ONCE):
                numbers = f"SELECT {first} UNION ALL SELECT n + 1 FROM copies WHERE n < {min(first + _COPIES_AT_ONCE, TIMES) - 1}"
                copies = f"WITH RECURSIVE copies (n) AS ({numbers}) SELECT {copied} FROM {table}, copies"
                statement = f"INSERT INTO {table} ({own}) {copies} WHERE {original} ORDER BY n, 1"
                connection.execute(text(statement), limit)
    with transaction() as session:
        for table in _COPIES:
            session.execute(text(f"ANALYZE TABLE {table}"))
            if table != "search_words":
                note_anew(session, table)


def empty() -> None:
    """Leave no row but the migrations' own."""
    with get_engine().begin() as connection:
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
        for table in inspect(connection).get_table_names():
            if table != "alembic_version":
                connection.execute(text(f"TRUNCATE TABLE {table}"))
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 1"))
