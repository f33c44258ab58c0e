"""The user as whom the command works: registered once per gateway, its password kept in the run directory."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from infra.files import locked, read_secret, write_secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx


class Account:
    """The command's user at one gateway. Idempotency keys belong to a user, so a later run must be the same one."""

    def __init__(self, directory: Path, base_url: str) -> None:
        self._directory = directory
        self._base_url = base_url
        self.username = ""

    def sign_in(self, send: Callable[[str, dict[str, Any]], httpx.Response]) -> str:
        """A fresh token; `send` posts a document to a path.

        Raises httpx.HTTPStatusError where the gateway will have neither us nor a new user.
        """
        with locked(self._directory / "accounts.lock"):
            kept = self._read()
            known = kept.get(self._base_url)
            if known is not None:
                answer = send("/api/auth/login", known)
                if answer.status_code != 401:
                    self.username = known["username"]
                    return self._token(answer)
            # Nobody there knows us: the first time, or the database was emptied since.
            fresh = {"username": f"inventory-command-{secrets.token_hex(4)}", "password": secrets.token_urlsafe(24)}
            write_secret(self._file, json.dumps({**kept, self._base_url: fresh}, indent=1))
            send("/api/auth/register", {**fresh, "email": f"{fresh['username']}@example.invalid"})
            self.username = fresh["username"]
            return self._token(send("/api/auth/login", fresh))

    def _token(self, answer: httpx.Response) -> str:
        answer.raise_for_status()
        return str(answer.json()["token"])

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            return dict(json.loads(read_secret(self._file) or "{}"))
        except ValueError:  # cut off, when it was still written in its place: nobody knows us
            return {}

    @property
    def _file(self) -> Path:
        return self._directory / "accounts.json"
