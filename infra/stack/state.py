"""What the supervisor tells the world, and what the world asks of it: two JSON files in the run directory.

Files rather than a socket: they can be read when the supervisor is dead, which is when one wants to know.
"""

from __future__ import annotations

import copy
import fcntl
import json
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from infra.files import written_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class State:
    """`state.json` is written by the supervisor only, `requests.json` by commands only."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._state = run_dir / "state.json"
        self._requests = run_dir / "requests.json"
        self._lock = run_dir / "supervisor.lock"
        self._known: tuple[tuple[int, int] | None, dict[str, Any]] = (None, {})

    def read(self) -> dict[str, Any]:
        """The last published state; empty before the first start."""
        return _read(self._state)

    def publish(self, state: dict[str, Any]) -> None:
        _write(self._state, state, synced=False)

    def requests(self) -> dict[str, Any]:
        """`stopped`: servers to keep down. `restarts`: server -> how often asked. `deployments`: how often asked.

        The supervisor looks many times a second, so the file is read only when it is another one than before: see `_write`.
        """
        try:
            found = self._requests.stat()
        except FileNotFoundError:
            return {"stopped": [], "restarts": {}, "deployments": 0}
        seen = (found.st_ino, found.st_mtime_ns)
        if self._known[0] != seen:
            self._known = (seen, {"stopped": [], "restarts": {}, "deployments": 0} | _read(self._requests))
        return copy.deepcopy(self._known[1])

    @contextmanager
    def changing_requests(self) -> Iterator[dict[str, Any]]:
        """Read, change, write, alone: two commands at once do not undo each other."""
        self._run_dir.mkdir(parents=True, exist_ok=True)
        with (self._run_dir / "requests.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            requests = self.requests()
            yield requests
            _write(self._requests, requests, synced=True)

    def claim(self) -> IO[str] | None:
        """The supervisor's lock, to be held for life; None when another holds it. The kernel frees it with the process."""
        self._run_dir.mkdir(parents=True, exist_ok=True)
        lock = self._lock.open("a")
        deadline = time.monotonic() + 0.5  # longer than anybody's look into supervised()
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    lock.close()
                    return None
                time.sleep(0.05)
            else:
                return lock

    def supervised(self) -> bool:
        """Whether a supervisor lives."""
        if not self._lock.exists():
            return False
        with self._lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # of what was not synced a power failure leaves an empty file
        return {}
    return dict(content)


def _write(path: Path, content: dict[str, Any], *, synced: bool) -> None:
    with written_whole(path, synced=synced) as file:
        file.write(json.dumps(content, indent=2).encode())
