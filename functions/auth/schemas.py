"""Requests and responses."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr, StringConstraints

from common.fields import Payload, Personal, Shape, UtcMoment
from common.identity import Role
from common.paging import ListQuery

# Length is the only rule of composition (NIST SP 800-63B, 3.1.1.2); the upper bound keeps hashing cheap.
Password = Annotated[SecretStr, Field(min_length=8, max_length=256)]
USERNAME = r"^[A-Za-z0-9_.-]+$"
Username = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=50, pattern=USERNAME)]
_PART = r"[^@\s\x00-\x1f\x7f-\x9f]"
Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=254, pattern=rf"^{_PART}+@{_PART}+\.{_PART}+$"),
]


class RegistrationIn(Payload):
    """A new user."""

    username: Username
    email: Email
    password: Password


class LoginIn(Payload):
    """Who claims to be whom."""

    username: Annotated[str, Field(max_length=254)]
    password: Annotated[SecretStr, Field(max_length=256)]


class PasswordChange(Payload):
    """A new password, from somebody who knows the present one."""

    current_password: Annotated[SecretStr, Field(max_length=256)]
    new_password: Password


class UserStanding(Payload):
    """What an admin decides about a user."""

    role: Role
    disabled: Annotated[bool, Field(strict=True)]


class UserOut(Shape):
    """A user, without anything that is a secret; `disabled_at` is null for one who may sign in."""

    id: int
    username: Personal
    email: Personal
    created_at: UtcMoment
    role: Role
    disabled_at: UtcMoment | None


class Session(Shape):
    """Signed in: a token for six hours, and whose it is."""

    token: str
    user: UserOut


class Validation(Shape):
    """That a token is valid, and whose it is."""

    valid: Literal[True]
    user_id: int
    username: Personal
    role: Role


class UserQuery(ListQuery):
    """What the list of users can be narrowed and sorted by."""

    sortable: ClassVar[tuple[str, ...]] = ("id", "username", "email", "role", "created_at")

    role: Role | None = None
    disabled: bool | None = None
