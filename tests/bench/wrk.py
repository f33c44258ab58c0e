"""Load from `wrk`, a C program: on two cores a generator in Python would measure itself."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_REPORT = Path(__file__).with_name("report.lua")


@dataclass(frozen=True)
class Load:
    """What a number of clients got, each sending its next request when it has its answer. Times in milliseconds.

    Where nothing was answered, the times are how long was waited.
    """

    clients: int
    requests: int
    per_second: float
    errors: int
    p50: float
    p95: float
    p99: float


def load(url: str, headers: Mapping[str, str], *, clients: int, seconds: float) -> Load:
    """Ask for `url` by `clients` connections that are kept, for so many seconds."""
    named = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["wrk", "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "--timeout", "10s", "-s", str(_REPORT), *named, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    return Load(
        clients=clients,
        requests=said["requests"],
        per_second=(said["requests"] - said["errors"]) / (said["microseconds"] / 1e6),
        errors=said["errors"],
        **{name: said[name] / 1000 if said["requests"] else seconds * 1000 for name in ("p50", "p95", "p99")},
    )
