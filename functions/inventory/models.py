"""The tables this service owns."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, Numeric, String
from sqlalchemy.orm import Mapped, mapped_column

from common.db import Base, UtcDateTime

# Stock below this is low.
LOW_STOCK = Decimal(10)


class Storage(Base):
    """How much there is of a product; `version` counts its changes, `low_since` says how long it has been below the threshold."""

    __tablename__ = "storages"

    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int]
    quantity: Mapped[Decimal] = mapped_column(Numeric(15, 3))
    version: Mapped[int] = mapped_column(BigInteger)
    low_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # When the last movement was: the next one is not earlier, whatever the clock says.
    moved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # What the product service told last, and with which version of the product: for the stock's value.
    price_buy: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    product_version: Mapped[int]

    @property
    def low(self) -> bool:
        """Whether it is time to buy."""
        return self.quantity < LOW_STOCK


class StockMovement(Base):
    """A change of stock, never altered: the sum of a product's deltas is its stock."""

    __tablename__ = "stock_movements"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    product_id: Mapped[int]
    delta: Mapped[Decimal] = mapped_column(Numeric(15, 3))
    balance_after: Mapped[Decimal] = mapped_column(Numeric(15, 3))
    reason: Mapped[str] = mapped_column(String(20))
    event_id: Mapped[str] = mapped_column(String(36))
    reference: Mapped[str | None] = mapped_column(String(120))
    trace_id: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class StockAlert(Base):
    """The log of crossings: `low_stock` when stock fell below the threshold, `stock_recovered` when it rose to it again."""

    __tablename__ = "stock_alerts"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    product_id: Mapped[int]
    kind: Mapped[str] = mapped_column(String(20))
    quantity: Mapped[Decimal] = mapped_column(Numeric(15, 3))
    threshold: Mapped[Decimal] = mapped_column(Numeric(15, 3))
    stock_version: Mapped[int] = mapped_column(BigInteger)
    cause_event_id: Mapped[str] = mapped_column(String(36))
    occurred_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # Of a fall: when stock first recovered after it.
    cleared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class StockSum(Base):
    """A part of what all storages come to, as changed by some of the connections: only all parts together say anything.

    `in_stock` is how many have something, `enough` how many have no less than the threshold: of both, a storage that never moved
    is none.
    """

    __tablename__ = "stock_sums"

    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    quantity: Mapped[Decimal] = mapped_column(Numeric(21, 3))
    value: Mapped[Decimal] = mapped_column(Numeric(32, 5))
    in_stock: Mapped[int] = mapped_column(BigInteger)
    enough: Mapped[int] = mapped_column(BigInteger)


class StockSummed(Base):
    """Since when `StockSum` holds: one row, or none until then."""

    __tablename__ = "stock_summed"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    since: Mapped[datetime] = mapped_column(UtcDateTime)


class LedgerSum(Base):
    """What the movements of a product come to, by reason, up to the one that `LedgerSummed` names."""

    __tablename__ = "ledger_sums"

    product_id: Mapped[int] = mapped_column(primary_key=True)
    movements: Mapped[Decimal] = mapped_column(Numeric(18, 3))
    opening: Mapped[Decimal] = mapped_column(Numeric(18, 3))
    procured: Mapped[Decimal] = mapped_column(Numeric(18, 3))
    ordered: Mapped[Decimal] = mapped_column(Numeric(18, 3))
    cancelled: Mapped[Decimal] = mapped_column(Numeric(18, 3))
    returned: Mapped[Decimal] = mapped_column(Numeric(18, 3))
    corrected: Mapped[Decimal] = mapped_column(Numeric(18, 3))


class LedgerSummed(Base):
    """Up to which movement the ledger is summed up: one row."""

    __tablename__ = "ledger_summed"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    movement_id: Mapped[int] = mapped_column(BigInteger)
