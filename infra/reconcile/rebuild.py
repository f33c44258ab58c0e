"""Stock made anew from the ledger, where the two have come apart. The ledger itself is never touched."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from infra.database import connected, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from decimal import Decimal

# So many at a time, so that nobody waits long for a product.
_AT_ONCE = 100

_COMPARED = """
    SELECT p.id AS product_id, s.quantity, COALESCE(m.total, 0) AS ledger, COALESCE(last.balance_after, 0) AS last_balance,
           COALESCE(m.movements, 0) AS movements
    FROM products p
    LEFT JOIN storages s ON s.product_id = p.id
    LEFT JOIN (
        SELECT product_id, SUM(delta) AS total, MAX(id) AS last_id, COUNT(*) AS movements
        FROM stock_movements {of_movements} GROUP BY product_id
    ) m ON m.product_id = p.id
    LEFT JOIN stock_movements last ON last.id = m.last_id
    WHERE COALESCE(s.quantity, 0) <> COALESCE(m.total, 0) {of_products}
    ORDER BY p.id
"""
# The whole ledger is read from its beginning to its end, not product by product.
_ALL = _COMPARED.format(of_movements="USE INDEX ()", of_products="")
_THESE = _COMPARED.format(of_movements="WHERE product_id IN %(products)s", of_products="AND p.id IN %(products)s")
# In the order, and by the locks, of whoever moves stock: the ledger of a locked product stands still.
_ADD = "INSERT IGNORE INTO storages (product_id, quantity, version) VALUES (%s, 0, 0)"
_LOCK = "SELECT id FROM storages FORCE INDEX (uq_storages_product_id) WHERE product_id IN %(products)s ORDER BY product_id FOR UPDATE"
_REPAIR = """
    UPDATE storages SET quantity = %(ledger)s, version = version + 1,
           moved_at = (SELECT MAX(created_at) FROM stock_movements WHERE product_id = %(product_id)s)
    WHERE product_id = %(product_id)s
"""


# What the cache holds of it may be wrong from now on: the bridge tells it.
_DOUBT = """
    INSERT INTO cache_doubts (kind, entity_id, version, created_at)
    SELECT 'stock', product_id, version, UTC_TIMESTAMP(6) FROM storages WHERE product_id = %(product_id)s
"""


@dataclass(frozen=True)
class Drift:
    """A product whose stock is not the sum of its movements; `quantity` is None where it has no storage at all."""

    product_id: int
    quantity: Decimal | None
    ledger: Decimal
    last_balance: Decimal
    movements: int

    @property
    def certain(self) -> bool:
        """Whether the ledger agrees with itself on what there is.

        It does not where a movement is lost or changed, in which case stock may be right and the sum wrong; nor where stock had drifted
        before the last movement, in which case the sum is right. From within the ledger the two look the same.
        """
        return self.ledger == self.last_balance

    def document(self) -> dict[str, Any]:
        """As JSON types; quantities as texts, since they are exact."""
        return {name: value if value is None or isinstance(value, int) else f"{value:f}" for name, value in asdict(self).items()}


def drifts(addresses: Mapping[str, str]) -> list[Drift]:
    """Every drift, as of one moment, while stock goes on moving. Raises pymysql.Error."""
    with snapshot(addresses) as database:
        return [Drift(**row) for row in database.rows(_ALL, {})]


def repair(addresses: Mapping[str, str], found: Sequence[Drift], tell: Callable[[Drift], object], *, by_sum: bool = False) -> list[Drift]:
    """Set the stock of these products to the sum of their movements, each told once it is done.

    Each is looked at again under its lock, so that what moved meanwhile counts. Returns those left as they are, because their
    ledger contradicts itself; with `by_sum`, only those whose sum no stock can have. Raises pymysql.Error.
    """
    left: list[Drift] = []
    with connected(addresses) as connection:
        for begin in range(0, len(found), _AT_ONCE):
            products = [drift.product_id for drift in found[begin : begin + _AT_ONCE]]
            with connection.cursor() as cursor:
                cursor.executemany(_ADD, [(drift.product_id,) for drift in found[begin : begin + _AT_ONCE] if drift.quantity is None])
                cursor.execute(_LOCK, {"products": products})
                cursor.execute(_THESE, {"products": products})
                still = [Drift(**row) for row in cursor.fetchall()]
                repaired = [drift for drift in still if drift.ledger >= 0 and (drift.certain or by_sum)]
                for drift in repaired:
                    cursor.execute(_REPAIR, {"product_id": drift.product_id, "ledger": drift.ledger})
                    cursor.execute(_DOUBT, {"product_id": drift.product_id})
            connection.commit()
            for drift in repaired:
                tell(drift)
            left += [drift for drift in still if drift not in repaired]
    return left
