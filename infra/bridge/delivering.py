"""The thread that delivers to one consumer: wakes, reads the outbox, has the function told, records how it went."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common.crash_points import crash_point
from common.observability import logger
from common.topology import Event
from infra.bridge.database import DATABASE_AWAY, Database, close, connect
from infra.bridge.delivery import Round, Row
from infra.bridge.dispatcher import Dispatcher
from infra.bridge.invocation import Invoke, Outcome
from infra.bridge.outbox import Outbox
from infra.bridge.settings import BridgeSettings

# Ids are given before their transactions are committed: rows this far below the newest may yet appear. Should one come
# from still further below, the next sweep finds it.
_LATE_IDS = 1000


@dataclass
class Counts:
    """What the process has done so far, and what keeps it from doing more."""

    delivered: int = 0
    failed: int = 0
    dead_lettered: int = 0
    batches: int = 0
    last_error: str | None = None
    outage: str | None = None


class Delivering(threading.Thread):
    """Delivers to `consumer` until stopped; woken by `wake`, by time, and by its own retries."""

    def __init__(self, consumer: str, settings: BridgeSettings, invoker_of: Callable[[str, BridgeSettings], Invoke]) -> None:
        super().__init__(name="delivering", daemon=True)
        self._consumer = consumer
        self._settings = settings
        self._invoker_of = invoker_of
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._connection: Database | None = None
        self._outages_in_a_row = 0
        self._retry_at = float("inf")
        self._finish_at = 0.0
        self._sweep_at = 0.0
        self._passed = 0
        # What the function has been told, all well by its own account, and what is still to be recorded.
        self._told: list[Row] = []
        self.counts = Counts()
        self.last_step_at = time.monotonic()
        self.redis_is_there: Callable[[], bool] = lambda: True

    def wake(self) -> None:
        """There may be something to deliver."""
        self._woken.set()

    def stop(self) -> None:
        """Finish what is in hand, begin nothing new."""
        self._stopping.set()
        self._woken.set()

    def run(self) -> None:
        """Deliver until stopped. An error that is nobody's outage ends the process, for the supervisor to see."""
        try:
            invoke = self._invoker_of(self._consumer, self._settings)
            dispatcher = Dispatcher(
                self._step_noting(invoke),
                batch_bytes=self._settings.batch_bytes,
                go_on=lambda: not self._stopping.is_set(),
            )
            while not self._stopping.is_set():
                self.last_step_at = time.monotonic()
                self._woken.clear()
                if self._turn(dispatcher):
                    continue
                self._woken.wait(self._seconds_to_wait())
            self._close()
        except Exception as error:  # noqa: BLE001  # its end is the process's end, and the supervisor's to judge
            logger.exception("delivering_failed")
            self.counts.last_error = f"{type(error).__name__}: {error}"

    def _step_noting(self, invoke: Invoke) -> Invoke:
        """Each invocation is bounded, but a round may hold many: note the progress."""

        def noted(events: Sequence[Event]) -> Outcome:
            self.last_step_at = time.monotonic()
            return invoke(events)

        return noted

    def _turn(self, dispatcher: Dispatcher) -> bool:
        """Deliver one batch. Returns whether there may be more at once."""
        try:
            return self._deliver(dispatcher)
        except DATABASE_AWAY as error:
            self._forget_connection()
            self._wait_out(f"{type(error).__name__}: {error}")
            return False

    def _deliver(self, dispatcher: Dispatcher) -> bool:
        if self._connection is None:
            self._connection = connect()
        outbox = Outbox(self._connection, self._consumer, self._settings)
        if time.monotonic() >= self._finish_at:
            outbox.finish()
            self._finish_at = time.monotonic() + self._settings.finish_seconds
        rows = self._read(outbox)
        told = {row.id for row in self._told}
        if told and (not rows or any(row.id in told for row in rows)):
            self._settle(outbox, [], Round())
            # What comes again although it was told is counted now, and told again in its time.
            return bool(rows)
        if not rows:
            self._note_health(None)
            return False
        crash_point("after_read_before_invoke", self._consumer)
        outcome = dispatcher.tell(rows)
        self.counts.batches += 1
        if outcome.answered == rows and not outcome.failures and len(told) + len(rows) < self._settings.batch_events:
            # Who waits to be told comes first; that it was done stands in the consumer's own note.
            self._told += rows
            self._note_health(None)
            return True
        self._settle(outbox, rows, outcome)
        if outcome.outage:
            self._wait_out(outcome.outage)
            return False
        self._note_health(None)
        return len(rows) == self._settings.batch_events or not self.redis_is_there()

    def _settle(self, outbox: Outbox, rows: list[Row], outcome: Round) -> None:
        """Record how telling these rows went, and those that went well before."""
        crash_point("after_invoke_before_mark", self._consumer)
        outcome.answered += self._told
        settlement = outbox.settle([*self._told, *rows], outcome)
        self._told = []
        crash_point("after_mark", self._consumer)
        self._count(settlement.processed, outcome.failures, settlement.dead)
        if settlement.retry_in is not None:
            self._retry_at = min(self._retry_at, time.monotonic() + settlement.retry_in)

    def _close(self) -> None:
        """Leave nothing unrecorded, if there is somebody to record it."""
        if self._connection is None:
            return
        try:
            if self._told:
                self._settle(Outbox(self._connection, self._consumer, self._settings), [], Round())
        except DATABASE_AWAY as error:
            logger.warning("not_recorded", events=len(self._told), error=str(error))
        close(self._connection)

    def _forget_connection(self) -> None:
        """What was told is found noted as done by `Outbox.finish`, or is told again."""
        if self._connection is not None:
            close(self._connection)
        self._connection = None
        self._told = []

    def _read(self, outbox: Outbox) -> list[Row]:
        """The next batch. Only a sweep goes over everything undelivered, as a consumer that was given up may leave much of it."""
        now = time.monotonic()
        limit = self._settings.batch_events
        if now < min(self._sweep_at, self._retry_at) and self.redis_is_there():
            rows = outbox.undelivered(limit, after=self._passed)
        else:
            newest = outbox.newest_id()
            rows = outbox.undelivered(limit)
            self._passed = newest - _LATE_IDS
            self._sweep_at = now + self._settings.sweep_seconds
            self._retry_at = self._retry_at if now < self._retry_at else float("inf")
        if len(rows) == limit:
            self._passed = rows[0].id - _LATE_IDS
        return rows

    def _count(self, processed: int, failures: dict[str, str], dead: list[str]) -> None:
        self.counts.delivered += processed
        self.counts.failed += len(failures)
        self.counts.dead_lettered += len(dead)
        if failures:
            self.counts.last_error = next(iter(failures.values()))[:300]
        for event_id in dead:
            logger.error("event_became_dead_letter", event_id=event_id, reason=failures.get(event_id, self.counts.last_error))

    def _wait_out(self, reason: str) -> None:
        """Something is away: wait longer each time, whatever wakes us meanwhile."""
        self._note_health(reason)
        # What was read was not done.
        self._sweep_at = 0.0
        delays = self._settings.outage_delays
        delay = delays[min(self._outages_in_a_row, len(delays) - 1)]
        self._outages_in_a_row += 1
        self._stopping.wait(delay)
        self._woken.set()

    def _note_health(self, outage: str | None) -> None:
        """Log a change once, not each attempt."""
        if outage and not self.counts.outage:
            logger.warning("delivery_held_up", reason=outage)
        if not outage:
            if self.counts.outage:
                logger.info("delivery_goes_on", was=self.counts.outage)
            self._outages_in_a_row = 0
        self.counts.outage = outage

    def _seconds_to_wait(self) -> float:
        sweep = self._settings.sweep_seconds if self.redis_is_there() else self._settings.sweep_seconds_without_redis
        return max(0.0, min(sweep, self._retry_at - time.monotonic()))
