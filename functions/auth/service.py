"""The rules of users and passwords."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from pydantic import SecretStr
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth import repository
from auth.models import User
from auth.schemas import USERNAME, LoginIn, PasswordChange, RegistrationIn, UserOut, UserQuery, UserStanding
from common.auth import issue_token
from common.db import after_commit, in_transaction, is_duplicate, transaction, utc_now
from common.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, UnauthorizedError
from common.identity import Identity, Role
from common.limits import Limit
from common.observability import logger
from common.paging import page_document

# argon2id with OWASP's parameters for small memory:
# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

# Wrong passwords, and names found taken. A user whose name is known can be kept out from one address, or by a hundred guesses from
# anywhere; for a quarter of an hour, and not where it is signed in.
_GUESSES_OF_BOTH = Limit("login", attempts=10, seconds=300)
_GUESSES_OF_NAME = Limit("login-name", attempts=100, seconds=900)
_GUESSES_OF_ADDRESS = Limit("login-address", attempts=100, seconds=900)
_GUESSES_BY_USER = Limit("password", attempts=10, seconds=300)
_TAKEN = Limit("taken", attempts=20, seconds=600)
REGISTRATIONS = Limit("register", attempts=600, seconds=3600)


def hash_password(password: str) -> str:
    """What is kept of a password. Slow by intent, so done before a transaction is begun."""
    return _HASHER.hash(password.encode("utf-8", "surrogatepass"))


def register(session: Session, new: RegistrationIn, password_hash: str) -> dict[str, Any]:
    """A new user: an admin if it is the first of all, else a clerk. Raises ConflictError for a name or an address that is taken."""
    fields = {
        "username": new.username,
        "email": new.email,
        "password_hash": password_hash,
        "created_at": utc_now(),
        "token_generation": 0,
    }
    try:
        user = _first_user(session, fields) or repository.add(session, fields | {"role": Role.CLERK})
    except IntegrityError as error:
        if not is_duplicate(error):
            raise
        field = "email" if "uq_users_email" in str(error.orig) else "username"
        message = f"this {field} is taken"
        raise ConflictError(message, code=f"{field}_taken", errors=[{"field": field, "message": message}]) from error
    return _document(user)


@contextmanager
def _guess(*counted: tuple[Limit, str]) -> Iterator[None]:
    """What counts only if it turns out to be a wrong guess, and for as long as nobody knows."""
    for limit, subject in counted:
        limit.take(subject)
    wrong = False
    try:
        yield
    except (UnauthorizedError, InvalidError):
        wrong = True
        raise
    finally:
        if not wrong:
            for limit, subject in counted:
                limit.give_back(subject)


@contextmanager
def few_found_taken(address: str) -> Iterator[None]:
    """Let an address hear only so often that a name is taken: who registers has to be told, who collects names is told no more."""
    _TAKEN.take(address)
    taken = False
    try:
        yield
    except ConflictError:
        taken = True
        raise
    finally:
        if not taken:
            _TAKEN.give_back(address)


def login(claim: LoginIn, address: str) -> dict[str, Any]:
    """A token for six hours, and whose it is.

    Raises UnauthorizedError, in the same words and as slowly for an unknown name as for a wrong password; ForbiddenError for
    a disabled user who knows the password; TooManyError after too many that were wrong, for a name, an address, or both together.
    """
    # As names are compared: what differs in case alone is the same one, and what is no name of ours is nobody's.
    name = claim.username.strip().lower()
    with _guess((_GUESSES_OF_BOTH, f"{name} {address}"), (_GUESSES_OF_NAME, name), (_GUESSES_OF_ADDRESS, address)):
        user = None
        if re.fullmatch(USERNAME, name):
            with transaction() as session:
                user = repository.by_username(session, name)
        if not _is_password_of(user, claim.password) or user is None:
            raise UnauthorizedError("username or password is wrong", code="wrong_credentials")
    if user.disabled_at is not None:
        raise ForbiddenError("this user is disabled", code="user_disabled")
    return _session_of(user)


def logout(session: Session, identity: Identity) -> None:
    """Have the caller's token no longer count; the gateway learns of it when it asks the authorizer next."""
    repository.revoke_token(session, identity.token_id, datetime.fromtimestamp(identity.token_expires, UTC))


def change_password(user_id: int, change: PasswordChange) -> dict[str, Any]:
    """A new password and with it a new token; all others of this user no longer count.

    Raises InvalidError if the current password is another one, TooManyError after too many that were.
    """
    with _guess((_GUESSES_BY_USER, str(user_id))):
        with transaction() as session:
            user = _known(repository.get(session, user_id))
        verified = user.password_hash
        if not _is_password_of(user, change.current_password):
            raise _not_the_current_password()
    # Slow by intent, so done while nothing is locked.
    password_hash = hash_password(change.new_password.get_secret_value())

    def keep(session: Session) -> dict[str, Any]:
        user = _known(repository.get(session, user_id, for_update=True))
        if user.password_hash != verified:  # it was changed meanwhile
            raise _not_the_current_password()
        user.password_hash = password_hash
        user.token_generation += 1
        return _session_of(user)

    return in_transaction(keep)


def get_user(user_id: int) -> dict[str, Any]:
    """The signed-in user. Raises UnauthorizedError if it is there no more."""
    with transaction() as session:
        user = _known(repository.get(session, user_id))
    return _document(user)


def list_users(query: UserQuery) -> dict[str, Any]:
    """A page of users."""
    with transaction() as session:
        page = repository.page(session, query)
    return page_document("users", [_document(user) for user in page.rows], page, query)


def change_user(session: Session, user_id: int, standing: UserStanding, by: Identity) -> dict[str, Any]:
    """The user with another role, disabled or enabled again. Whoever is disabled has to sign in anew once enabled.

    Raises NotFoundError, or ConflictError if nobody would be left to do such things.
    """
    admins = repository.lock_active_admins(session)
    user = repository.get(session, user_id, for_update=True)
    if user is None:
        raise NotFoundError(f"there is no user {user_id}", code="user_not_found")
    stays_admin = standing.role == Role.ADMIN and not standing.disabled
    if admins == {user_id} and not stays_admin:
        raise ConflictError("this is the last admin; make somebody else one first", code="last_admin")
    before = {"role": user.role, "disabled": user.disabled_at is not None}
    user.role = standing.role
    if standing.disabled and user.disabled_at is None:
        user.disabled_at = utc_now()
        user.token_generation += 1
    elif not standing.disabled:
        user.disabled_at = None
    after = {"role": standing.role.value, "disabled": standing.disabled}
    after_commit(session, lambda: logger.info("user_changed", user_id=user_id, before=before, after=after, by=by.user_id))
    return _document(user)


def _first_user(session: Session, fields: dict[str, Any]) -> User | None:
    """The first user of all, unless there is one; of two that register at once, the second waits here for the first one's commit."""
    if repository.has_founder(session):
        return None
    try:
        with session.begin_nested():
            return repository.add(session, fields | {"role": Role.ADMIN, "founder": True})
    except IntegrityError as error:
        if "uq_users_founder" not in str(error.orig):
            raise
        return None


def _is_password_of(user: User | None, password: SecretStr) -> bool:
    """Whether it is the user's password; nobody's is verified as slowly as anybody's, the first time a process does it too."""
    nobodys = _hash_of_nobody()
    try:
        _HASHER.verify(user.password_hash if user else nobodys, password.get_secret_value().encode("utf-8", "surrogatepass"))
    except VerifyMismatchError:
        return False
    return user is not None


def _not_the_current_password() -> InvalidError:
    return InvalidError.of_field("current_password", "is not the current password", code="wrong_password")


def _session_of(user: User) -> dict[str, Any]:
    return {"token": issue_token(user.id, user.username, user.token_generation), "user": _document(user)}


def _known(user: User | None) -> User:
    if user is None:
        raise UnauthorizedError("this user does not exist any more")
    return user


@cache
def _hash_of_nobody() -> str:
    return hash_password("the password of nobody")


def _document(user: User) -> dict[str, Any]:
    return UserOut.model_validate(user).document()
