"""The bridge's parent process: keeps one process per consumer running, while no other bridge does."""

import os
import selectors
import signal
import time
from collections.abc import Iterable
from types import FrameType
from typing import Any

from common.observability import logger
from common.topology import CONSUMERS
from infra.bridge.cache_repair import CacheRepair
from infra.bridge.child import Child, Command, child_command
from infra.bridge.housekeeping import Housekeeping
from infra.bridge.leadership import Leadership
from infra.bridge.report import publish
from infra.bridge.settings import BridgeSettings

_REPORT_SECONDS = 1.0
# Longer than this between two looks, and it is the supervisor (or the machine) that stood still.
_OWN_STANDSTILL_SECONDS = 2.0


class Supervisor:
    """Runs until SIGTERM or SIGINT; SIGHUP starts again what was given up."""

    def __init__(self, settings: BridgeSettings, command: Command = child_command, consumers: Iterable[str] = CONSUMERS) -> None:
        self._settings = settings
        self._children = [Child(consumer, settings, command) for consumer in consumers]
        self._leadership = Leadership()
        self._stopping = False
        self._reported_at = 0.0
        self._reported: tuple[object, ...] = ()

    def run(self) -> None:
        """Supervise until asked to stop; then have the children finish what they have in hand."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._revive)
        housekeeping = Housekeeping(self._settings)
        self._leadership.start()
        housekeeping.start()
        repair = CacheRepair(self._settings)
        repair.start()
        looked_at = time.monotonic()
        while not self._stopping:
            self._wait()
            now = time.monotonic()
            if now - looked_at > _OWN_STANDSTILL_SECONDS:
                for child in self._children:
                    child.forgive(now)
            looked_at = now
            if self._leadership.active:
                self._look_after_children(now)
            elif any(child.is_alive for child in self._children):
                # Another bridge took over while the database was away for this one.
                self._stop_children()
            self._report(now)
        housekeeping.close()
        repair.close()
        self._stop_children()
        self._report(time.monotonic())
        self._leadership.close()
        logger.info("bridge_stopped")

    def _look_after_children(self, now: float) -> None:
        for child in self._children:
            child.listen(now)
            child.check(now)
            if child.policy.state == "stopped":
                child.policy.revive()
            if child.policy.is_due(now):
                child.start(now)

    def _wait(self) -> None:
        """Until a child says something or dies, or it is time to look after them."""
        with selectors.DefaultSelector() as selector:
            for child in self._children:
                if child.fd is not None:
                    selector.register(child.fd, selectors.EVENT_READ)
            selector.select(timeout=0.1)

    def _stop_children(self) -> None:
        for child in self._children:
            child.terminate()
        deadline = time.monotonic() + self._settings.stop_seconds
        while any(child.is_alive for child in self._children):
            self._wait()
            now = time.monotonic()
            if now > deadline:
                for child in self._children:
                    child.kill()
            for child in self._children:
                child.listen(now)
            self._report(now)

    def _report(self, now: float) -> None:
        """Each second, and at once when a state has changed."""
        changed = (self._leadership.active, self._stopping, *(child.policy.since for child in self._children))
        if now - self._reported_at < _REPORT_SECONDS and changed == self._reported:
            return
        self._reported_at, self._reported = now, changed
        publish(self.states(), self._settings.state_file)

    def states(self) -> dict[str, dict[str, Any]]:
        """Per consumer its state, and the bridge's own; a standby bridge speaks for itself alone."""
        mine: dict[str, Any] = {"pid": os.getpid(), "database_error": self._leadership.database_error}
        if self._leadership.active:
            state = "stopped" if self._stopping and not any(child.is_alive for child in self._children) else "active"
            return {child.consumer: child.report() for child in self._children} | {"bridge": mine | {"state": state}}
        return {"standby": mine | {"state": "stopped" if self._stopping else "standby"}}

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        logger.info("bridge_stopping", signal=signal.Signals(number).name)
        self._stopping = True

    def _revive(self, _number: int, _frame: FrameType | None) -> None:
        for child in self._children:
            if child.policy.state == "given_up":
                logger.info("consumer_revived", consumer=child.consumer)
                child.policy.revive()
