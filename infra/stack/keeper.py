"""Keeps one server as it should be: running while wanted, restarted when it dies, stopped when asked."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.stack import board as is_
from infra.stack.logs import tail, turn_over
from infra.stack.process import ServerProcess

if TYPE_CHECKING:
    from infra.stack.board import Board
    from infra.stack.instance import Stack
    from infra.stack.server import Server

BACKOFF = (0.2, 1.0, 2.0, 4.0)
"""Seconds before a restart, the last one for ever: a server is needed, so giving up on it would help nobody."""
STABLE_AFTER = 60.0
TICK = 0.1
HEALTH_EVERY = 2.0
HUNG_AFTER = 30.0

log = logging.getLogger("supervisor")


@dataclass(frozen=True)
class LeftBehind:
    """A server that outlived its supervisor, and the fingerprint of the code it runs."""

    process: ServerProcess
    fingerprint: str


class Keeper:
    """One thread per server, so that a slow health check of one delays no other."""

    def __init__(self, stack: Stack, server: Server, board: Board, left_behind: LeftBehind | None) -> None:
        self._thread = threading.Thread(target=self._run, name=server.name, daemon=True)
        self._stack = stack
        self._server = server
        self._log = stack.logs_dir / f"{server.name}.log"
        self._board = board
        self._process = left_behind.process if left_behind else None
        self._restarts = 0
        self._failures = 0
        self._restarts_asked = stack.state.requests()["restarts"].get(server.name, 0)
        self._next_start = 0.0
        self._started = time.monotonic()
        self._last_health = self._last_healthy = 0.0
        self._serving = False
        self._ending = threading.Event()
        self._outdated = threading.Event()
        self._wake = threading.Event()
        self._fingerprint = left_behind.fingerprint if left_behind else server.fingerprint()
        board.set_server(server.name, desired="running", actual=is_.WAITING, pid=None, restarts=0, detail="", ports=dict(server.ports))
        if self._process is not None:
            log.info("%s: taking over pid %s", server.name, self._process.pid)
            self._announce_pid()

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._tick()
            except Exception as error:  # a keeper that dies would leave its server alone
                log.exception("%s: unexpected", self._server.name)
                self._failed(str(error))
            self._wake.wait(TICK)
            self._wake.clear()

    def end(self) -> None:
        """Stop the server gracefully, for good."""
        self._ending.set()
        self._wake.set()
        self._thread.join()
        self._stop("")

    def restart_if_changed(self) -> None:
        """Stop the server, to be started anew, when the code it runs is not the code that is there now. Returns when it is down."""
        if self._process is None or self._server.fingerprint() == self._fingerprint:
            return
        self._outdated.set()
        self._wake.set()
        while self._outdated.is_set() and self._thread.is_alive():
            time.sleep(0.02)

    def _tick(self) -> None:
        requests = self._stack.state.requests()
        name = self._server.name
        if name in requests["stopped"]:
            self._outdated.clear()
            self._restarts_asked = requests["restarts"].get(name, 0)
            if self._process is not None:
                self._stop("asked to stop")
            self._board.set_server(name, desired="stopped", actual=is_.STOPPED, pid=None)
            return
        self._board.set_server(name, desired="running")
        if requests["restarts"].get(name, 0) != self._restarts_asked or self._outdated.is_set():
            self._restarts_asked = requests["restarts"].get(name, 0)
            self._stop("its code has changed" if self._outdated.is_set() else "asked to restart")
            self._outdated.clear()
            self._failures = 0
            self._next_start = 0.0
        if self._process is None:
            self._start_when_due()
        elif not self._process.alive():
            self._ended()
        else:
            self._check_health()

    def _start_when_due(self) -> None:
        name = self._server.name
        if time.monotonic() < self._next_start:
            return
        if not self._board.up(self._server.needs):
            self._board.set_server(name, actual=is_.WAITING, detail="waits for " + ", ".join(self._server.needs))
            return
        self._board.set_server(name, actual=is_.STARTING, detail="")
        try:
            self._server.prepare()
            self._process = ServerProcess.start(
                name,
                self._server.command,
                environment={**self._server.environment, **self._server.late_environment()},
                directory=self._server.directory,
                log=self._log,
                run_dir=self._stack.run_dir,
            )
        except (OSError, RuntimeError) as error:
            self._failed(str(error))
            return
        self._fingerprint = self._server.fingerprint()
        self._started = time.monotonic()
        self._last_health = self._last_healthy = 0.0
        self._serving = False
        log.info("%s: started, pid %s", name, self._process.pid)
        self._announce_pid()

    def _announce_pid(self) -> None:
        assert self._process is not None
        self._board.set_server(
            self._server.name,
            actual=is_.STARTING,
            pid=self._process.pid,
            created=self._process.created,
            fingerprint=self._fingerprint,
        )

    def _check_health(self) -> None:
        now = time.monotonic()
        if self._serving and now - self._last_health < HEALTH_EVERY:
            return
        self._last_health = now
        try:
            turn_over(self._log)
        except OSError as error:  # the disk is full, which does not make the server unwell
            log.warning("%s: its log grows on: %s", self._server.name, error)
        if self._server.healthy() if self._serving else self._server.is_up(now - self._started):
            self._last_healthy = time.monotonic()
            if not self._serving:
                log.info("%s: serves after %.1f s", self._server.name, now - self._started)
            self._serving = True
            self._board.set_server(self._server.name, actual=is_.RUNNING, detail="")
            if now - self._started > STABLE_AFTER:
                self._failures = 0
            return
        silent = time.monotonic() - max(self._last_healthy, self._started)
        if self._serving:
            self._board.set_server(self._server.name, actual=is_.UNHEALTHY, detail="does not answer")
        if silent > (HUNG_AFTER if self._serving else self._server.start_timeout):
            assert self._process is not None
            log.error("%s: pid %s does not answer for %.0f s, killing it", self._server.name, self._process.pid, silent)
            self._process.kill()

    def _ended(self) -> None:
        assert self._process is not None
        code = self._process.exit_code
        self._process.end_session()
        last = tail(self._log, 1)
        self._process = None
        self._failed(f"ended with {'unknown exit code' if code is None else f'exit code {code}'}{': ' + last[0] if last else ''}")

    def _failed(self, reason: str) -> None:
        wait = BACKOFF[min(self._failures, len(BACKOFF) - 1)]
        self._failures += 1
        self._restarts += 1
        self._next_start = time.monotonic() + wait
        log.error("%s: %s; restart %s in %.1f s", self._server.name, reason, self._restarts, wait)
        self._board.set_server(self._server.name, actual=is_.BROKEN, pid=None, restarts=self._restarts, detail=reason[:500])

    def _stop(self, why: str) -> None:
        if self._process is None:
            return
        name = self._server.name
        log.info("%s: stopping pid %s%s", name, self._process.pid, f" ({why})" if why else "")
        self._board.set_server(name, actual=is_.STOPPING, detail=why)
        if not self._process.stop(self._server.stop_timeout):
            log.error("%s: did not stop within %.0f s and was killed", name, self._server.stop_timeout)
        self._process = None
        self._serving = False
        self._board.set_server(name, actual=is_.STOPPED, pid=None, detail=why)
