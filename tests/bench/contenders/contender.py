"""What all contenders have in common: a process group of their own, an address, memory."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PROJECT = Path(__file__).resolve().parents[3]
TRIVIAL = PROJECT / "tests" / "bench" / "trivial"
BUILD = PROJECT / ".build" / "bench"
START_SECONDS = 60.0


class Contender(ABC):
    """One way of running the trivial function: `/plain` open, `/guarded` for who sends `Authorization: ada`."""

    name: ClassVar[str]
    authorizes: ClassVar[bool] = True
    """Whether it has an authorizer at all; whether it enforces it is measured."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def start(self) -> None:
        """Start it and return when it can take requests; no function has been invoked yet."""

    @abstractmethod
    def url(self, path: str) -> str:
        """Where it answers to `/plain` or `/guarded`."""

    def headers(self) -> dict[str, str]:
        """What every request says."""
        return {"Authorization": "ada"}

    def stop(self) -> None:
        """End it and all it started."""
        if self._process is None:
            return
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(15)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def memory_mb(self) -> float:
        """Proportional set size of the process and all below it: pages that several share are counted once."""
        assert self._process is not None
        root = psutil.Process(self._process.pid)
        total = 0
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.Error):
                total += process.memory_full_info().pss
        return total / 1e6

    def status(self, path: str, headers: Mapping[str, str]) -> int:
        """What one request over a new connection is answered with."""
        request = urllib.request.Request(self.url(path), headers=dict(headers))  # http, to ourselves
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as refusal:
            return refusal.code

    def _spawn(self, command: Sequence[str | Path], *, cwd: Path | None = None, **environment: str) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                cwd=cwd or self.directory,
                env={**kept, "HOME": str(self.directory), "TMPDIR": str(self.directory), **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _until_logged(self, words: str) -> None:
        self._until(lambda: words in self.log.read_text(errors="replace"))

    def _until_answering(self, port: int) -> None:
        def answers() -> bool:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
            except urllib.error.HTTPError:
                return True
            except OSError:
                return False
            return True

        self._until(answers)

    def _until(self, condition: object) -> None:
        assert callable(condition)
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start: {self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)


@contextmanager
def running(contender: Contender) -> Iterator[Contender]:
    """The contender, started, for as long as the block lasts."""
    try:
        contender.start()
        yield contender
    finally:
        contender.stop()
