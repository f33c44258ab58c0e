"""Requests and responses."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr, StringConstraints

from common.fields import Payload, Shape, UtcMoment

# Length is the only rule of composition (NIST SP 800-63B, 3.1.1.2); the upper bound keeps hashing cheap.
Password = Annotated[SecretStr, Field(min_length=8, max_length=256)]
Username = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=50, pattern=r"^[A-Za-z0-9_.-]+$")]
Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+\.[^@\s\x00-\x1f]+$"),
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


class UserOut(Shape):
    """A user as everybody may know it."""

    id: int
    username: str
    email: str
    created_at: UtcMoment


class Session(Shape):
    """Signed in: a token for six hours, and whose it is."""

    token: str
    user: UserOut


class Validation(Shape):
    """That a token is valid, and whose it is."""

    valid: Literal[True]
    user_id: int
    username: str
