import threading
import time
from datetime import UTC, datetime, timedelta
from statistics import median
from types import SimpleNamespace

import pytest

from common import cache
from common.cache import ENTITY_SECONDS, GONE, EntityCache, WarmUp
from common.errors import UnavailableError
from common.redis_client import _guard, get_redis, guard_state, note_failure, try_redis

CACHE = EntityCache("product")


def entity(version, **fields):
    return {"id": 1, "version": version, **fields}


@pytest.mark.usefixtures("redis_server")
class TestEntities:
    def test_unknown_is_none(self):
        assert CACHE.get(1) is None
        assert CACHE.get_many([]) == {}

    def test_kept_for_a_day(self, redis):
        CACHE.put([entity(1)])
        assert 0 < redis.ttl("product:1") <= ENTITY_SECONDS

    def test_slow_reader_never_overwrites_a_newer_entry(self):
        CACHE.put([entity(2, price=2)], insist=True)
        CACHE.put([entity(1, price=1)])
        assert CACHE.get(1) == entity(2, price=2)

    def test_versions_are_compared_as_numbers(self):
        CACHE.put([entity(9)])
        CACHE.put([entity(10)])
        CACHE.put([entity(9)])
        assert CACHE.get(1)["version"] == 10

    def test_same_version_may_be_written_again(self):
        CACHE.put([entity(1, name="a")])
        CACHE.put([entity(1, name="b")])
        assert CACHE.get(1)["name"] == "b"

    def test_deleted_one_leaves_a_tombstone_that_no_slow_reader_lifts(self):
        CACHE.bury(1, 3)
        CACHE.put([entity(2)])
        assert CACHE.get(1) is GONE

    def test_many_are_put_and_got_at_once(self):
        CACHE.put([{"id": i, "version": 1} for i in range(1, 4)])
        CACHE.bury(2, 2)
        found = CACHE.get_many([1, 2, 3, 4, 1])
        assert {i: value if value is GONE else value["id"] for i, value in found.items()} == {1: 1, 2: GONE, 3: 3}

    def test_text_with_colons_survives(self):
        CACHE.put([entity(1, name="a:b:c 🦆")])
        assert CACHE.get(1)["name"] == "a:b:c 🦆"


@pytest.mark.usefixtures("redis_server")
class TestInDoubt:
    """Between the moments before and after a writer's commit."""

    @pytest.fixture
    def session(self):
        return SimpleNamespace(info={})

    def follow(self, session):
        CACHE.put([entity(1, price=1)], insist=True)
        CACHE.follow(session, [entity(2, price=2)])
        for action in session.info["before_commit"]:
            action()

    def test_nobody_takes_it_from_the_cache_nor_puts_the_former_one_back(self, session):
        self.follow(session)
        CACHE.put([entity(1, price=1)])
        assert CACHE.get(1) is None

    def test_a_reader_who_sees_the_commit_ends_the_doubt(self, session):
        self.follow(session)
        CACHE.put([entity(2, price=2)])
        assert CACHE.get(1) == entity(2, price=2)

    def test_the_writer_ends_the_doubt(self, session):
        self.follow(session)
        for action in session.info["after_commit"]:
            action()
        assert CACHE.get(1) == entity(2, price=2)
        assert CACHE.listed({}, lambda: {"n": 1}) == CACHE.listed({}, lambda: pytest.fail("it is cached"))

    def test_no_list_is_cached_meanwhile(self, session):
        self.follow(session)
        assert CACHE.listed({}, lambda: {"n": 1}) == {"n": 1}
        assert CACHE.listed({}, lambda: {"n": 2}) == {"n": 2}

    def test_it_ends_by_itself_where_the_writer_died(self, session, redis):
        self.follow(session)
        assert 0 < redis.ttl("product:1") <= 30
        assert 0 < redis.ttl("product:lists:doubts") <= 31

    def test_what_was_listed_before_is_void_once_the_doubt_of_a_writer_who_died_is_over(self, session, redis):
        CACHE.listed({}, lambda: {"n": 1})
        self.follow(session)
        redis.delete("product:lists:doubts")
        assert CACHE.listed({}, lambda: {"n": 2}) == {"n": 2}

    def test_a_writer_ends_no_other_writers_doubt(self, session):
        other = SimpleNamespace(info={})
        self.follow(session)
        self.follow(other)
        for action in session.info["after_commit"]:
            action()
        assert CACHE.listed({}, lambda: {"n": "the other's commit is still to come"})
        assert CACHE.listed({}, lambda: {"n": 2}) == {"n": 2}
        for action in other.info["after_commit"]:
            action()
        assert CACHE.listed({}, lambda: {"n": 3}) == CACHE.listed({}, lambda: pytest.fail("it is cached"))

    def test_whoever_else_voids_the_lists_ends_no_doubt(self, session):
        self.follow(session)
        CACHE.void_lists()
        CACHE.listed({}, lambda: {"n": 1})
        assert CACHE.listed({}, lambda: {"n": 2}) == {"n": 2}

    def test_a_doubt_that_is_over_counts_no_more_while_others_last(self, session, redis):
        self.follow(session)
        redis.zadd("product:lists:doubts", {writer: time.time() - 1 for writer in redis.zrange("product:lists:doubts", 0, -1)})
        assert CACHE.listed({}, lambda: {"n": 1}) == CACHE.listed({}, lambda: pytest.fail("it is cached"))


@pytest.mark.usefixtures("redis_server")
class TestLists:
    def test_loaded_once_per_query(self):
        loads = []
        for _ in range(2):
            CACHE.listed({"q": "a"}, lambda: loads.append("a") or {"n": 1})
            CACHE.listed({"q": "b"}, lambda: loads.append("b") or {"n": 2})
        assert loads == ["a", "b"]

    def test_written_void_by_every_write(self):
        assert CACHE.listed({}, lambda: {"n": 1}) == {"n": 1}
        CACHE.void_lists()
        assert CACHE.listed({}, lambda: {"n": 2}) == {"n": 2}

    def test_list_that_a_slow_reader_files_after_a_write_is_found_by_nobody(self):
        def slow():
            CACHE.void_lists()
            return {"n": "old"}

        assert CACHE.listed({}, slow) == {"n": "old"}
        assert CACHE.listed({}, lambda: {"n": "new"}) == {"n": "new"}

    def test_lists_of_other_kinds_stay(self):
        EntityCache("supplier").listed({}, lambda: {"n": 1})
        CACHE.void_lists()
        assert EntityCache("supplier").listed({}, lambda: {"n": 2}) == {"n": 1}


class TestRedisAway:
    def test_reads_know_nothing_and_lists_are_loaded(self, redis_server):
        CACHE.put([entity(1)])
        redis_server.connected = False
        assert CACHE.get(1) is None
        assert CACHE.listed({}, lambda: {"n": 1}) == {"n": 1}
        CACHE.put([entity(2)])
        CACHE.void_lists()

    def test_guard_opens_so_that_nothing_is_tried_and_insisting_tries_all_the_same(self, redis_server):
        tried = []
        redis_server.connected = False
        while guard_state() == "closed":
            CACHE.get(1)
        try_redis(tried.append, None)
        assert tried == []
        redis_server.connected = True
        try_redis(tried.append, None)
        assert tried == []
        try_redis(tried.append, None, insist=True)
        assert tried == [get_redis()] or len(tried) == 1

    def test_guard_does_not_go_by_a_clock_that_may_be_set_back(self):
        storage = _guard._state_storage
        storage.opened_at = datetime.now(UTC) + timedelta(hours=7)
        assert timedelta(0) <= datetime.now(UTC) - storage.opened_at < timedelta(minutes=1)

    def test_invalidation_in_the_moment_after_redis_came_back_is_not_skipped(self, redis_server):
        CACHE.put([entity(1)])
        CACHE.listed({}, lambda: {"n": 1})
        redis_server.connected = False
        while guard_state() == "closed":
            CACHE.get(1)
        redis_server.connected = True
        CACHE.put([entity(2)], insist=True)
        CACHE.void_lists()
        _guard.close()
        assert CACHE.get(1) == entity(2)
        assert CACHE.listed({}, lambda: {"n": 2}) == {"n": 2}


class TestWarmUp:
    def test_one_loads_and_the_others_wait_for_it(self, redis_server, monkeypatch):
        monkeypatch.setattr(cache, "_PATIENCE_SECONDS", 60)
        loading, may_finish, loads, done = threading.Event(), threading.Event(), [], []

        def load():
            loads.append(1)
            loading.set()
            assert may_finish.wait(5)
            return 1

        def first():
            WarmUp("product", load).ensure()
            done.append("first")

        def other():
            WarmUp("product", load).ensure()
            done.append("other")

        threads = [threading.Thread(target=first)]
        threads[0].start()
        assert loading.wait(5)
        threads += [threading.Thread(target=other) for _ in range(3)]
        for thread in threads[1:]:
            thread.start()
        assert done == []
        may_finish.set()
        for thread in threads:
            thread.join(5)
        assert len(loads) == 1
        assert sorted(done) == ["first", "other", "other", "other"]

    def test_nobody_waits_long_for_one_who_died_while_loading(self, redis, monkeypatch):
        monkeypatch.setattr(cache, "_PATIENCE_SECONDS", 0.1)
        redis.set("product:warming", "1", ex=10)
        warm_up = WarmUp("product", lambda: pytest.fail("another is at it"))
        warm_up.ensure()
        assert not warm_up.is_warm()
        redis.delete("product:warming")
        warm_up = WarmUp("product", lambda: 1)
        warm_up.ensure()
        assert warm_up.is_warm()

    def test_warmed_once_and_again_after_redis_restarted(self, redis):
        loads = []
        warm_up = WarmUp("product", lambda: loads.append(1) or 1)
        warm_up.ensure()
        warm_up.ensure()
        assert len(loads) == 1
        redis.flushall()
        note_failure()
        warm_up.ensure()
        assert len(loads) == 2

    def test_empty_cache_is_warm_too(self, redis_server):
        warm_up = WarmUp("product", lambda: 0)
        assert not warm_up.is_warm()
        warm_up.ensure()
        assert warm_up.is_warm()

    def test_nobody_waits_while_redis_is_away(self, redis_server):
        redis_server.connected = False
        warm_up = WarmUp("product", lambda: pytest.fail("there is nothing to warm"))
        taken = []
        for _ in range(5):
            began = time.perf_counter()
            warm_up.ensure()
            taken.append(time.perf_counter() - began)
        assert median(taken) < 0.1, taken

    def test_loading_that_fails_is_tried_again_and_does_not_fail_the_request(self, redis_server):
        outcomes = [UnavailableError("the database is away"), 3]

        def load():
            outcome = outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        warm_up = WarmUp("product", load)
        warm_up.ensure()
        assert not warm_up.is_warm()
        warm_up.ensure()
        assert warm_up.is_warm()
