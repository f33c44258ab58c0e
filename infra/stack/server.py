"""What a server of the system is: how to start it, how to know that it serves, how long it may take to stop."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


READY_WITHIN = 10.0
"""Seconds after which a server that is healthy counts as up, whatever else it has not begun."""


@dataclass(frozen=True)
class Server:
    """A program that runs as long as the system does."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    ports: Mapping[str, int]
    """What each port is for -> its number; all must be free before the start."""
    healthy: Callable[[], bool]
    """True when it serves. Must answer within seconds and never raise."""
    ready: Callable[[], bool] = field(default=lambda: True)
    """What is waited for besides, for READY_WITHIN, before it counts as up; no reason to end it."""
    prepare: Callable[[], None] = field(default=lambda: None)
    """Runs before each start: directories, first initialisation."""
    late_environment: Callable[[], Mapping[str, str]] = field(default=dict)
    """What is known only when it starts: a password that a job made."""
    needs: tuple[str, ...] = ()
    """Names of servers and jobs that must have come up before this one starts."""
    start_timeout: float = 60
    stop_timeout: float = 20
    sources: tuple[Path, ...] = ()
    """Code of ours it runs: a change of it calls for a restart."""

    def is_up(self, since_start: float) -> bool:
        """Whether it has come up, so many seconds after its start."""
        return self.healthy() and (since_start > READY_WITHIN or self.ready())

    def fingerprint(self) -> str:
        """Changes when the command or the code behind it changes, so that `make up` knows what to restart."""
        digest = hashlib.sha256("\0".join(self.command).encode())
        for source in self.sources:
            for path in sorted(source.rglob("*.py")) if source.is_dir() else [source]:
                if path.is_file():
                    digest.update(str(path).encode())
                    digest.update(path.read_bytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Job:
    """A command that runs to its end between two servers: migrations, deployment."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    needs: tuple[str, ...]
    repeat_after_restart_of: tuple[str, ...] = ()
    """Servers which may have forgotten the job's result when they restart."""


def answers(url: str, *statuses: int) -> bool:
    """Whether `url` is answered with one of these. By the standard library: httpx makes a TLS context for each call."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - addresses are the instance's own
            return answer.status in statuses
    except urllib.error.HTTPError as refusal:
        return refusal.code in statuses
    except OSError:
        return False
