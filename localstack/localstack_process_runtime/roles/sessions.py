"""Whose credentials a call was signed with, where they are a role's that a function runs as."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

IN_HEADER = re.compile(r"Credential=([^/,\s]+)/|^AWS ([^:\s]+):")
"""Signature versions 4 and 2."""


class UnknownTokenError(Exception):
    """The session token is not the one that was given out with the access key."""


@dataclass(frozen=True, slots=True)
class Session:
    """Credentials as `AssumeRole` gives them."""

    principal: str
    """ARN of the session."""
    partition: str
    account: str
    role: str
    token: str


class Sessions:
    """By access key. They are kept: an invocation may outlive its function's revision, and a key that was forgotten would be anybody's."""

    def __init__(self) -> None:
        self._by_key: dict[str, Session] = {}

    def add(self, role_arn: str, assumed: Mapping[str, Any]) -> None:
        """`assumed` is what AssumeRole answered; from now on its credentials are a function's."""
        _, partition, _, _, account, role = role_arn.split(":", 5)
        credentials = assumed["Credentials"]
        session = Session(assumed["AssumedRoleUser"]["Arn"], partition, account, role.rpartition("/")[2], credentials["SessionToken"])
        self._by_key[credentials["AccessKeyId"]] = session

    def of(self, request: Any) -> Session | None:
        """None where no function signed it. Raises UnknownTokenError."""
        for key, token in _signatures(request):
            session = self.by_key(key, token)
            if session is not None:
                return session
        return None

    def by_key(self, key: str, token: str) -> Session | None:
        """None where the key is no function's. Raises UnknownTokenError."""
        session = self._by_key.get(key)
        if session is not None and session.token != token:
            raise UnknownTokenError
        return session


def _signatures(request: Any) -> Iterator[tuple[str, str]]:
    """Access key and session token: of the header, which LocalStack adds where there is none, and of a URL that was signed in advance."""
    if match := IN_HEADER.search(request.headers.get("Authorization", "")):
        yield match[1] or match[2], request.headers.get("X-Amz-Security-Token", "")
    if credential := request.args.get("X-Amz-Credential"):
        yield credential.partition("/")[0], request.args.get("X-Amz-Security-Token", "")
    if key := request.args.get("AWSAccessKeyId"):
        yield key, request.args.get("x-amz-security-token", "")


@cache
def get_sessions() -> Sessions:
    return Sessions()
