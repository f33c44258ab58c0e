"""The database as SQL statements, and SQL statements as a database."""
# ruff: noqa: S608  # what is put into statements are names the database itself told, quoted

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pymysql.cursors import Cursor, SSCursor

from infra.backup.archive import BackupError
from infra.database import connected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pymysql.connections import Connection

MIGRATIONS = "alembic_version"
"""Alembic's own table: it says by which migration the others are as they are."""

_STATEMENT_BYTES = 256 * 1024
_BINARY = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
# What a statement of a backup expects: exact values, zeros as they are, tables in any order.
_SESSION = (
    "SET NAMES utf8mb4",
    "SET time_zone = '+00:00'",
    "SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'",
    "SET foreign_key_checks = 0",
    "SET unique_checks = 0",
)
_BESIDES_TABLES = """
    SELECT 'view', table_name FROM information_schema.views WHERE table_schema = DATABASE()
    UNION ALL SELECT 'trigger', trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()
    UNION ALL SELECT 'routine', routine_name FROM information_schema.routines WHERE routine_schema = DATABASE()
    UNION ALL SELECT 'event', event_name FROM information_schema.events WHERE event_schema = DATABASE()
"""


class Source:
    """Everything as of one moment, told as statements, while others go on writing.

    From the first look at a table until the end its columns cannot be changed: a migration waits.
    """

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self.made_at = str(self._one("SELECT UTC_TIMESTAMP(6)"))
        if beside := self._all(_BESIDES_TABLES):
            raise BackupError("a backup holds tables only, and there is " + ", ".join(f"{kind} {name}" for kind, name in beside))
        self.tables = [name for name, kind in self._all("SHOW FULL TABLES") if kind == "BASE TABLE"]
        if MIGRATIONS not in self.tables:
            raise BackupError("the database has not been migrated yet: there is nothing to keep")
        self.rows = {table: int(self._one(f"SELECT COUNT(*) FROM {quoted(table)}")) for table in self.tables}
        self.schema_version = str(self._one(f"SELECT version_num FROM {MIGRATIONS}"))
        self.undelivered_events = int(self._one("SELECT COUNT(*) FROM outbox WHERE delivered_at IS NULL"))

    def schema(self) -> Iterator[tuple[str, int]]:
        """What a session is to be like, and the tables; each with the number of rows it holds, none."""
        for statement in _SESSION:
            yield statement, 0
        for table in self.tables:
            # A line break within a name or comment is written \n by the server, so these are between tokens.
            yield str(self._all(f"SHOW CREATE TABLE {quoted(table)}")[0][1]).replace("\n", " "), 0

    def data(self, table: str) -> Iterator[tuple[str, int]]:
        """A table's rows, many to a statement, each statement with how many."""
        columns = self._columns(table)
        into = f"INSERT INTO {quoted(table)} ({', '.join(map(quoted, columns))}) VALUES "
        row = f"CONCAT('(', CONCAT_WS(',', {', '.join(columns.values())}), ')')"
        with self._connection.cursor(SSCursor) as cursor:
            cursor.execute(f"SELECT {row} FROM {quoted(table)}")
            rows: list[str] = []
            size = 0
            for (text,) in cursor:
                if text is None:
                    raise BackupError(f"a row of {table} is longer than the server's max_allowed_packet")
                rows.append(text)
                size += len(text)
                if size >= _STATEMENT_BYTES:
                    yield into + ",".join(rows), len(rows)
                    rows, size = [], 0
            if rows:
                yield into + ",".join(rows), len(rows)

    def _columns(self, table: str) -> dict[str, str]:
        """The columns that are not computed, each with the SQL that makes a literal of its value."""
        described = self._all(
            "SELECT column_name, data_type, extra FROM information_schema.columns"
            " WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position",
            table,
        )
        return {name: _literal(quoted(name), kind) for name, kind, extra in described if "GENERATED" not in extra.upper()}

    def _all(self, query: str, *parameters: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor(Cursor) as cursor:
            cursor.execute(query, parameters)
            return list(cursor.fetchall())

    def _one(self, query: str) -> Any:
        return self._all(query)[0][0]


def _literal(column: str, kind: str) -> str:
    if kind in _BINARY:
        return f"COALESCE(CONCAT('x''', HEX({column}), ''''), 'NULL')"
    if kind == "bit":
        return f"COALESCE({column} + 0, 'NULL')"
    # QUOTE leaves line breaks as they are, and a statement is to be one line. Of NULL it makes the word.
    return rf"REPLACE(REPLACE(CONVERT(QUOTE({column}) USING utf8mb4), '\n', '\\n'), '\r', '\\r')"


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return "`" + name.replace("`", "``") + "`"


@contextmanager
def snapshot(addresses: Mapping[str, str]) -> Iterator[Source]:
    """A snapshot of the database at `addresses` (DATABASE_HOST and its like). Raises BackupError, pymysql.Error."""
    with connected(addresses) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = ''")
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        yield Source(connection)


def execute(connection: Connection[Any], statements: Iterable[str]) -> Iterator[int]:
    """Run statements in one transaction; how many rows each wrote."""
    with connection.cursor() as cursor:
        for statement in statements:
            yield cursor.execute(statement)
    connection.commit()


def rows_of(connection: Connection[Any], database: str) -> dict[str, int]:
    """How many rows each table of a database has."""
    with connection.cursor(Cursor) as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", [database])
        rows = {table: 0 for (table,) in cursor.fetchall()}
        for table in rows:
            cursor.execute(f"SELECT COUNT(*) FROM {quoted(database)}.{quoted(table)}")
            ((rows[table],),) = cursor.fetchall()
        return rows
