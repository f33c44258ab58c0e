"""The table this service owns."""

from decimal import Decimal

from sqlalchemy import Numeric, String
from sqlalchemy.orm import Mapped, mapped_column

from common.db import Base


class Product(Base):
    """What the company buys and sells."""

    __tablename__ = "products"

    id: Mapped[int] = mapped_column(primary_key=True)
    product_code: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(255))
    category: Mapped[str] = mapped_column(String(100))
    price_buy: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    price_sell: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    measure_unit: Mapped[str] = mapped_column(String(20))
    supplier_id: Mapped[int]
    version: Mapped[int] = mapped_column(default=1)
