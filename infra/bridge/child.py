"""One consumer process as its supervisor sees it: started, heard of, dead or hanging, started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit, single_metric

from common.observability import logger
from infra.bridge.heartbeat import HeartbeatReceiver
from infra.bridge.restart_policy import RestartPolicy
from infra.bridge.settings import BridgeSettings

Command = Callable[[str], Sequence[str]]

_COUNTED = ("delivered", "failed", "dead_lettered", "batches")


# The child that is no consumer: it tells the page what happens.
LIVE_EVENTS = "live-events"


def child_command(name: str) -> Sequence[str]:
    """How a child's process is started."""
    if name == LIVE_EVENTS:
        return [sys.executable, "-m", "infra.live"]
    return [sys.executable, "-m", "infra.bridge.consumer", name]


class Child:
    """The process of one consumer, and its policy."""

    def __init__(self, consumer: str, settings: BridgeSettings, command: Command = child_command) -> None:
        self.consumer = consumer
        self.policy = RestartPolicy(settings)
        self._settings = settings
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
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
        command = [*self._command(self.consumer), "--heartbeat-fd", str(writing), "--parent", str(os.getpid())]
        try:
            self._process = subprocess.Popen(command, pass_fds=[writing], stdin=subprocess.DEVNULL)
        except OSError as error:
            os.close(reading)
            self.policy.died(now, f"cannot be started: {error}")
            return
        finally:
            # Only the consumer may hold it, so that its end tells of the consumer's death.
            os.close(writing)
        self._heartbeats = HeartbeatReceiver(reading)
        self._heard_at = now
        self._asked_to_go = False
        self.policy.started()
        logger.info("consumer_process_started", consumer=self.consumer, child_pid=self._process.pid, restarts=self.policy.restarts)

    def listen(self, now: float) -> None:
        """Take what the process said, and notice when it is dead."""
        if self._heartbeats is None or self._process is None:
            return
        messages, closed = self._heartbeats.receive()
        for message in messages:
            self._heard_at = now
            self._report = message or self._report
            self.policy.heard_of(now)
        if closed or self._process.poll() is not None:
            self._bury(now)

    def check(self, now: float) -> None:
        """Kill the process when it has been silent for too long."""
        if self._process is None:
            return
        patience = self._settings.start_seconds if self.policy.state == "starting" else self._settings.hang_seconds
        if now - self._heard_at > patience:
            logger.error("consumer_hangs", consumer=self.consumer, child_pid=self._process.pid, patience=patience)
            self._process.kill()
            self._bury(now, f"no heartbeat for {patience:g} s")

    def forgive(self, now: float) -> None:
        """The supervisor itself stood still: the silence was its own."""
        self._heard_at = now

    def terminate(self) -> None:
        """Ask the process to finish what it has in hand and go."""
        if self._process is not None:
            self._asked_to_go = True
            self._process.send_signal(signal.SIGTERM)
        else:
            self.policy.stopped()

    def kill(self) -> None:
        """Wait no longer."""
        if self._process is not None:
            self._process.kill()

    def report(self) -> dict[str, Any]:
        """The consumer's state, for health and the operator."""
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
        try:
            code = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        reason = reason or _how_it_ended(code)
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
            logger.info("consumer_process_stopped", consumer=self.consumer, child_pid=pid, how=reason)
            return
        self.policy.died(now, reason)
        log = logger.error if self.policy.state == "given_up" else logger.warning
        if self.policy.state == "given_up":
            with single_metric(name="ConsumerGivenUp", unit=MetricUnit.Count, value=1, namespace="Inventory") as metric:
                metric.add_dimension(name="consumer", value=self.consumer)
        log(f"consumer_{self.policy.state}", consumer=self.consumer, child_pid=pid, reason=reason, restarts=self.policy.restarts)


def _how_it_ended(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exited with code {code}"
