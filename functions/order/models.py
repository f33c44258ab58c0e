"""The tables this service owns."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, Numeric, String
from sqlalchemy.orm import Mapped, mapped_column

from common.db import Base, UtcDateTime


class Order(Base):
    """A sale of one product to one customer; names and codes as they were then. `version` counts its changes of status."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int]
    product_id: Mapped[int]
    quantity: Mapped[Decimal] = mapped_column(Numeric(12, 3))
    unit_price: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    total_cost: Mapped[Decimal] = mapped_column(Numeric(18, 2))
    timestamp: Mapped[datetime] = mapped_column(UtcDateTime)
    customer_name: Mapped[str] = mapped_column(String(200))
    product_code: Mapped[str] = mapped_column(String(64))
    product_name: Mapped[str] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(20))
    status_reason: Mapped[str | None] = mapped_column(String(300))
    version: Mapped[int] = mapped_column(default=1)


class OrderSum(Base):
    """What orders of a status come to by half hours, up to the one that `OrderSummed` names: see common.sums."""

    __tablename__ = "order_sums"

    slot: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(String(20), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    quantity: Mapped[Decimal] = mapped_column(Numeric(21, 3))
    value: Mapped[Decimal] = mapped_column(Numeric(27, 2))


class OrderSummed(Base):
    """Up to which order they are summed up: one row."""

    __tablename__ = "order_summed"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    deal_id: Mapped[int]


class OrderProductSum(Base):
    """What products come to by blocks of thirty days, up to the order that `OrderProductSummed` names: see common.foremost."""

    __tablename__ = "order_product_sums"

    block: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    product_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    quantity: Mapped[Decimal] = mapped_column(Numeric(21, 3))
    value: Mapped[Decimal] = mapped_column(Numeric(27, 2))


class OrderProductSummed(Base):
    """Up to which order they are summed up: one row."""

    __tablename__ = "order_product_summed"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    deal_id: Mapped[int]
