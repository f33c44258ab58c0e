"""What the system's processes tell Prometheus, read by ourselves: two looks, and what happened between them."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from infra.stack import Stack

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Look:
    """All samples at one moment, in seconds of any clock that only goes forward; `away` names addresses that did not answer."""

    at: float
    samples: Mapping[tuple[str, Labels], float]
    away: tuple[str, ...] = ()

    def of(self, name: str, **labels: str) -> Iterator[tuple[dict[str, str], float]]:
        """Labels and values of a metric's samples that have these labels."""
        for (sample, held), value in self.samples.items():
            if sample == name and labels.items() <= dict(held).items():
                yield dict(held), value

    def sum(self, name: str, **labels: str) -> float:
        """All samples with these labels together, 0 where there are none."""
        return sum(value for _, value in self.of(name, **labels))

    def get(self, name: str, **labels: str) -> float | None:
        """All samples with these labels together, None where there are none."""
        found = [value for _, value in self.of(name, **labels)]
        return sum(found) if found else None


def addresses(stack: Stack) -> dict[str, str]:
    """Where metrics are told, by the process that tells them."""
    return {"localstack": f"{stack.localstack_url}/_lambda/metrics", "bridge": f"{stack.live_events_url}/metrics"}


def look(urls: Mapping[str, str], client: httpx.Client) -> Look:
    """Read all of them now."""
    samples: dict[tuple[str, Labels], float] = {}
    away = []
    for name, url in urls.items():
        try:
            answer = client.get(url).raise_for_status()
        except httpx.HTTPError:
            away.append(name)
            continue
        samples |= parse(answer.text)
    return Look(time.monotonic(), samples, tuple(away))


def parse(exposition: str) -> dict[tuple[str, Labels], float]:
    """Samples of Prometheus' text format. Raises ValueError for anything else."""
    families = text_string_to_metric_families(exposition)
    return {(sample.name, frozenset(sample.labels.items())): sample.value for family in families for sample in family.samples}


@dataclass(frozen=True)
class Between:
    """What happened from one look to a later one."""

    before: Look
    after: Look

    @property
    def seconds(self) -> float:
        """How long it was."""
        return max(self.after.at - self.before.at, 1e-9)

    def more(self, name: str, **labels: str) -> float:
        """By how much counters grew. One that fell was started anew, as its process was, and grew from nothing."""
        total = 0.0
        for held, value in self.after.of(name, **labels):
            earlier = self.before.samples.get((name, frozenset(held.items())), 0.0)
            total += value - earlier if value >= earlier else value
        return total

    def per_second(self, name: str, **labels: str) -> float:
        """The same, per second."""
        return self.more(name, **labels) / self.seconds

    def values(self, name: str, label: str) -> list[str]:
        """The values a label has in the later look, each once."""
        return sorted({held[label] for held, _ in self.after.of(name) if label in held})

    def quantile(self, share: float, name: str, **labels: str) -> float | None:
        """Of a histogram: what this share took at most, between buckets' bounds by a straight line; None where nothing was observed.

        As Prometheus' `histogram_quantile`: what lies beyond the last bound is told as that bound.
        """
        counts: defaultdict[float, float] = defaultdict(float)
        for bound in self.values(f"{name}_bucket", "le"):
            counts[float(bound)] += self.more(f"{name}_bucket", le=bound, **labels)
        return _quantile(share, sorted(counts.items()))


def _quantile(share: float, buckets: Iterable[tuple[float, float]]) -> float | None:
    """Of cumulated counts by upper bound."""
    buckets = list(buckets)
    if not buckets or not buckets[-1][1]:
        return None
    rank = share * buckets[-1][1]
    lower, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= rank:
            if bound == float("inf"):
                return lower
            return lower + (bound - lower) * ((rank - below) / (count - below) if count > below else 1.0)
        lower, below = bound, count
    return lower
