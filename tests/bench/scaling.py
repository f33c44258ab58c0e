"""`python -m tests.bench.scaling`: the figures of docs/scaling.md, from measured costs of an order, by arithmetic and by simulation.

Nothing is measured here: `COSTS` says where each figure comes from. The same seed prints the same table.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from infra.aws.concurrency import shares
from infra.bridge import housekeeping
from infra.bridge.settings import BridgeSettings
from tests.bench.queueing import batches, poisson, pool

SEED = 2026
ORDERS = 60_000
"""Of each simulated row."""
RATES = (10, 1_000, 100_000)
"""Orders a minute."""


@dataclass(frozen=True)
class Costs:
    """What one order costs, in seconds; whatever AWS adds is an assumption, and stands apart."""

    # docs/performance.md, Events, taken p50 at 10 orders a second.
    take: float = 5.5e-3
    # The same table, stock applied less taken: a batch of one, invoked, consumed and marked.
    batch: float = 5.9e-3
    # The same page: 100,000 events in 31.6 s, in batches of 100, whose own cost is taken off.
    event: float = 31.6 / 100_000 - 5.9e-3 / 100
    # `python -m tests.bench.order_cost`: processor time of MariaDB and Redis, for an order from POST until it is confirmed.
    database: float = 1.40e-3
    redis: float = 0.36e-3
    # tests/integration/services/test_round_trips.py: statements and trips to Redis of POST /api/orders, and of inventory's consumer for a
    # batch, to which ASSUMED are six of the bridge, that reads it and marks it delivered.
    take_trips: int = 5 + 4
    batch_trips: int = 8 + 2 + 6
    # ASSUMED: on the laptop a trip takes next to nothing; between two machines of a region by way of a proxy, a millisecond.
    trip: float = 1e-3
    # ASSUMED: what invoking a warm function through Lambda's API takes more than here.
    invoke: float = 8e-3

    @property
    def take_on_aws(self) -> float:
        """How long an environment of the order function is busy with one."""
        return self.take + self.take_trips * self.trip

    @property
    def batch_on_aws(self) -> float:
        """What a batch takes, however many events it has."""
        return self.batch + self.batch_trips * self.trip + self.invoke


COSTS = Costs()
OUTBOX_ROWS = 2
"""Of an order: that it took stock, and what was decided."""
KNOBS = BridgeSettings()
FORGOTTEN_PER_SECOND = housekeeping._CHUNK / (2 * housekeeping._PAUSE_SECONDS)
"""ASSUMED: deleting some takes as long as the pause before the next."""
ROW_BYTES = 600
"""ASSUMED: a row of the outbox and one of processed_events, with their indexes."""
API_PER_SECOND = 2_000
"""RequestsPerSecond of template.yaml."""
CORES = 4
"""ASSUMED: of the database's instance."""


@dataclass(frozen=True)
class Part:
    """What bounds the orders, and how many it lets through."""

    name: str
    share: str
    per_minute: float


def parts(connections: int, workers: int, costs: Costs = COSTS) -> list[Part]:
    """All parts, the first to saturate first."""
    environments = shares(connections)["Order"]
    consumer = KNOBS.batch_events / (costs.batch_on_aws + KNOBS.batch_events * costs.event)
    found = [
        Part("housekeeping of the outbox", f"{OUTBOX_ROWS} rows, {FORGOTTEN_PER_SECOND:.0f}/s", FORGOTTEN_PER_SECOND / OUTBOX_ROWS),
        Part("order function", f"{costs.take_on_aws * 1e3:.1f} ms of {environments} environments", environments / costs.take_on_aws),
        Part("consumer of the bridge", f"{costs.batch_on_aws * 1e3:.1f} ms a batch, {workers} at once", workers * consumer),
        Part("API's throttle", f"1 request, {API_PER_SECOND}/s", API_PER_SECOND),
        Part("database's processor", f"{costs.database * 1e3:.2f} ms of {CORES} cores", CORES / costs.database),
        Part("Redis' processor", f"{costs.redis * 1e3:.2f} ms of 1 core", 1 / costs.redis),
    ]
    return sorted((Part(part.name, part.share, part.per_minute * 60) for part in found), key=lambda part: part.per_minute)


@dataclass(frozen=True)
class Row:
    """One simulated rate."""

    refused: float
    confirmed: list[float]
    """Seconds from sending an order until it is confirmed, in order."""
    function: float
    """How busy its environments are."""
    batch: float
    """Events of a batch of inventory's."""

    def percentile(self, percent: float) -> float:
        """Of the seconds until confirmed."""
        return self.confirmed[min(len(self.confirmed) - 1, int(len(self.confirmed) * percent / 100))]


def simulate(per_minute: float, connections: int, workers: int, orders: int = ORDERS, costs: Costs = COSTS) -> Row:
    """Orders that come at random to the order function, are decided by a worker of inventory, and confirmed by one of orders."""
    chance = random.Random(f"{SEED} {per_minute} {connections} {workers}")
    arrivals = poisson(chance, per_minute / 60, orders)
    environments = shares(connections)["Order"]
    # As long as the mean at least half of the time, and now and then many times as long.
    services = [costs.take_on_aws * (0.5 + chance.expovariate(2)) for _ in arrivals]
    taken = pool(arrivals, services, environments, waits=False)
    confirmed, batches_made = [], 0
    # A product's events go to one worker, which hash of which product says.
    worker_of = [chance.randrange(workers) for _ in taken.left]
    for worker in range(workers):
        mine = sorted((left, came) for left, came, of in zip(taken.left, taken.arrived, worker_of, strict=True) if of == worker)
        decided = batches([left for left, _ in mine], costs.batch_on_aws, costs.event, KNOBS.batch_events)
        told = batches(decided.left, costs.batch_on_aws, costs.event, KNOBS.batch_events)
        confirmed += [end - came for end, (_, came) in zip(told.left, mine, strict=True)]
        batches_made += decided.batches
    span = arrivals[-1]
    return Row(taken.refused / orders, sorted(confirmed), taken.busy / environments / span, len(confirmed) / batches_made)


def report() -> str:
    """Both tables, as docs/scaling.md quotes them."""
    lines = ["What each part lets through, with 400 connections and one worker for each consumer"]
    lines += [f"{'part':<28}{'of an order':<34}{'orders a minute':>16}"]
    lines += [f"{part.name:<28}{part.share:<34}{part.per_minute:>16,.0f}" for part in parts(400, 1)]
    lines += ["", f"The outbox at rest, after {KNOBS.retention_days:.0f} days"]
    lines += [f"{'orders a minute':>16}{'rows':>16}{'GB':>8}"]
    for rate in RATES:
        rows = round(rate * 60 * 24 * KNOBS.retention_days) * OUTBOX_ROWS
        lines += [f"{rate:>16,}{rows:>16,}{rows * ROW_BYTES / 1e9:>8,.1f}"]
    lines += ["", f"Simulated: {ORDERS:,} orders of each row"]
    lines += [f"{'orders a minute':>16}{'connections':>13}{'workers':>9}{'refused':>9}{'p50':>10}{'p99':>10}{'function':>10}{'batch':>7}"]
    for rate, connections, workers in (*((rate, 400, 1) for rate in RATES), (100_000, 800, 1), (100_000, 800, 4), (300_000, 1600, 8)):
        row = simulate(rate, connections, workers)
        figures = f"{row.percentile(50) * 1e3:>7,.0f} ms{row.percentile(99) * 1e3:>7,.0f} ms{row.function:>10.0%}{row.batch:>7.1f}"
        lines += [f"{rate:>16,}{connections:>13}{workers:>9}{row.refused:>9.1%}{figures}"]
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())  # noqa: T201  # a command
