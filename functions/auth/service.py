"""The rules of users and passwords."""

from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth import repository
from auth.models import User
from auth.schemas import LoginIn, RegistrationIn, UserOut
from common.auth import issue_token
from common.db import is_duplicate, transaction, utc_now
from common.errors import ConflictError, UnauthorizedError

# argon2id with OWASP's parameters for small memory:
# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def hash_password(password: str) -> str:
    """What is kept of a password. Slow by intent, so done before a transaction is begun."""
    return _HASHER.hash(password.encode("utf-8", "surrogatepass"))


def register(session: Session, new: RegistrationIn, password_hash: str) -> dict[str, Any]:
    """A new user. Raises ConflictError for a name or an address that is taken."""
    fields = {"username": new.username, "email": new.email, "password_hash": password_hash, "created_at": utc_now()}
    try:
        user = repository.add(session, fields)
    except IntegrityError as error:
        if not is_duplicate(error):
            raise
        field = "email" if "uq_users_email" in str(error.orig) else "username"
        message = f"this {field} is taken"
        raise ConflictError(message, code=f"{field}_taken", errors=[{"field": field, "message": message}]) from error
    return _document(user)


def login(claim: LoginIn) -> dict[str, Any]:
    """A token for six hours, and whose it is.

    Raises UnauthorizedError, in the same words and as slowly for an unknown name as for a wrong password.
    """
    with transaction() as session:
        user = repository.by_username(session, claim.username.encode("utf-8", "replace").decode())
    try:
        password = claim.password.get_secret_value().encode("utf-8", "surrogatepass")
        _HASHER.verify(user.password_hash if user else _hash_of_nobody(), password)
    except VerifyMismatchError:
        user = None
    if user is None:
        raise UnauthorizedError("username or password is wrong", code="wrong_credentials")
    return {"token": issue_token(user.id, user.username), "user": _document(user)}


def get_user(user_id: int) -> dict[str, Any]:
    """A signed-in user. Raises UnauthorizedError if it is there no more."""
    with transaction() as session:
        user = repository.get(session, user_id)
    if user is None:
        raise UnauthorizedError("this user does not exist any more")
    return _document(user)


@cache
def _hash_of_nobody() -> str:
    return hash_password("the password of nobody")


def _document(user: User) -> dict[str, Any]:
    return UserOut.model_validate(user).document()
