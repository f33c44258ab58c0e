"""The only SQL of this service."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from auth.models import User


def get(session: Session, user_id: int) -> User | None:
    """A user."""
    return session.get(User, user_id)


def by_username(session: Session, username: str) -> User | None:
    """The user of that name, whatever its case."""
    return session.scalars(select(User).filter_by(username=username)).one_or_none()


def add(session: Session, fields: dict[str, Any]) -> User:
    """A new user, with its id. Raises IntegrityError for a name or an address that is taken."""
    user = User(**fields)
    session.add(user)
    session.flush()
    return user
