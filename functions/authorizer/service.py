"""Whom a token speaks for now: what it says, and what has become of its user since it was issued."""

from authorizer import repository
from common.auth import authenticate
from common.db import transaction
from common.errors import UnauthorizedError
from common.identity import Identity, Role


def identify(authorization: str | None) -> Identity:
    """The user of an `Authorization: Bearer <token>` header, with the role it has now.

    Raises UnauthorizedError for a token that is not ours, was revoked, or whose user is disabled; UnavailableError where the
    database cannot say.
    """
    claims = authenticate(authorization)
    with transaction() as session:
        user = repository.user_of(session, claims.user_id, claims.token_id)
    if user is None:
        raise UnauthorizedError("the token's user does not exist")
    if user.disabled_at is not None:
        raise UnauthorizedError("the token's user is disabled")
    if user.revoked or claims.generation != user.token_generation:
        raise UnauthorizedError("the token was revoked")
    return Identity(
        user_id=claims.user_id,
        username=claims.username,
        role=Role(user.role),
        token_id=claims.token_id,
        token_expires=claims.expires,
    )
