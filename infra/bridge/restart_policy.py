"""When a consumer process that died is started again, and when it is given up. Knows neither processes nor clocks."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from infra.bridge.settings import BridgeSettings

State = Literal["starting", "running", "restarting", "given_up", "stopped"]


@dataclass
class RestartPolicy:
    """The life of one consumer process, told as it happens; `now` is seconds of any clock that only goes forward.

    Restarted after 1, 2 and 4 seconds; given up when it dies after the third restart; a stable minute starts the count anew.
    """

    settings: BridgeSettings
    state: State = "stopped"
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    restarts: int = 0
    reason: str | None = None
    start_at: float | None = 0.0
    _failures: int = 0
    _running_from: float | None = None

    def is_due(self, now: float) -> bool:
        """Whether the process is to be started now."""
        return self.start_at is not None and now >= self.start_at

    def started(self) -> None:
        """The process was started; it has not said anything yet."""
        if self.state == "restarting":
            self.restarts += 1
        self.start_at = None
        self._running_from = None
        self._enter("starting")

    def heard_of(self, now: float) -> None:
        """The process says that it is well."""
        if self.state == "starting":
            self._running_from = now
            self._enter("running")
        elif self._failures and self._running_from is not None and now - self._running_from >= self.settings.stable_seconds:
            self._failures = 0

    def died(self, now: float, reason: str) -> None:
        """The process is gone, for this reason."""
        self.reason = reason
        if self._running_from is not None and now - self._running_from >= self.settings.stable_seconds:
            self._failures = 0
        delays = self.settings.restart_delays
        if self._failures >= len(delays):
            self.start_at = None
            self._enter("given_up")
            return
        self.start_at = now + delays[self._failures]
        self._failures += 1
        self._enter("restarting")

    def stopped(self) -> None:
        """The process was asked to go and went."""
        self.start_at = None
        self._enter("stopped")

    def revive(self) -> None:
        """Begin again from nothing: at the start, and when the operator asks for a consumer that was given up."""
        self._failures = 0
        self.start_at = 0.0

    def _enter(self, state: State) -> None:
        self.state = state
        self.since = datetime.now(UTC)
