import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from freezegun import freeze_time

from common.breaker import FAILURES_TO_OPEN, SECONDS_OPEN, Breaker, DependencyUnavailableError


def fail():
    raise OSError("the dependency is down")


def trip(breaker, times=FAILURES_TO_OPEN):
    for _ in range(times):
        with pytest.raises(DependencyUnavailableError):
            breaker.call(fail)


@pytest.mark.usefixtures("redis_server")
class TestShared:
    def test_opens_after_five_failures_in_a_row(self):
        breaker = Breaker("supplier")
        trip(breaker, FAILURES_TO_OPEN - 1)
        assert breaker.state() == "closed"
        assert breaker.call(lambda: 1) == 1
        trip(breaker, FAILURES_TO_OPEN - 1)
        assert breaker.state() == "closed"
        trip(breaker, 1)
        assert breaker.state() == "open"

    def test_a_clock_that_is_set_back_does_not_keep_it_open(self):
        breaker = Breaker("supplier")
        with freeze_time("2026-03-01 19:00"):
            trip(breaker)
            with pytest.raises(DependencyUnavailableError):
                breaker.call(lambda: pytest.fail("must not be asked"))
        with freeze_time("2026-03-01 12:00"):
            assert breaker.call(lambda: 1) == 1
            assert breaker.state() == "closed"

    def test_failures_and_opening_are_shared_between_environments(self):
        one, other = Breaker("supplier"), Breaker("supplier")
        trip(one, 3)
        trip(other, 2)
        assert (one.state(), other.state()) == ("open", "open")
        with pytest.raises(DependencyUnavailableError) as refusal:
            Breaker("supplier").call(lambda: pytest.fail("must not be asked"))
        assert 0 < refusal.value.retry_after <= SECONDS_OPEN
        assert refusal.value.extensions == {"dependency": "supplier"}

    def test_dependencies_have_breakers_of_their_own(self):
        trip(Breaker("supplier"))
        assert Breaker("customer").call(lambda: 1) == 1

    def test_exactly_one_of_many_callers_probes(self):
        asked, begun, may_finish = [], threading.Event(), threading.Event()

        def probe():
            asked.append(1)
            begun.set()
            assert may_finish.wait(60)
            return "well"

        with freeze_time("2026-01-01") as clock:
            trip(Breaker("supplier"))
            clock.tick(SECONDS_OPEN + 1)
            with ThreadPoolExecutor(8) as threads:
                first = threads.submit(Breaker("supplier").call, probe)
                assert begun.wait(60)
                others = [threads.submit(Breaker("supplier").call, probe) for _ in range(7)]
                for other in others:
                    assert isinstance(other.exception(60), DependencyUnavailableError)
                may_finish.set()
                assert first.result(60) == "well"
        assert asked == [1]
        assert Breaker("supplier").state() == "closed"

    def test_success_of_the_probe_closes_it_for_all(self):
        one, other = Breaker("supplier"), Breaker("supplier")
        with freeze_time("2026-01-01") as clock:
            trip(one)
            clock.tick(SECONDS_OPEN + 1)
            assert other.call(lambda: "well") == "well"
            assert (one.state(), one.call(lambda: "well")) == ("closed", "well")
            trip(one, FAILURES_TO_OPEN - 1)
            assert one.state() == "closed"

    def test_failure_of_the_probe_opens_it_for_thirty_seconds_more(self):
        breaker = Breaker("supplier")
        with freeze_time("2026-01-01") as clock:
            trip(breaker)
            clock.tick(SECONDS_OPEN + 1)
            trip(breaker, 1)
            assert breaker.state() == "open"
            clock.tick(SECONDS_OPEN - 1)
            with pytest.raises(DependencyUnavailableError):
                breaker.call(lambda: pytest.fail("too early"))
            clock.tick(2)
            assert breaker.call(lambda: 1) == 1

    def test_retry_after_counts_down(self):
        breaker = Breaker("supplier")
        with freeze_time("2026-01-01") as clock:
            trip(breaker)
            clock.tick(20)
            assert breaker.seconds_until_probe() == pytest.approx(10)


class TestRedisAway:
    def test_remembers_by_itself(self, redis_server):
        redis_server.connected = False
        breaker = Breaker("supplier")
        with freeze_time("2026-01-01") as clock:
            trip(breaker)
            with pytest.raises(DependencyUnavailableError):
                breaker.call(lambda: pytest.fail("must not be asked"))
            clock.tick(SECONDS_OPEN + 1)
            assert breaker.call(lambda: 1) == 1
        assert breaker.state() == "closed"
