"""Many rows into a database, quickly: statements of thousands of rows, written by several connections, no check left out."""

from __future__ import annotations

import queue
import threading
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from pymysql.converters import escape_string

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from infra.bridge.database import Database

_ROWS_OF_A_STATEMENT = 2000
_STATEMENTS_WAITING = 8


class BulkWriter:
    """Collects rows by table and has them written while more are made. What the database refuses is raised here.

    Statements of one table may overtake each other: rows that others point to are to be `settle`d before these are added.
    """

    def __init__(self, connect: Callable[[], Database], columns: Mapping[str, Sequence[str]], connections: int = 2) -> None:
        self._connect = connect
        self._heads = {table: f"INSERT INTO {table} ({', '.join(names)}) VALUES\n" for table, names in columns.items()}
        self._rows: dict[str, list[str]] = {table: [] for table in columns}
        self._statements: queue.Queue[str | None] = queue.Queue(_STATEMENTS_WAITING)
        self._failure: BaseException | None = None
        self._threads = [threading.Thread(target=self._write, daemon=True) for _ in range(connections)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.settle()
        finally:
            for _thread in self._threads:
                self._statements.put(None)
            for thread in self._threads:
                thread.join()

    def add(self, table: str, row: Sequence[Any]) -> None:
        """Have the row written some time before `settle` returns. Raises what an earlier row ran into."""
        rows = self._rows[table]
        rows.append(f"({','.join([_literal(value) for value in row])})")
        if len(rows) >= _ROWS_OF_A_STATEMENT:
            self._flush(table)

    def settle(self) -> None:
        """Return once all rows are written and committed. Raises what one of them ran into."""
        for table in self._rows:
            self._flush(table)
        self._statements.join()
        self._raise_failure()

    def _flush(self, table: str) -> None:
        self._raise_failure()
        if self._rows[table]:
            self._statements.put(self._heads[table] + ",\n".join(self._rows[table]))
            self._rows[table] = []

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _write(self) -> None:
        connection: Database | None = None
        while (statement := self._statements.get()) is not None:
            try:
                if self._failure is None:
                    connection = connection or self._connect()
                    with connection.cursor() as cursor:
                        cursor.execute(statement)
            except BaseException as error:  # noqa: BLE001  # raised where the rows come from
                self._failure = error
            finally:
                self._statements.task_done()
        if connection is not None:
            connection.close()


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return f"'{escape_string(value)}'"
    if value is None:
        return "NULL"
    if isinstance(value, (int, Decimal)):
        return str(value)
    if isinstance(value, datetime):
        return f"'{value.isoformat(' ')}'"
    raise TypeError(f"no column holds a {type(value).__name__}")
