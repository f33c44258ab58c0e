"""So many attempts, for each subject by itself, with Redis and without."""

import pytest

from common import limits
from common.errors import TooManyError
from common.limits import Limit

LIMIT = Limit("guess", attempts=3, seconds=60)


@pytest.fixture(params=["redis", "without redis"])
def counting(request, redis_server, monkeypatch):
    """Counted in Redis, and by the process itself while Redis is away."""
    limits._own.clear()
    redis_server.connected = request.param == "redis"


def attempts(limit, subject, most=10):
    for number in range(most):
        try:
            limit.take(subject)
        except TooManyError:
            return number
    return most


def test_so_many_and_no_more(counting):
    assert attempts(LIMIT, "ann") == 3
    assert attempts(LIMIT, "ann") == 0


def test_one_is_told_when_to_come_back(counting):
    attempts(LIMIT, "ann")
    with pytest.raises(TooManyError) as refusal:
        LIMIT.take("ann")
    assert 1 <= refusal.value.retry_after <= 60


def test_each_for_itself(counting):
    assert attempts(LIMIT, "ann") == 3
    assert attempts(LIMIT, "bob") == 3
    assert attempts(Limit("another", attempts=1, seconds=60), "ann") == 1


def test_what_is_given_back_does_not_count(counting):
    for _ in range(20):
        LIMIT.take("ann")
        LIMIT.give_back("ann")
    assert attempts(LIMIT, "ann") == 3


def test_a_window_ends(counting):
    short = Limit("short", attempts=1, seconds=1)
    assert attempts(short, "ann") == 1
    limit = limits.time.monotonic() + 30
    while attempts(short, "ann", 1) == 0:
        assert limits.time.monotonic() < limit


def test_nothing_is_given_back_to_a_window_that_has_ended(counting):
    LIMIT.give_back("ann")
    assert attempts(LIMIT, "ann") == 3


def test_redis_is_told_neither_names_nor_addresses(redis):
    LIMIT.take("ann@example.com 10.0.0.1")
    assert not any("ann" in key or "10.0" in key for key in redis.scan_iter())


def test_a_process_remembers_only_so_many(redis_server, monkeypatch):
    redis_server.connected = False
    monkeypatch.setattr(limits, "_REMEMBERED", 10)
    for number in range(100):
        LIMIT.take(f"subject {number}")
    assert len(limits._own) == 10
