import itertools
import json

import pytest

from infra.bridge.delivery import Row
from infra.bridge.dispatcher import Dispatcher
from infra.bridge.invocation import Answered, Broken, Unavailable, Unreachable

_ids = itertools.count(1)


class Function:
    """A function that misbehaves on certain events, and remembers what it was told."""

    def __init__(self, **answers):
        self.answers = answers
        self.told = []

    def __call__(self, events):
        ids = [event["event_id"] for event in events]
        self.told.append(ids)
        for event_id in ids:
            if event_id in self.answers:
                answer = self.answers[event_id]
                if not isinstance(answer, list):
                    return answer
                # A list is used up, as an accident that does not happen again.
                return answer.pop(0) if answer else Answered()
        return Answered()


def rows(*event_ids, attempts=0, payload=None):
    return [Row(next(_ids), event_id, "order_status", payload or json.dumps({"event_id": event_id}), attempts) for event_id in event_ids]


def tell(function, given, **settings):
    return Dispatcher(function, batch_bytes=settings.pop("batch_bytes", 10_000), **settings).tell(given)


def test_events_go_in_one_invocation():
    function = Function()
    outcome = tell(function, rows("a", "b", "c"))
    assert function.told == [["a", "b", "c"]]
    assert [row.event_id for row in outcome.answered] == ["a", "b", "c"]


def test_batch_that_breaks_once_is_told_again_and_nothing_counts():
    function = Function(b=[Broken("killed")])
    outcome = tell(function, rows("a", "b"))
    assert function.told == [["a", "b"], ["a", "b"]]
    assert (outcome.failures, outcome.outage) == ({}, None)


def test_batch_that_breaks_twice_is_told_one_by_one_and_only_the_breaking_event_fails():
    function = Function(b=Broken("exit status 1"))
    outcome = tell(function, rows("a", "b", "c"))
    assert function.told == [["a", "b", "c"]] * 2 + [[]] + [["a"], ["b"], ["b"], [], ["c"]]
    assert outcome.failures == {"b": "exit status 1"}
    assert [row.event_id for row in outcome.answered] == ["a", "c"]


@pytest.mark.parametrize("attempts", [0, 1])
def test_function_that_breaks_whatever_it_is_told_makes_no_event_fail(attempts):
    def cannot_be_imported(_):
        return Broken("NameError: name 'stock' is not defined")

    outcome = tell(cannot_be_imported, rows("a", "b", attempts=attempts))
    assert outcome.outage == "NameError: name 'stock' is not defined"
    assert (outcome.failures, outcome.answered) == ({}, [])


def test_event_that_failed_before_is_told_alone_and_last():
    function = Function()
    tell(function, rows("bad", attempts=2) + rows("a", "b"))
    assert function.told == [["a", "b"], ["bad"]]


@pytest.mark.parametrize("answer", [Unreachable("refused"), Unavailable("no database")])
def test_outage_counts_against_nobody(answer):
    function = Function(a=answer)
    outcome = tell(function, rows("a", "b") + rows("bad", attempts=1))
    assert outcome.outage == answer.reason
    assert (outcome.failures, outcome.answered) == ({}, [])


def test_event_that_is_always_unavailable_is_found_out_once_others_go_well():
    function = Function(bad=Unavailable("says it"))
    dispatcher = Dispatcher(function, batch_bytes=10_000)
    assert [dispatcher.tell(rows("bad", "a", "b")).outage for _ in range(2)] == ["says it"] * 2
    outcome = dispatcher.tell(rows("bad", "a", "b"))
    assert outcome.failures == {"bad": "says it"}
    assert outcome.outage is None


def test_real_unavailability_is_not_mistaken_for_poison():
    function = Function(**{event_id: Unavailable("no database") for event_id in "abcdefgh"})
    dispatcher = Dispatcher(function, batch_bytes=10_000)
    for _ in range(30):
        outcome = dispatcher.tell(rows(*"abcdefgh"))
        assert (outcome.failures, outcome.outage) == ({}, "no database")


def test_suspect_that_is_unavailable_with_no_other_to_compare_waits_without_counting():
    outcome = tell(Function(bad=Unavailable("says it")), rows("bad", attempts=1))
    assert (outcome.failures, outcome.deferred, outcome.outage) == ({}, {"bad": "says it"}, None)


def test_failures_the_function_names_are_taken_for_the_batch_s_events_alone():
    outcome = tell(Function(a=Answered({"a": "why", "stranger": "why"})), rows("a", "b"))
    assert outcome.failures == {"a": "why"}


@pytest.mark.parametrize("payload", ["truncat", "[]", '{"event_id": "another"}', "null"])
def test_row_that_is_not_its_event_fails_without_being_told(payload):
    function = Function()
    outcome = tell(function, rows("bad", payload=payload))
    assert function.told == []
    assert list(outcome.failures) == ["bad"]


def test_batches_stay_below_what_lambda_takes():
    function = Function()
    tell(function, rows("a", "b", "c"), batch_bytes=45)
    assert function.told == [["a", "b"], ["c"]]


def test_nothing_is_begun_when_it_is_time_to_stop():
    function = Function()
    outcome = tell(function, rows("a"), go_on=lambda: False)
    assert (function.told, outcome.answered) == ([], [])
