"""Runs the jobs between the servers: migrations and deployment, again when a server forgot them."""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from typing import TYPE_CHECKING

from infra.stack import board as is_
from infra.stack.logs import open_log, tail
from infra.stack.process import OWNER_VARIABLE, owner_mark

if TYPE_CHECKING:
    from infra.stack.board import Board
    from infra.stack.instance import Stack
    from infra.stack.server import Job

NOTICE_A_DEATH = 0.5
"""Seconds after a failure in which a server's death, its likely reason, becomes known."""

RETRY_SECONDS = (5.0, 20.0, 60.0)
"""After a failure, and the next, and the next; then it rests until somebody asks or a server restarts."""

log = logging.getLogger("supervisor")


class JobRunner:
    """One thread per job: runs it at the start, after each request, after each restart of a server it depends on, after a failure."""

    def __init__(self, stack: Stack, job: Job, board: Board, asked: int) -> None:
        self._thread = threading.Thread(target=self._run, name=job.name, daemon=True)
        self._stack = stack
        self._job = job
        self._board = board
        self._ending = threading.Event()
        self._again = threading.Event()
        self._asked = asked
        self._ran_for: tuple[object, ...] | None = None
        self._failures = 0
        self._retry_at = float("inf")
        self._log = stack.logs_dir / f"{job.name}.log"
        self._log_begins = 0
        board.set_job(job.name, actual=is_.WAITING, answered=self._asked - 1, detail="", seconds=None)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._board.wait(0.2)
            if self._again.is_set():
                self._again.clear()  # before `asked` is read: who asks now is answered now or by another run, never by neither
                self._ran_for = None
                self._failures = 0
                self._board.set_job(self._job.name, actual=is_.WAITING, detail="")
            asked = self._asked
            target = self._target()
            if target == self._ran_for and time.monotonic() < self._retry_at:
                continue
            if self._ran_for not in (None, target):
                self._board.set_job(self._job.name, actual=is_.WAITING, detail="its server has restarted")
            if self._board.up(self._job.needs, asked):
                try:
                    self._run_once(asked, target)
                except Exception as error:  # a runner that dies would let everybody wait for its job
                    log.exception("%s: unexpected", self._job.name)
                    self._failed(asked, target, str(error), None)

    def ask(self, request: int) -> None:
        """Run again, in answer to the request of this number."""
        self._asked = request
        self._again.set()

    def end(self) -> None:
        self._ending.set()
        self._thread.join()

    def _run_once(self, asked: int, target: tuple[object, ...]) -> None:
        started = time.monotonic()
        self._retry_at = float("inf")
        self._board.set_job(self._job.name, actual=is_.RUNNING, detail="", seconds=None)
        with open_log(self._log) as output:
            self._log_begins = output.tell()
            process = subprocess.Popen(
                self._job.command,
                env={**self._job.environment, OWNER_VARIABLE: owner_mark(self._stack.run_dir, self._job.name)},
                cwd=self._job.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        while process.poll() is None:
            if self._ending.wait(0.1):
                process.terminate()
                process.wait()
                return
            self._board.set_job(self._job.name, detail=self._last_line())
        seconds = round(time.monotonic() - started, 2)
        if process.returncode == 0:
            log.info("%s: done after %s s", self._job.name, seconds)
            self._ran_for = target
            self._failures = 0
            self._board.set_job(self._job.name, actual=is_.DONE, answered=asked, detail=self._last_line(), seconds=seconds)
            return
        log.error("%s: failed with exit code %s after %s s: %s", self._job.name, process.returncode, seconds, self._last_line())
        self._ending.wait(NOTICE_A_DEATH)
        if not self._board.up(self._job.needs, asked) or self._target() != target:
            self._board.set_job(self._job.name, actual=is_.WAITING, detail="again: a server died meanwhile", seconds=seconds)
            return
        self._failed(asked, target, self._last_line(), seconds)

    def _failed(self, asked: int, target: tuple[object, ...], detail: str, seconds: float | None) -> None:
        # Its servers are well, so it is likely to fail again, but not certain: a service may have been slow for once.
        self._ran_for = target
        if self._failures < len(RETRY_SECONDS):
            self._retry_at = time.monotonic() + RETRY_SECONDS[self._failures]
        self._failures += 1
        self._board.set_job(self._job.name, actual=is_.FAILED, answered=asked, detail=detail, seconds=seconds)

    def _target(self) -> tuple[object, ...]:
        """What the job's result lives in: another pid, another run."""
        return tuple(self._board.server(name).get("pid") for name in self._job.repeat_after_restart_of)

    def _last_line(self) -> str:
        lines = [line for line in tail(self._log, 5, self._log_begins) if line.strip()]
        return lines[-1][:300] if lines else ""
