"""The only SQL of the authorizer, which owns no table: it reads what the auth service keeps, less what is secret."""

from typing import Any

from sqlalchemy import Row, column, exists, select, table
from sqlalchemy.orm import Session

_USERS = table("users", column("id"), column("role"), column("disabled_at"), column("token_generation"))
_REVOKED_TOKENS = table("revoked_tokens", column("token_id"))


def user_of(session: Session, user_id: int, token_id: str) -> Row[Any] | None:
    """A user's `role`, `disabled_at` and `token_generation`, and whether this token was `revoked`."""
    revoked = exists(select(_REVOKED_TOKENS.c.token_id).where(_REVOKED_TOKENS.c.token_id == token_id)).label("revoked")
    users = select(_USERS.c.role, _USERS.c.disabled_at, _USERS.c.token_generation, revoked)
    return session.execute(users.where(_USERS.c.id == user_id)).one_or_none()
