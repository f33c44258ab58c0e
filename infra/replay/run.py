"""A run of the replay, remembered in the run directory so that one that was broken off can go on under its own keys."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from infra.files import written_whole

if TYPE_CHECKING:
    from pathlib import Path

# The system forgets Idempotency-Keys after 24 hours; a resumed run must be over before.
RESUMABLE = timedelta(hours=22)


class NotResumableError(Exception):
    """The run cannot go on without doing something twice."""


@dataclass(frozen=True)
class Run:
    """Which file goes where. The run's id and the line's number make each request's Idempotency-Key."""

    run_id: str
    sha256: str
    limit: int | None
    base_url: str
    started_at: str

    @classmethod
    def new(cls, file: Path, limit: int | None, base_url: str) -> Self:
        """A run that nobody has begun."""
        now = datetime.now(UTC)
        run_id = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        return cls(run_id, digest(file), limit, base_url, now.isoformat())

    @classmethod
    def resumed(cls, directory: Path, run_id: str, file: Path, username: str) -> Self:
        """The run of that id. Raises NotResumableError where its keys would not protect it."""
        try:
            kept = json.loads((directory / f"{run_id}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            known = ", ".join(sorted(path.stem for path in directory.glob("*.json"))) or "none"
            raise NotResumableError(f"There is no run {run_id}. There are: {known}") from None
        user = kept.pop("username")
        run = cls(**kept)
        if run.sha256 != digest(file):
            raise NotResumableError(f"{file.name} is not the file (any more) that run {run_id} was begun with.")
        if datetime.now(UTC) - datetime.fromisoformat(run.started_at) > RESUMABLE:
            raise NotResumableError(f"Run {run_id} is older than {RESUMABLE}: the system has forgotten its keys. Begin a new one.")
        if user != username:
            raise NotResumableError(f"Run {run_id} was made as {user}, who is not known to this system any more.")
        return run

    def remember(self, directory: Path, username: str) -> None:
        """Keep it, before its first request."""
        with written_whole(directory / f"{self.run_id}.json") as file:
            file.write(json.dumps({**asdict(self), "username": username}, indent=1).encode())

    def key(self, what: str) -> str:
        """The Idempotency-Key of one request of this run."""
        return f"replay {self.run_id} {what}"


def digest(file: Path) -> str:
    """What the file is, whatever it is called."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
