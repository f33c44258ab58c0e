"""What is summed up, and what its rows come to: for checking the sums, and for making them anew where they are anything else.

The services keep them as their own SQL says; here it is said again, in plain queries over all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.sums import PARTS
from infra.database import connected, snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pymysql.cursors import DictCursor

_OF_DEALS = """
    SELECT FLOOR(TIMESTAMPDIFF(SECOND, '1970-01-01', timestamp) / 1800) AS slot, {apart}COUNT(*) AS count,
           SUM(quantity) AS quantity, SUM(total_cost) AS value
    FROM {kind}s WHERE id <= {{up_to}} GROUP BY {apart}slot
"""
_OF_PRODUCTS = """
    SELECT FLOOR(TIMESTAMPDIFF(SECOND, '1970-01-01', timestamp) / 2592000) AS block, product_id, SUM(quantity) AS quantity,
           SUM(total_cost) AS value
    FROM {kind}s WHERE id <= {{up_to}} GROUP BY block, product_id
"""
# By block; what stands with the wrong product shows in the amounts weighed by the products' ids.
_PRODUCTS_COMPARED = """
    SELECT CONCAT('{kind}_product_sums ', block) AS subject,
           CONCAT('off: quantity by ', SUM(quantity), ', value by ', SUM(value), ', or some products by what others are over') AS detail
    FROM (
        SELECT block, SUM(quantity) AS quantity, SUM(value) AS value, SUM(product_id * quantity) AS weighed_quantity,
               SUM(product_id * value) AS weighed_value
        FROM {kind}_product_sums WHERE {{up_to}} IS NOT NULL GROUP BY block
        UNION ALL
        SELECT FLOOR(TIMESTAMPDIFF(SECOND, '1970-01-01', timestamp) / 2592000) AS block, -SUM(quantity), -SUM(total_cost),
               -SUM(product_id * quantity), -SUM(product_id * total_cost)
        FROM {kind}s WHERE id <= {{up_to}} GROUP BY block
    ) compared
    GROUP BY block
    HAVING SUM(quantity) <> 0 OR SUM(value) <> 0 OR SUM(weighed_quantity) <> 0 OR SUM(weighed_value) <> 0
"""
_OF_LEDGER = """
    SELECT product_id, SUM(delta) AS movements, SUM(IF(reason = 'opening', delta, 0)) AS opening,
           SUM(IF(reason = 'procurement', delta, 0)) AS procured, -SUM(IF(reason = 'order', delta, 0)) AS ordered,
           SUM(IF(reason = 'cancellation', delta, 0)) AS cancelled, SUM(IF(reason = 'return', delta, 0)) AS returned,
           SUM(IF(reason IN ('correction', 'damage', 'count'), delta, 0)) AS corrected
    FROM stock_movements FORCE INDEX (PRIMARY) WHERE id <= {up_to} GROUP BY product_id
"""
_OF_STOCK = """
    SELECT 0 AS part, COALESCE(SUM(quantity), 0) AS quantity, COALESCE(SUM(quantity * price_buy), 0) AS value,
           COALESCE(SUM(quantity > 0), 0) AS in_stock, COALESCE(SUM(quantity >= 10), 0) AS enough
    FROM storages WHERE {up_to} IS NOT NULL
"""
_LEDGER_PARTS = ("movements", "opening", "procured", "ordered", "cancelled", "returned", "corrected")


@dataclass(frozen=True)
class Sums:
    """A table of sums, of the rows of which other, with what they are told apart by, and the query that tells what they should be.

    The one row of `mark` says in its column `marked` up to which row, or since when, there are sums. Those told apart by a `part` only
    are one sum in several parts, which are changed in the transactions of what they sum up.
    """

    table: str
    of: str
    marked: str
    apart: tuple[str, ...]
    figures: tuple[str, ...]
    truth: str
    check: str = ""
    """How they are compared with what they should be where there are too many to do so one by one."""

    @property
    def mark(self) -> str:
        """The table that says how far the sums go."""
        return self.table.replace("_sums", "_summed")

    @property
    def in_parts(self) -> bool:
        """Whether it is one sum in several parts."""
        return self.apart == ("part",)

    def mismatches(self) -> str:
        """A query that finds where the sums are not what they should be, as `inventory reconcile` shows it."""
        up_to = f"(SELECT {self.marked} FROM {self.mark} WHERE id = 1)"  # noqa: S608
        if self.check:
            return self.check.format(up_to=up_to)
        keys = ", ".join(self.apart)
        held = "0 AS part" if self.in_parts else keys
        subtracted = ", ".join(f"-{name}" for name in self.figures)
        wrong = " OR ".join(f"SUM({name}) <> 0" for name in self.figures)
        detail = ", ', ', ".join(f"'{name} by ', SUM({name})" for name in self.figures)
        return f"""
            SELECT CONCAT_WS(' ', '{self.table}', {keys}) AS subject, CONCAT('off: ', {detail}) AS detail
            FROM (
                SELECT {held}, {", ".join(self.figures)} FROM {self.table} WHERE {up_to} IS NOT NULL
                UNION ALL SELECT {keys}, {subtracted} FROM ({self.truth.format(up_to=up_to)}) should_be
            ) compared
            GROUP BY {keys} HAVING {wrong}
        """  # noqa: S608  # names of ours

    def make_anew(self, cursor: DictCursor, *, all_of_it: bool = False) -> None:
        """Set the sums to what they should be, in a transaction of its own that sees what is committed before each statement.

        Whoever changes what is summed up waits until then, or is not seen and corrects the sums afterwards. With `all_of_it` it is
        summed up to the newest row, rather than only as far as it was.
        """
        # Nobody adds to them meanwhile: who finds this row locked leaves it for another time.
        cursor.execute("SELECT id FROM list_horizons WHERE list = %s FOR UPDATE", (self.table,))
        if self.in_parts:
            self._make_parts_anew(cursor)
            return
        cursor.execute(f"INSERT IGNORE INTO {self.mark} (id, {self.marked}) VALUES (1, 0)")  # noqa: S608
        cursor.execute(f"SELECT id FROM {self.mark} FOR UPDATE")  # noqa: S608
        if all_of_it:
            cursor.execute(f"UPDATE {self.mark} SET {self.marked} = (SELECT COALESCE(MAX(id), 0) FROM {self.of})")  # noqa: S608
        cursor.execute(f"SELECT {self.marked} AS up_to FROM {self.mark}")  # noqa: S608
        up_to = (cursor.fetchone() or {})["up_to"]
        cursor.execute(f"DELETE FROM {self.table}")  # noqa: S608
        names = ", ".join((*self.apart, *self.figures))
        cursor.execute(f"INSERT INTO {self.table} ({names}) SELECT {names} FROM ({self.truth.format(up_to=up_to)}) should_be")  # noqa: S608

    def _make_parts_anew(self, cursor: DictCursor) -> None:
        names = ("part", *self.figures)
        rows = [(part, *(0 for _ in self.figures)) for part in range(PARTS)]
        changed = ", ".join(f"{name} = VALUES({name})" for name in self.figures)
        values = ", ".join(["%s"] * len(names))
        upsert = f"INSERT INTO {self.table} ({', '.join(names)}) VALUES ({values}) ON DUPLICATE KEY UPDATE {changed}"  # noqa: S608
        cursor.executemany(upsert, rows)
        cursor.execute(self.truth.format(up_to=1))
        found = cursor.fetchone() or {}
        cursor.execute(upsert, tuple(found[name] for name in names))
        cursor.execute(f"INSERT IGNORE INTO {self.mark} (id, {self.marked}) VALUES (1, UTC_TIMESTAMP(6))")  # noqa: S608


def _of_deals(kind: str, *apart: str) -> Sums:
    truth = _OF_DEALS.format(kind=kind, apart="".join(f"{name}, " for name in apart))
    return Sums(f"{kind}_sums", f"{kind}s", "deal_id", ("slot", *apart), ("count", "quantity", "value"), truth)


def _of_products(kind: str) -> Sums:
    truth, compared = _OF_PRODUCTS.format(kind=kind), _PRODUCTS_COMPARED.format(kind=kind)
    return Sums(f"{kind}_product_sums", f"{kind}s", "deal_id", ("block", "product_id"), ("quantity", "value"), truth, compared)


SUMS = (
    _of_deals("order", "status"),
    _of_products("order"),
    _of_deals("procurement"),
    _of_products("procurement"),
    Sums("ledger_sums", "stock_movements", "movement_id", ("product_id",), _LEDGER_PARTS, _OF_LEDGER),
    Sums("stock_sums", "storages", "since", ("part",), ("quantity", "value", "in_stock", "enough"), _OF_STOCK),
)


def wrong_sums(addresses: Mapping[str, str]) -> list[Sums]:
    """Those of which something is not what it should be, as of one moment. Raises pymysql.Error."""
    with snapshot(addresses) as database:
        return [sums for sums in SUMS if database.rows(f"{sums.mismatches()} LIMIT 1", {})]


def make_anew(addresses: Mapping[str, str], wrong: Sequence[Sums]) -> None:
    """Make these sums anew while everybody goes on working. Raises pymysql.Error."""
    with connected(addresses) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        for sums in wrong:
            connection.begin()
            sums.make_anew(cursor)
            connection.commit()
