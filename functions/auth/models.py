"""The tables this service owns."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from common.db import Base, UtcDateTime


class User(Base):
    """Someone who may sign in, unless disabled."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(50))
    email: Mapped[str] = mapped_column(String(254))
    password_hash: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    role: Mapped[str] = mapped_column(String(10))
    # True for whoever registered first, null for all others: unique, so that of two at once one is the first.
    founder: Mapped[bool | None]
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # How often all tokens issued so far were made void. A token carries the number it was issued under.
    token_generation: Mapped[int]


class RevokedToken(Base):
    """A token whose user signed out before it expired."""

    __tablename__ = "revoked_tokens"

    token_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
