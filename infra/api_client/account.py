"""The user as whom the command works: registered once per gateway, its password kept in the run directory."""

from __future__ import annotations

import fcntl
import json
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
            self._write({**kept, self._base_url: fresh})
            send("/api/auth/register", {**fresh, "email": f"{fresh['username']}@example.invalid"})
            self.username = fresh["username"]
            return self._token(send("/api/auth/login", fresh))

    def _token(self, answer: httpx.Response) -> str:
        answer.raise_for_status()
        return str(answer.json()["token"])

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            return dict(json.loads(self._file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}

    def _write(self, accounts: dict[str, dict[str, str]]) -> None:
        self._file.touch(mode=0o600)
        self._file.write_text(json.dumps(accounts, indent=1), encoding="utf-8")

    @property
    def _file(self) -> Path:
        return self._directory / "accounts.json"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone among the commands of this machine; the kernel ends it with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
