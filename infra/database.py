"""An operator's connection to an instance's database, and the whole of it as of one moment, while others go on writing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.cursors import DictCursor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pymysql.connections import Connection


class Snapshot:
    """Reads that all see the same moment."""

    def __init__(self, connection: Connection[DictCursor]) -> None:
        self._connection = connection

    def rows(self, query: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The query's rows."""
        with self._connection.cursor() as cursor:
            cursor.execute(query, parameters)
            return list(cursor.fetchall())


@contextmanager
def snapshot(addresses: Mapping[str, str]) -> Iterator[Snapshot]:
    """A snapshot of the database at `addresses` (DATABASE_HOST and its like). Raises pymysql.Error."""
    with connected(addresses) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        yield Snapshot(connection)


@contextmanager
def connected(addresses: Mapping[str, str], database: str | None = None) -> Iterator[Connection[DictCursor]]:
    """A connection to the database at `addresses`, or another of its server; transactions end by `commit`. Raises pymysql.Error."""
    connection = pymysql.connect(
        host=addresses["DATABASE_HOST"],
        port=int(addresses["DATABASE_PORT"]),
        user=addresses["DATABASE_USER"],
        password=addresses["DATABASE_PASSWORD"],
        database=database or addresses["DATABASE_NAME"],
        charset="utf8mb4",
        cursorclass=DictCursor,
        connect_timeout=5,
        init_command="SET time_zone = '+00:00'",
    )
    try:
        yield connection
    finally:
        connection.close()
