"""The supervisor's view of the instance while it runs; every change of it is published to `state.json`."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra.stack.state import State

RUNNING = "running"
STARTING = "starting"
STOPPING = "stopping"
STOPPED = "stopped"
WAITING = "waiting"
UNHEALTHY = "unhealthy"
BROKEN = "restarting"
DONE = "done"
FAILED = "failed"

log = logging.getLogger("supervisor")


class Board:
    """Shared by the supervisor's threads."""

    def __init__(self, state: State, header: dict[str, Any]) -> None:
        self._state = state
        self._content: dict[str, Any] = {**header, "servers": {}, "jobs": {}}
        self._changed = threading.Condition(threading.RLock())
        self._published = True

    def set_server(self, name: str, **values: Any) -> None:
        self._set("servers", name, values)

    def set_job(self, name: str, **values: Any) -> None:
        self._set("jobs", name, values)

    def up(self, names: Iterable[str], request: int = 0) -> bool:
        """Whether each named server serves and each named job is done, for the given or a later request."""
        with self._changed:
            return all(self._serves(name) or self._done(name, request) for name in names)

    def server(self, name: str) -> dict[str, Any]:
        with self._changed:
            return dict(self._content["servers"].get(name, {}))

    def wait(self, timeout: float) -> None:
        """Until something changes, at most `timeout` seconds."""
        with self._changed:
            self._changed.wait(timeout)

    def _serves(self, name: str) -> bool:
        return bool(self._content["servers"].get(name, {}).get("actual") == RUNNING)

    def _done(self, name: str, request: int) -> bool:
        job = self._content["jobs"].get(name, {})
        return bool(job.get("actual") == DONE and job["answered"] >= request)

    def _set(self, kind: str, name: str, values: dict[str, Any]) -> None:
        with self._changed:
            entry = self._content[kind].setdefault(name, {})
            if "actual" in values and values["actual"] != entry.get("actual"):
                values["since"] = datetime.now(UTC).isoformat(timespec="milliseconds")
            if all(entry.get(key) == value for key, value in values.items()):
                if not self._published:
                    self._publish()
                return
            entry.update(values)
            self._content["updated"] = time.time()
            self._publish()
            self._changed.notify_all()

    def _publish(self) -> None:
        """What cannot be written, on a full disk, is written with a later look: servers are kept and stopped all the same."""
        try:
            self._state.publish(self._content)
        except OSError as error:
            if self._published:
                log.error("state.json is behind until it can be written: %s", error)  # noqa: TRY400 (no traceback helps a full disk)
            self._published = False
        else:
            self._published = True
