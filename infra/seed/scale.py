"""A large company's data, straight into the database: for seeing how the system does once it has grown."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from common.db import database_url
from common.positions import note_anew
from infra.bridge.database import close, connect, in_transaction
from infra.reconcile.sums import SUMS
from infra.seed.bulk import BulkWriter
from infra.seed.history import COLUMNS, NUMBERED, History

if TYPE_CHECKING:
    from datetime import datetime

    from common.config import Settings
    from infra.bridge.database import Database
    from infra.progress import Progress
    from infra.seed.sizes import Sizes

# Millions of rows are looked at once.
_STATEMENT_SECONDS = 600
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


def _after(settings: Settings, connection: Database) -> None:
    """Go on numbering behind what is there, and have lists and optimizer know how much it is."""
    with connection.cursor() as cursor:
        for table in NUMBERED:
            cursor.execute(f"ALTER TABLE {table} AUTO_INCREMENT = 1")
        cursor.execute(f"ANALYZE TABLE {', '.join(COLUMNS)}")
    with Session(create_engine(database_url(settings), poolclass=NullPool)) as session, session.begin():
        for table in NUMBERED:
            note_anew(session, table)
    for sums in SUMS:
        in_transaction(connection, partial(sums.make_anew, all_of_it=True))
