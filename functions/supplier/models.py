"""The table this service owns."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from common.db import Base


class Supplier(Base):
    """Whom the company buys from."""

    __tablename__ = "suppliers"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    city: Mapped[str] = mapped_column(String(100))
    address: Mapped[str] = mapped_column(String(300))
    contact_person: Mapped[str] = mapped_column(String(200))
    version: Mapped[int] = mapped_column(default=1)
