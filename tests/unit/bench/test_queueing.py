"""The simulated queues against what is known of them in closed form (Kleinrock, Queueing Systems I), and the figures of docs/scaling.md."""

import math
import random

import pytest

from tests.bench import scaling
from tests.bench.queueing import batches, poisson, pool

MANY = 200_000


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def erlang_b(servers, load):
    """The share that finds all servers busy, where nobody waits."""
    terms = [load**n / math.factorial(n) for n in range(servers + 1)]
    return terms[-1] / sum(terms)


def erlang_c(servers, load):
    """The share that has to wait, where everybody does."""
    blocked = erlang_b(servers, load)
    return blocked / (1 - load / servers * (1 - blocked))


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (3, 2.4), (10, 7.0)])
def test_who_waits_for_one_of_several_servers_waits_as_long_as_erlang_says(servers, load):
    chance = random.Random(servers)
    arrivals = poisson(chance, load, MANY)
    services = [chance.expovariate(1) for _ in arrivals]
    served = pool(arrivals, services, servers, waits=True)
    waited = mean(left - came - service for left, came, service in zip(served.left, arrivals, services, strict=True))
    assert waited == pytest.approx(erlang_c(servers, load) / (servers - load), rel=0.05)
    assert served.refused == 0
    assert served.busy / served.left[-1] / servers == pytest.approx(load / servers, rel=0.02)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (5, 4.0), (20, 22.0)])
def test_as_many_are_refused_as_erlang_says(servers, load):
    chance = random.Random(servers)
    arrivals = poisson(chance, load, MANY)
    served = pool(arrivals, [chance.expovariate(1) for _ in arrivals], servers, waits=False)
    assert served.refused / MANY == pytest.approx(erlang_b(servers, load), rel=0.05)
    assert len(served.left) == len(served.arrived) == MANY - served.refused


def test_one_by_one_at_a_steady_pace_is_waited_for_as_pollaczek_and_khinchine_say():
    arrivals = poisson(random.Random(1), 0.8, MANY)
    served = batches(arrivals, each=0.75, per_event=0.25, most=1)
    waited = mean(left - came - 1 for left, came in zip(served.left, arrivals, strict=True))
    assert waited == pytest.approx(0.8 / (2 * (1 - 0.8)), rel=0.05)
    assert served.batches == MANY


def test_a_batch_holds_who_waits_and_no_more_than_it_may():
    served = batches([0, 1, 2, 3, 4, 50], each=10, per_event=1, most=3)
    # The first alone; three of those who came meanwhile; the last of them; and one more, much later.
    assert served.left == [11, 24, 24, 24, 35, 61]
    assert served.batches == 4


def test_the_first_part_to_saturate_is_the_one_that_lets_fewest_through():
    limits = {part.name: part.per_minute for part in scaling.parts(400, 1)}
    assert list(limits.values()) == sorted(limits.values())
    more = {part.name: part.per_minute for part in scaling.parts(800, 4)}
    assert more["consumer of the bridge"] == pytest.approx(4 * limits["consumer of the bridge"])
    assert more["order function"] > 2 * limits["order function"]


def test_below_what_a_part_lets_through_nothing_is_refused_and_above_it_much_is():
    limit = next(part.per_minute for part in scaling.parts(200, 4) if part.name == "order function")
    assert scaling.simulate(0.2 * limit, 200, 4, orders=5_000).refused < 0.001
    assert scaling.simulate(2 * limit, 200, 4, orders=5_000).refused > 0.4


def test_beyond_what_one_worker_does_orders_wait_longer_and_longer_and_with_more_workers_they_do_not():
    consumer = next(part.per_minute for part in scaling.parts(1600, 1) if part.name == "consumer of the bridge")
    fewer, more = (scaling.simulate(1.5 * consumer, 1600, 1, orders=orders).percentile(99) for orders in (10_000, 40_000))
    assert more > 2 * fewer
    assert scaling.simulate(1.5 * consumer, 1600, 4, orders=40_000).percentile(99) < 0.5
