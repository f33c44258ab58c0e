"""JSON Web Tokens (RFC 7519), signed with a secret that Secrets Manager keeps and rotates."""

import hashlib
import time
import uuid
from dataclasses import dataclass
from functools import cache
from typing import Any

import jwt
from botocore.exceptions import BotoCoreError, ClientError

from common.aws import get_client
from common.config import get_settings
from common.errors import UnauthorizedError
from common.observability import logger

TOKEN_SECONDS = 6 * 3600
_KEYS_SECONDS = 300
_UNKNOWN_KEY_SECONDS = 10
# A new key signs once everybody would read it anew: a process that looked just before the rotation does not look again before.
_SIGNS_AFTER_SECONDS = 15
_STAGES = ("AWSCURRENT", "AWSPREVIOUS")
_CLAIMS = ["sub", "username", "generation", "iat", "exp", "jti"]


@dataclass(frozen=True)
class Claims:
    """What a token says of itself. Whether it still counts, and with which role, the authorizer asks the database."""

    user_id: int
    username: str
    generation: int
    """How often the user's tokens had all been made void when this one was issued."""
    token_id: str
    expires: int
    """Seconds since the epoch."""


@dataclass(frozen=True)
class _Key:
    kid: str
    secret: str
    created: float
    """Seconds since the epoch."""


class SigningKeys:
    """The secret's current and previous version; a token names the one it was signed with by `kid`, a digest of it.

    A digest rather than the version's id, so that a secret restored elsewhere keeps its tokens valid.
    """

    def __init__(self) -> None:
        self._keys: dict[str, _Key] = {}
        self._read_at = float("-inf")

    def current(self) -> _Key:
        """The key that new tokens are signed with: for a moment after a rotation still the previous one."""
        self._refresh(_KEYS_SECONDS)
        newest = self._keys["AWSCURRENT"]
        return newest if newest.created < time.time() - _SIGNS_AFTER_SECONDS else self._keys.get("AWSPREVIOUS", newest)

    def find(self, kid: object) -> _Key | None:
        """The key of that id. An unknown one may be newer than what was read, so the secret is read again, if not for every forgery."""
        self._refresh(_KEYS_SECONDS)
        if not self._with_id(kid):
            self._refresh(_UNKNOWN_KEY_SECONDS)
        return self._with_id(kid)

    def _with_id(self, kid: object) -> _Key | None:
        return next((key for key in self._keys.values() if key.kid == kid), None)

    def _refresh(self, seconds: float) -> None:
        if time.monotonic() - self._read_at < seconds:
            return
        try:
            self._keys, self._read_at = self._read(), time.monotonic()
        except (BotoCoreError, ClientError):
            # Secrets Manager may be away; the keys at hand are good until it is back.
            if not self._keys:
                raise
            logger.exception("signing_keys_not_refreshed")

    def _read(self) -> dict[str, _Key]:
        secret_id = get_settings().jwt_secret_id
        if not secret_id:
            raise RuntimeError("settings are missing or unfit: JWT_SECRET_ID: Field required")
        client = get_client("secretsmanager")
        keys = {}
        for stage in _STAGES:
            try:
                value = client.get_secret_value(SecretId=secret_id, VersionStage=stage)
            except client.exceptions.ResourceNotFoundException:
                if stage == "AWSCURRENT":
                    raise
                continue
            secret = value["SecretString"]
            kid = hashlib.sha256(secret.encode()).hexdigest()[:16]
            keys[stage] = _Key(kid=kid, secret=secret, created=value["CreatedDate"].timestamp())
        return keys


@cache
def get_signing_keys() -> SigningKeys:
    """The process's signing keys."""
    return SigningKeys()


def issue_token(user_id: int, username: str, generation: int) -> str:
    """A token that identifies the user for six hours."""
    key, now = get_signing_keys().current(), int(time.time())
    claims = {
        "sub": str(user_id),
        "username": username,
        "generation": generation,
        "iat": now,
        "exp": now + TOKEN_SECONDS,
        "jti": str(uuid.uuid4()),
    }
    return jwt.encode(claims, key.secret, algorithm="HS256", headers={"kid": key.kid})


def authenticate(authorization: str | None) -> Claims:
    """What the token of an `Authorization: Bearer <token>` header says.

    Raises UnauthorizedError for a token that is missing, malformed, expired, or not signed by us with HS256.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthorizedError("a bearer token is needed")
    return read_token(token.strip())


def read_token(token: str) -> Claims:
    """What a token says. Raises UnauthorizedError as `authenticate` does."""
    try:
        key = get_signing_keys().find(jwt.get_unverified_header(token).get("kid"))
        if key is None:
            raise UnauthorizedError("the token is signed with an unknown key")
        claims: dict[str, Any] = jwt.decode(token, key.secret, algorithms=["HS256"], options={"require": _CLAIMS})
        return Claims(
            user_id=int(claims["sub"]),
            username=str(claims["username"]),
            generation=int(claims["generation"]),
            token_id=str(claims["jti"]),
            expires=int(claims["exp"]),
        )
    except jwt.ExpiredSignatureError:
        raise UnauthorizedError("the token has expired", code="token_expired") from None
    except (jwt.InvalidTokenError, ValueError, TypeError):
        raise UnauthorizedError("the token is not valid") from None
