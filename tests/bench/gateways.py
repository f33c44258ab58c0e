"""The trivial function behind a gateway and an authorizer, by every contender, several times in turn."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.contenders import BareLoop, ChaliceLocal, Edge, Gunicorn, LocalStackGateway, MiniStack, ServerlessOffline
from tests.bench.contenders.contender import running
from tests.bench.wrk import Load, load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.bench.contenders.contender import Contender

ALL: tuple[type[Contender], ...] = (Edge, LocalStackGateway, ServerlessOffline, ChaliceLocal, MiniStack, BareLoop, Gunicorn)
CROWDS = (1, 8, 64)
WARM_UP_SECONDS = 2.0


@dataclass
class Measured:
    """What one contender came to, over all rounds."""

    name: str
    cold_ms: list[float] = field(default_factory=list)
    idle_mb: list[float] = field(default_factory=list)
    loaded_mb: list[float] = field(default_factory=list)
    loads: dict[int, list[Load]] = field(default_factory=dict)
    enforces: bool | None = None
    """Whether a request without a token was refused; None where there is no authorizer."""

    def figures(self) -> dict[str, float | bool | str | None]:
        """Medians over the rounds."""
        told: dict[str, float | bool | str | None] = {
            "name": self.name,
            "cold_ms": median(self.cold_ms),
            "idle_mb": median(self.idle_mb),
            "loaded_mb": median(self.loaded_mb),
            "enforces_authorizer": self.enforces,
        }
        for clients, loads in self.loads.items():
            for figure in ("p50", "p95", "p99", "per_second"):
                told[f"{figure}_at_{clients}"] = median(getattr(each, figure) for each in loads)
            told[f"errors_at_{clients}"] = sum(each.errors for each in loads)
        return told


def measure(
    contenders: Sequence[type[Contender]] = ALL,
    *,
    rounds: int = 3,
    seconds: float = 5,
    crowds: Sequence[int] = CROWDS,
    say: Callable[[str], None] = lambda _: None,
) -> list[Measured]:
    """All contenders in turn, and the whole again `rounds` times, so that what the machine does meanwhile meets each alike."""
    measured = {kind.name: Measured(kind.name) for kind in contenders}
    for number in range(1, rounds + 1):
        for kind in contenders:
            say(f"round {number} of {rounds}: {kind.name}")
            with tempfile.TemporaryDirectory(prefix="inventory-bench-", ignore_cleanup_errors=True) as directory:
                _measure(kind(Path(directory)), measured[kind.name], seconds, crowds)
    return list(measured.values())


def _measure(contender: Contender, into: Measured, seconds: float, crowds: Sequence[int]) -> None:
    with running(contender):
        began = time.perf_counter()
        status = contender.status("/guarded", contender.headers())
        into.cold_ms.append((time.perf_counter() - began) * 1000)
        if status != 200:
            raise RuntimeError(f"{contender.name} answers {status} to a request with a token")
        if contender.authorizes:
            nobody = {name: value for name, value in contender.headers().items() if name != "Authorization"}
            into.enforces = contender.status("/guarded", nobody) in {401, 403}
        load(contender.url("/guarded"), contender.headers(), clients=1, seconds=WARM_UP_SECONDS)
        into.idle_mb.append(contender.memory_mb())
        for clients in crowds:
            taken = load(contender.url("/guarded"), contender.headers(), clients=clients, seconds=seconds)
            into.loads.setdefault(clients, []).append(taken)
        into.loaded_mb.append(contender.memory_mb())
