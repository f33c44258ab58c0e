"""Whether a process's memory grows, said of its measured life."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB = 1 << 20
WARM_UP_SHARE = 0.3
"""Of a life that is not judged: imports, connections and caches come first."""
PARTS = 5
LEAST_SAMPLES = 4 * PARTS
LEAST_GROWTH = 1 * MIB
"""A process that grew by less is steady: allocators breathe."""

Sample = tuple[float, int]
"""Seconds since the beginning, bytes."""


@dataclass(frozen=True)
class Trend:
    """The judged part of a life: how much there was first and last, and the change per hour."""

    first: int
    last: int
    per_hour: float
    grows: bool


def trend(samples: Sequence[Sample]) -> Trend | None:
    """None for a life too short to be judged.

    It grows when each of five parts of it held more than the part before, and the last noticeably more than the first, even without the
    largest of the steps between them: a leak does that, and what is loaded once, a plateau or breathing does not. The slope is Theil and
    Sen's, the median of the slopes between all pairs, which no single garbage collection can bend.
    """
    begin, end = samples[0][0], samples[-1][0]
    judged = [sample for sample in samples if sample[0] >= begin + (end - begin) * WARM_UP_SHARE]
    if len(judged) < LEAST_SAMPLES:
        return None
    size = len(judged) / PARTS
    parts = [median(held for _, held in judged[round(number * size) : round((number + 1) * size)]) for number in range(PARTS)]
    grown = parts[-1] - parts[0]
    steps = [after - before for before, after in pairwise(parts)]
    grows = min(steps) > 0 and grown > LEAST_GROWTH and grown - max(steps) > LEAST_GROWTH * (len(steps) - 1) / len(steps)
    return Trend(round(parts[0]), round(parts[-1]), _slope(judged) * 3600, grows)


def least_leak(seconds: float) -> float:
    """The smallest leak that is seen in so long a run, in bytes per hour."""
    # From the middle of the first part to that of the last.
    return LEAST_GROWTH / (seconds * (1 - WARM_UP_SHARE) * (PARTS - 1) / PARTS) * 3600


def _slope(samples: Sequence[Sample]) -> float:
    thinned = samples[:: max(1, len(samples) // 200)]
    slopes = [
        (held - held_before) / (at - before)
        for number, (before, held_before) in enumerate(thinned)
        for at, held in thinned[number + 1 :]
        if at > before
    ]
    return median(slopes)
