"""The only SQL of this service."""

from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from auth.models import RevokedToken, User
from auth.schemas import UserQuery
from common.identity import Role
from common.lists import Source, by, equal, read_page, rest
from common.paging import Page

_LISTED = Source(
    User,
    {
        "username": by("uq_users_username", User.username),
        "email": by("uq_users_email", User.email),
        **{name: by(f"ix_users_{name}", getattr(User, name)) for name in ("role", "created_at")},
    },
)


def get(session: Session, user_id: int, *, for_update: bool = False) -> User | None:
    """A user, locked if it is to be changed."""
    return session.get(User, user_id, with_for_update=for_update or None)


def by_username(session: Session, username: str) -> User | None:
    """The user of that name, whatever its case."""
    return session.scalars(select(User).filter_by(username=username)).one_or_none()


def has_founder(session: Session) -> bool:
    """Whether anybody has registered yet."""
    return session.scalar(select(User.id).where(User.founder.is_(True))) is not None


def lock_active_admins(session: Session) -> set[int]:
    """The ids of the admins who may sign in; nobody else can change who they are until this transaction ends."""
    admins = select(User.id).where(User.role == Role.ADMIN, User.disabled_at.is_(None)).order_by(User.id)
    return set(session.scalars(admins.with_for_update()))


def add(session: Session, fields: dict[str, Any]) -> User:
    """A new user, with its id. Raises IntegrityError for a name or an address that is taken, or a second founder."""
    user = User(**fields)
    session.add(user)
    session.flush()
    return user


def page(session: Session, query: UserQuery) -> Page:
    """A page of users."""
    called = or_(*(column.icontains(query.q or "", autoescape=True) for column in (User.username, User.email)))
    disabled = User.disabled_at.is_not(None) if query.disabled else User.disabled_at.is_(None)
    narrowings = [
        *equal(User.role, query.role, "ix_users_role"),
        *rest(disabled, wanted=query.disabled is not None),
        *rest(called, wanted=bool(query.q)),
    ]
    return read_page(session, _LISTED, query, narrowings)


def revoke_token(session: Session, token_id: str, expires_at: datetime) -> None:
    """Have a token no longer count; once more makes no difference."""
    session.execute(insert(RevokedToken).prefix_with("IGNORE").values(token_id=token_id, expires_at=expires_at))
