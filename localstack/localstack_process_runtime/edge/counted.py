"""What the edge counts of its requests: by route and status, and how long they took. Only the event loop writes, so nothing is locked."""

from __future__ import annotations

from bisect import bisect_left

BOUNDS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram's buckets; a last one has none."""
NO_ROUTE = "none"
"""The route of what has none: clients choose paths freely, and each name is kept for good."""
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class Histogram:
    """How many took how long."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS_SECONDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        self.buckets[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self.seconds += seconds


class Counting:
    """Everything since LocalStack was started."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, int], int] = {}
        """By method, route (as API Gateway spells its resource) and status."""
        self.durations: dict[tuple[str, str], Histogram] = {}
        self.grants_found = self.grants_asked = 0
        """Authorizers' answers that were still known, and those that had to be asked for."""

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """A request was answered; `route` is None where there is no such route."""
        if method not in METHODS:
            method = "other"
        route = route or NO_ROUTE
        key = (method, route, status)
        self.requests[key] = self.requests.get(key, 0) + 1
        histogram = self.durations.get((method, route))
        if histogram is None:
            histogram = self.durations[method, route] = Histogram()
        histogram.add(seconds)
