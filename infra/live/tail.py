"""The new end of a growing table, without missing the rows that are committed later than others with higher ids."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.bridge.database import Database
    from infra.live.sources import Row, Source

# Ids are given out before the commit. A transaction that has not committed by then never will: every statement's wait ends sooner.
HOLE_SECONDS = 60.0
_MOST_HOLES = 10_000
_LOOK_BACK = 1000


class Tail:
    """Reads each row once, in the order in which rows become visible."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._last = 0
        self._holes: dict[int, float] = {}

    @property
    def watermark(self) -> int:
        """Every row up to this id was read, or will never be."""
        return min(self._holes, default=self._last + 1) - 1

    @property
    def last(self) -> int:
        """The highest id that was read."""
        return self._last

    def begin(self, connection: Database) -> None:
        """Start at the table's end as it is now. What is not visible yet among the latest ids may still become so."""
        aged = f"created_at < UTC_TIMESTAMP(6) - INTERVAL {HOLE_SECONDS} SECOND"
        rows = self._rows(connection, f"ORDER BY id DESC LIMIT {_LOOK_BACK}", {}, columns=f"id, {aged} AS settled")
        ids = [row["id"] for row in reversed(rows)]
        self._last, self._holes = (ids[-1] if ids else 0), {}
        if not ids:
            return
        # Below an old row all is decided. Where there is none, a lower id than the lowest that is visible may be on its way.
        settled = next((row["id"] for row in rows if row["settled"]), None)
        begin = settled if settled is not None else max(0, ids[0] - _LOOK_BACK)
        for before, after in itertools.pairwise([begin, *(visible for visible in ids if visible > begin)]):
            self._note_holes(before, after)

    def read(self, connection: Database, limit: int) -> Sequence[Row]:
        """Up to `limit` rows past the last one read, and before them those that filled a hole. The same again, until they are `passed`."""
        late: Sequence[Row] = ()
        if self._holes:
            late = self._rows(connection, "WHERE id IN %(ids)s ORDER BY id", {"ids": list(self._holes)})
        return [*late, *self.between(connection, self._last, None, limit)]

    def passed(self, rows: Sequence[Row]) -> None:
        """Go on behind these rows, which `read` found."""
        for row in rows:
            if row["id"] in self._holes:
                del self._holes[row["id"]]
            else:
                self._note_holes(self._last, row["id"])
                self._last = row["id"]
        self._forget_old_holes()

    def between(self, connection: Database, after: int, until: int | None, limit: int) -> Sequence[Row]:
        """Up to `limit` rows with ids past `after`, and not past `until`."""
        bound = "" if until is None else "AND id <= %(until)s"
        return self._rows(connection, f"WHERE id > %(after)s {bound} ORDER BY id LIMIT {limit}", {"after": after, "until": until})

    def first_id(self, connection: Database) -> int | None:
        """The lowest id that is still kept."""
        rows = self._rows(connection, "ORDER BY id LIMIT 1", {}, columns="id")
        return rows[0]["id"] if rows else None

    def message(self, row: Row) -> str | None:
        """How a row is told."""
        return self._source.message(row)

    def _rows(self, connection: Database, condition: str, values: dict[str, Any], *, columns: str | None = None) -> Sequence[Row]:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {columns or self._source.columns} FROM {self._source.table} {condition}", values)  # noqa: S608  # our own words
            return list(cursor.fetchall())

    def _note_holes(self, before: int, after: int) -> None:
        now = time.monotonic()
        for missing in range(max(before + 1, after - _MOST_HOLES), after):
            self._holes[missing] = now

    def _forget_old_holes(self) -> None:
        oldest = time.monotonic() - HOLE_SECONDS
        self._holes = {missing: since for missing, since in self._holes.items() if since > oldest}
        while len(self._holes) > _MOST_HOLES:
            del self._holes[min(self._holes)]
