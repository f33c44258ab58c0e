"""The bridge's parent process: keeps one process per consumer running, while no other bridge does. It has no threads, as it forks.

Live events only read, so each bridge has them told, whether or not it is the one that delivers.
"""

import gc
import os
import selectors
import signal
import time
from collections.abc import Iterable
from types import FrameType
from typing import Any

from common.observability import logger
from common.topology import CONSUMERS
from infra.bridge.child import CARETAKER, LIVE_EVENTS, Child, Run, run_child
from infra.bridge.report import publish
from infra.bridge.settings import BridgeSettings

_REPORT_SECONDS = 1.0
# Longer than this between two looks, and it is the supervisor (or the machine) that stood still.
_OWN_STANDSTILL_SECONDS = 2.0


class Supervisor:
    """Runs until SIGTERM or SIGINT; SIGHUP starts again what was given up."""

    def __init__(self, settings: BridgeSettings, consumers: Iterable[str] = CONSUMERS, run: Run = run_child) -> None:
        self._settings = settings
        self._consumers = [Child(name, settings, run) for name in consumers]
        self._live_events = [Child(LIVE_EVENTS, settings, run)] if settings.live_events else []
        self._caretaker = Child(CARETAKER, settings, run)
        # What the caretaker last knew: of whether this bridge leads (None before the database has answered), and of the database.
        self._active: bool | None = None
        self._database_error: str | None = None
        self._stopping = False
        self._reported_at = 0.0
        self._reported: tuple[object, ...] = ()
        self._published = True

    def run(self) -> int:
        """Supervise until asked to stop; then have the children finish what they have in hand. Returns the process's exit code."""
        try:
            return self._supervise()
        except BaseException:
            # They would go on unsupervised, and the interpreter waits for them at its end.
            for child in self._all:
                child.kill()
            raise

    def _supervise(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._revive)
        # Children that look for garbage leave alone what they share, so that they go on sharing it.
        gc.collect()
        gc.freeze()
        looked_at = time.monotonic()
        while not self._stopping:
            self._wait()
            now = time.monotonic()
            if now - looked_at > _OWN_STANDSTILL_SECONDS:
                for child in self._all:
                    child.forgive(now)
            looked_at = now
            self._look_after(now, self._caretaker, *self._live_events)
            # One that has just started anew does not know yet, and what it does not know stops nobody.
            if (active := self._caretaker.said.get("active")) is not None:
                self._active = active
            self._database_error = self._caretaker.said.get("database_error", self._database_error)
            if self._caretaker.policy.state == "given_up":
                logger.error("bridge_without_caretaker")
                break
            if self._active:
                self._look_after(now, *self._consumers)
            elif any(child.is_alive for child in self._consumers):
                # Another bridge took over while the database was away for this one.
                self._stop_children(*self._consumers)
            self._report(now)
        self._stop_children(*self._consumers, *self._live_events)
        self._report(time.monotonic())
        # Last, as it holds what keeps other bridges from delivering.
        self._stop_children(self._caretaker)
        logger.info("bridge_stopped")
        return int(not self._stopping)

    @property
    def _all(self) -> tuple[Child, ...]:
        return (self._caretaker, *self._live_events, *self._consumers)

    def _look_after(self, now: float, *children: Child) -> None:
        for child in children:
            child.listen(now)
            child.check(now)
            if child.policy.state == "stopped":
                child.policy.revive()
            if child.policy.is_due(now):
                child.start(now)

    def _wait(self) -> None:
        """Until a child says something or dies, or it is time to look after them."""
        with selectors.DefaultSelector() as selector:
            for child in self._all:
                if child.fd is not None:
                    selector.register(child.fd, selectors.EVENT_READ)
            selector.select(timeout=0.1)

    def _stop_children(self, *children: Child) -> None:
        for child in children:
            child.terminate()
        deadline = time.monotonic() + self._settings.stop_seconds
        while any(child.is_alive for child in children):
            self._wait()
            now = time.monotonic()
            if now > deadline:
                for child in children:
                    child.kill()
            for child in children:
                child.listen(now)
            self._report(now)

    def _report(self, now: float) -> None:
        """Each second, and at once when a state has changed."""
        changed = (self._active, self._stopping, *(child.policy.since for child in self._all))
        if now - self._reported_at < _REPORT_SECONDS and changed == self._reported:
            return
        self._reported_at, self._reported = now, changed
        try:
            publish(self.states(), self._settings.state_file)
        except OSError as error:  # on a full disk, deliveries go on
            if self._published:
                logger.error("bridge_state_not_written", error=str(error))
            self._published = False
        else:
            self._published = True

    def states(self) -> dict[str, dict[str, Any]]:
        """Per consumer its state, and the bridge's own; a standby bridge speaks for itself alone."""
        mine: dict[str, Any] = {"pid": os.getpid(), "database_error": self._database_error}
        if self._active:
            children = (*self._consumers, *self._live_events)
            state = "stopped" if self._stopping and not any(child.is_alive for child in children) else "active"
            return {child.name: child.report() for child in children} | {"bridge": mine | {"state": state}}
        return {"standby": mine | {"state": "stopped" if self._stopping else "standby"}}

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        logger.info("bridge_stopping", signal=signal.Signals(number).name)
        self._stopping = True

    def _revive(self, _number: int, _frame: FrameType | None) -> None:
        for child in self._all:
            if child.policy.state == "given_up":
                logger.info("consumer_revived", consumer=child.name)
                child.policy.revive()
