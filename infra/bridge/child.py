"""One child process as its supervisor sees it: started, heard of, dead or hanging, started again."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from setproctitle import setproctitle

from common.observability import logger
from common.redis_client import get_redis
from infra.bridge import caretaker, consumer
from infra.bridge.heartbeat import HeartbeatReceiver, HeartbeatSender, die_with_parent
from infra.bridge.restart_policy import RestartPolicy
from infra.bridge.settings import BridgeSettings
from infra.live import serving

Run = Callable[[str, HeartbeatSender], int]
"""What a child does, by its name; returns its exit code. Called in the child's own process."""

_COUNTED = ("delivered", "failed", "dead_lettered", "batches")


# The children that are no consumers: one tells the page what happens, one looks after what all share.
LIVE_EVENTS, CARETAKER = "live-events", "caretaker"
# What `ps` shows of a child, before its name.
TITLE = "inventory-bridge: "

_fork = multiprocessing.get_context("fork")
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run_child(name: str, heartbeats: HeartbeatSender) -> int:
    """Do what the child of this name is for, until asked to stop. Returns its exit code."""
    if name == LIVE_EVENTS:
        return serving.run(heartbeats)
    if name == CARETAKER:
        return caretaker.run(heartbeats)
    return consumer.run(name, heartbeats)


class Child:
    """A child process, and its policy. It is forked, and shares all that this process has loaded until then."""

    def __init__(self, name: str, settings: BridgeSettings, run: Run = run_child) -> None:
        self.name = name
        self.policy = RestartPolicy(settings)
        self._settings = settings
        self._run = run
        self._process: multiprocessing.process.BaseProcess | None = None
        self._heartbeats: HeartbeatReceiver | None = None
        self._heard_at = 0.0
        self._asked_to_go = False
        self._report: dict[str, Any] = {}
        self._before: dict[str, int] = dict.fromkeys(_COUNTED, 0)

    @property
    def fd(self) -> int | None:
        """What becomes readable when the process says something or dies."""
        return self._heartbeats.fd if self._heartbeats else None

    @property
    def is_alive(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    def start(self, now: float) -> None:
        """Start the process."""
        reading, writing = os.pipe()
        process = _fork.Process(target=self._be, args=(reading, writing, os.getpid()))
        # A signal that comes before the child has put off the parent's handlers must wait for it.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            process.start()
        except OSError as error:
            os.close(reading)
            self.policy.died(now, f"cannot be started: {error}")
            return
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            # Only the child may hold it, so that its end tells of the child's death.
            os.close(writing)
        self._process = process
        self._heartbeats = HeartbeatReceiver(reading)
        self._heard_at = now
        self._asked_to_go = False
        self.policy.started()
        logger.info("consumer_process_started", consumer=self.name, child_pid=process.pid, restarts=self.policy.restarts)

    def _be(self, reading: int, writing: int, parent: int) -> NoReturn:
        """The child's life."""
        os.close(reading)
        HeartbeatReceiver.close_all()
        get_redis().connection_pool.disconnect()
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        setproctitle(TITLE + self.name)
        die_with_parent(parent)
        code = self._run(self.name, HeartbeatSender(writing))
        sys.stdout.flush()
        # A thread may be waiting for a server; nothing is left that is worth waiting for.
        os._exit(code)

    def listen(self, now: float) -> None:
        """Take what the process said, and notice when it is dead."""
        if self._heartbeats is None or self._process is None:
            return
        messages, closed = self._heartbeats.receive()
        for message in messages:
            self._heard_at = now
            self._report = message or self._report
            self.policy.heard_of(now)
        if closed or self._process.exitcode is not None:
            self._bury(now)

    def check(self, now: float) -> None:
        """Kill the process when it has been silent for too long."""
        if self._process is None:
            return
        patience = self._settings.start_seconds if self.policy.state == "starting" else self._settings.hang_seconds
        if now - self._heard_at > patience:
            logger.error("consumer_hangs", consumer=self.name, child_pid=self._process.pid, patience=patience)
            self._process.kill()
            self._bury(now, f"no heartbeat for {patience:g} s")

    def forgive(self, now: float) -> None:
        """The supervisor itself stood still: the silence was its own."""
        self._heard_at = now

    def terminate(self) -> None:
        """Ask the process to finish what it has in hand and go."""
        if self._process is not None:
            self._asked_to_go = True
            self._process.terminate()
        else:
            self.policy.stopped()

    def kill(self) -> None:
        """Wait no longer."""
        if self._process is not None:
            self._process.kill()

    @property
    def said(self) -> Mapping[str, Any]:
        """What the process said last."""
        return self._report

    def report(self) -> dict[str, Any]:
        """The child's state, for health and the operator."""
        counted = {name: self._before[name] + self._report.get(name, 0) for name in _COUNTED}
        return {
            "state": self.policy.state,
            "pid": self._process.pid if self._process else None,
            "restarts": self.policy.restarts,
            "since": self.policy.since.isoformat(),
            "reason": self.policy.reason,
            "outage": self._report.get("outage") if self._process else None,
            "last_error": self._report.get("last_error"),
            **counted,
        }

    def _bury(self, now: float, reason: str | None = None) -> None:
        if self._process is None or self._heartbeats is None:
            return
        # The pipe closes as the process dies; what is left of its dying takes no time worth counting.
        self._process.join(2)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        reason = reason or _how_it_ended(self._process.exitcode or 0)
        if self._report.get("last_error"):
            reason = f"{reason} ({self._report['last_error']})"
        pid = self._process.pid
        self._heartbeats.close()
        self._process = self._heartbeats = None
        for name in _COUNTED:
            self._before[name] += self._report.get(name, 0)
        self._report = {"last_error": self._report.get("last_error")}
        if self._asked_to_go:
            self.policy.stopped()
            logger.info("consumer_process_stopped", consumer=self.name, child_pid=pid, how=reason)
            return
        self.policy.died(now, reason)
        log = logger.error if self.policy.state == "given_up" else logger.warning
        log(f"consumer_{self.policy.state}", consumer=self.name, child_pid=pid, reason=reason, restarts=self.policy.restarts)


def _how_it_ended(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exited with code {code}"
