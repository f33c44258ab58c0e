"""Queues in a row: who comes when, how long it is served, and when it leaves. Times are in seconds, and arrays are in order of arrival.

Each station is simulated to its end before the next one begins, which is exact as nobody comes back to a former one.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence


@dataclass(frozen=True)
class Served:
    """What a station made of those who came."""

    arrived: list[float]
    left: list[float]
    """When each of those that were served left, beside when it had come."""
    refused: int = 0
    busy: float = field(default=0.0, kw_only=True)
    """Seconds of all servers together."""
    batches: int = field(default=0, kw_only=True)


def poisson(chance: random.Random, per_second: float, count: int) -> list[float]:
    """Arrivals that know nothing of one another."""
    moment, moments = 0.0, []
    for _ in range(count):
        moment += chance.expovariate(per_second)
        moments.append(moment)
    return moments


def pool(arrivals: Sequence[float], services: Sequence[float], servers: int, *, waits: bool) -> Served:
    """Alike servers; whoever finds none free waits in turn, or is refused, as Lambda does beyond its reserved concurrency."""
    free = [0.0] * servers
    arrived, left, refused, busy = [], [], 0, 0.0
    for arrival, service in zip(arrivals, services, strict=True):
        if not waits and free[0] > arrival:
            refused += 1
            continue
        end = max(arrival, free[0]) + service
        heapq.heapreplace(free, end)
        arrived.append(arrival)
        left.append(end)
        busy += service
    return Served(arrived, left, refused, busy=busy)


def batches(arrivals: Sequence[float], each: float, per_event: float, most: int) -> Served:
    """One server that takes all who wait, up to `most`, at once: a process of the bridge with its consumer function."""
    left: list[float] = []
    free, busy, count = 0.0, 0.0, 0
    while len(left) < len(arrivals):
        first = len(left)
        begins = max(free, arrivals[first])
        last = first + 1
        while last < len(arrivals) and last - first < most and arrivals[last] <= begins:
            last += 1
        takes = each + per_event * (last - first)
        free, busy, count = begins + takes, busy + takes, count + 1
        left += [free] * (last - first)
    return Served(list(arrivals), left, busy=busy, batches=count)
