"""A large company's data, straight into the database: for seeing how the system does once it has grown."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from common.db import database_url
from common.positions import note_anew
from infra.bridge.database import close, connect, in_transaction
from infra.seed.bulk import BulkWriter
from infra.seed.history import COLUMNS, NUMBERED, History

if TYPE_CHECKING:
    from datetime import datetime

    from pymysql.cursors import DictCursor

    from common.config import Settings
    from infra.bridge.database import Database
    from infra.replay.progress import Progress
    from infra.seed.sizes import Sizes

# Millions of rows are looked at once.
_STATEMENT_SECONDS = 600
# What the ledger comes to, as the inventory service sums it up for its reconciliation.
_SUM_UP = """
    INSERT INTO ledger_sums (product_id, movements, opening, procured, ordered, cancelled, returned, corrected)
    SELECT product_id, SUM(delta), SUM(IF(reason = 'opening', delta, 0)), SUM(IF(reason = 'procurement', delta, 0)),
           -SUM(IF(reason = 'order', delta, 0)), SUM(IF(reason = 'cancellation', delta, 0)), SUM(IF(reason = 'return', delta, 0)),
           SUM(IF(reason IN ('correction', 'damage', 'count'), delta, 0))
    FROM stock_movements WHERE product_id BETWEEN %s AND %s GROUP BY product_id
"""
_PRODUCTS_AT_ONCE = 5000
# What deals come to by half hours, as their services sum them up for their statistics.
_SUM_UP_DEALS = """
    INSERT INTO {kind}_sums (slot, {apart}count, quantity, value)
    SELECT FLOOR(TIMESTAMPDIFF(SECOND, '1970-01-01', timestamp) / 1800) AS slot, {apart}COUNT(*), SUM(quantity), SUM(total_cost)
    FROM {kind}s WHERE id <= %s GROUP BY {apart}slot
"""
# Rows of one table are told of together, not one by one.
_TOLD_AT_ONCE = 1000


class NotEmptyError(Exception):
    """There are rows already, and nobody said that more may be added to them."""


def fill(
    settings: Settings, sizes: Sizes, *, seed: int, until: datetime, days: int, progress: Progress, add: bool = False
) -> dict[str, int]:
    """Write the history of such a company. Returns how many rows of each table were made.

    Raises NotEmptyError where there is something already, unless it is to be added to; pymysql.Error.
    """
    connection = connect(settings, seconds=_STATEMENT_SECONDS)
    try:
        held = [table for table in COLUMNS if _has_rows(connection, table)]
        if held and not add:
            raise NotEmptyError(f"there are {', '.join(held)} already")
        history = History(sizes, seed=seed, until=until, days=days, first_ids=_reserve_ids(connection, sizes))
        made = _write(settings, history, progress)
        _after(settings, connection)
    finally:
        close(connection)
    return made


def _write(settings: Settings, history: History, progress: Progress) -> dict[str, int]:
    made: Counter[str] = Counter()
    with BulkWriter(lambda: connect(settings, seconds=_STATEMENT_SECONDS), COLUMNS) as writer:
        for phase, total, rows in history.phases():
            progress.begin(phase, total)
            told = 0
            for number, (table, row) in enumerate(rows, 1):
                writer.add(table, row)
                made[table] += 1
                if number % _TOLD_AT_ONCE == 0:
                    done = _done(made, phase)
                    progress.advance(done - told)
                    told = done
            # What is made next points to it.
            writer.settle()
            progress.advance(_done(made, phase) - told)
    return dict(made)


def _done(made: Counter[str], phase: str) -> int:
    return made["orders"] + made["stock_movements"] if phase == "trade" else made[phase]


def _has_rows(connection: Database, table: str) -> bool:
    with connection.cursor() as cursor:
        return bool(cursor.execute(f"SELECT 1 FROM {table} LIMIT 1"))  # noqa: S608  # a name of ours


def _reserve_ids(connection: Database, sizes: Sizes) -> dict[str, int]:
    """The first of the ids that nobody else will be given from now on."""
    enough = {"suppliers": sizes.suppliers, "customers": sizes.customers, "products": sizes.products, "storages": sizes.products}
    first: dict[str, int] = {}
    with connection.cursor() as cursor:
        for table in NUMBERED:
            cursor.execute(f"SELECT COALESCE(MAX(id), 0) AS newest FROM {table}")  # noqa: S608
            row = cursor.fetchone()
            first[table] = int(row["newest"]) + 1 if row else 1
            # No more of anything than there are movements and orders, each with the events that tell of it.
            count = enough.get(table, 3 * (sizes.movements + sizes.orders))
            cursor.execute(f"ALTER TABLE {table} AUTO_INCREMENT = {first[table] + count}")
    return first


def _sum_up(connection: Database) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ledger_sums")
        cursor.execute("SELECT COALESCE(MAX(id), 0) AS movement, COALESCE(MAX(product_id), 0) AS product FROM stock_movements")
        newest = cursor.fetchone() or {}
        for first in range(1, newest["product"] + 1, _PRODUCTS_AT_ONCE):
            cursor.execute(_SUM_UP, (first, first + _PRODUCTS_AT_ONCE - 1))
        cursor.execute("REPLACE INTO ledger_summed (id, movement_id) VALUES (1, %s)", (newest["movement"],))


def _sum_up_deals(cursor: DictCursor) -> None:
    for kind, apart in (("order", "status, "), ("procurement", "")):
        # Whoever changes a deal meanwhile waits for this row.
        cursor.execute(f"INSERT IGNORE INTO {kind}_summed (id, deal_id) VALUES (1, 0)")  # noqa: S608
        cursor.execute(f"SELECT id FROM {kind}_summed FOR UPDATE")  # noqa: S608
        cursor.execute(f"SELECT COALESCE(MAX(id), 0) AS newest FROM {kind}s")  # noqa: S608
        newest = (cursor.fetchone() or {})["newest"]
        cursor.execute(f"DELETE FROM {kind}_sums")  # noqa: S608
        cursor.execute(_SUM_UP_DEALS.format(kind=kind, apart=apart), (newest,))
        cursor.execute(f"UPDATE {kind}_summed SET deal_id = %s", (newest,))  # noqa: S608


def _after(settings: Settings, connection: Database) -> None:
    """Go on numbering behind what is there, and have lists and optimizer know how much it is."""
    with connection.cursor() as cursor:
        for table in NUMBERED:
            cursor.execute(f"ALTER TABLE {table} AUTO_INCREMENT = 1")
        cursor.execute(f"ANALYZE TABLE {', '.join(COLUMNS)}")
    with Session(create_engine(database_url(settings), poolclass=NullPool)) as session, session.begin():
        for table in NUMBERED:
            note_anew(session, table)
    _sum_up(connection)
    in_transaction(connection, _sum_up_deals)
