"""The tables this service owns."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, Numeric, String
from sqlalchemy.orm import Mapped, mapped_column

from common.db import Base, UtcDateTime


class Procurement(Base):
    """A purchase of one product from one supplier; names and codes as they were then."""

    __tablename__ = "procurements"

    id: Mapped[int] = mapped_column(primary_key=True)
    supplier_id: Mapped[int]
    product_id: Mapped[int]
    quantity: Mapped[Decimal] = mapped_column(Numeric(12, 3))
    unit_price: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    total_cost: Mapped[Decimal] = mapped_column(Numeric(18, 2))
    timestamp: Mapped[datetime] = mapped_column(UtcDateTime)
    supplier_name: Mapped[str] = mapped_column(String(200))
    product_code: Mapped[str] = mapped_column(String(64))
    product_name: Mapped[str] = mapped_column(String(255))


class ProcurementSum(Base):
    """What procurements come to by half hours, up to the one that `ProcurementSummed` names: see common.sums."""

    __tablename__ = "procurement_sums"

    slot: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    count: Mapped[int] = mapped_column(BigInteger)
    quantity: Mapped[Decimal] = mapped_column(Numeric(21, 3))
    value: Mapped[Decimal] = mapped_column(Numeric(27, 2))


class ProcurementSummed(Base):
    """Up to which procurement they are summed up: one row."""

    __tablename__ = "procurement_summed"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    deal_id: Mapped[int]


class ProcurementProductSum(Base):
    """What products come to by blocks of thirty days, up to the procurement that `ProcurementProductSummed` names: see common.foremost."""

    __tablename__ = "procurement_product_sums"

    block: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    product_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    quantity: Mapped[Decimal] = mapped_column(Numeric(21, 3))
    value: Mapped[Decimal] = mapped_column(Numeric(27, 2))


class ProcurementProductSummed(Base):
    """Up to which procurement they are summed up: one row."""

    __tablename__ = "procurement_product_summed"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    deal_id: Mapped[int]
