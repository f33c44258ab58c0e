"""What an operator sees of an event, and has tried again."""

import json

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

from common import deliveries
from common.config import Settings
from common.db import database_url
from tests.integration.bridge.waiting import until

STOCK_IN = "procurement_stock_in"


@pytest.fixture
def sessions(mariadb, redis_server):
    addresses = {name.lower(): value for name, value in mariadb.items()} | {"redis_host": "127.0.0.1"}
    engine = create_engine(database_url(Settings.model_validate(addresses)), isolation_level="READ COMMITTED")
    yield sessionmaker(engine, expire_on_commit=False)
    engine.dispose()


@pytest.fixture
def dead(lasting_bridge, outbox) -> str:
    event_id = outbox.add("product_events", event_type="product_created", misbehave="raise")
    until(lambda: len(outbox.dead_letters()) == 3)
    until(lambda: outbox.undelivered() == 0)
    return event_id


def waiting(sessions) -> list[int]:
    with sessions.begin() as session:
        return deliveries.waiting_letters(session)


def replay(sessions, ids) -> list[int]:
    with sessions.begin() as session:
        return [letter.id for letter in deliveries.replay(session, ids)]


def where_is(sessions, key):
    with sessions.begin() as session:
        return deliveries.whereabouts(session, deliveries.events_of(session, key))


def test_replayed_letter_is_delivered_once_what_was_wrong_is_mended(dead, outbox, sessions):
    with sessions.begin() as session:
        event = json.loads(deliveries.dead_letters(session)[0].payload)
    del event["misbehave"]
    outbox.execute("UPDATE outbox SET payload = %s", (json.dumps(event),))
    replayed = replay(sessions, waiting(sessions))
    until(lambda: outbox.undelivered() == 0)
    assert len(replayed) == 3
    assert outbox.effects() == [dead] * 3
    with sessions.begin() as session:
        assert deliveries.dead_letters(session) == []
        assert len(deliveries.dead_letters(session, replayed_too=True)) == 3


def test_letter_that_fails_again_after_its_replay_waits_again(dead, outbox, sessions):
    first = min(waiting(sessions))
    replay(sessions, [first])
    until(lambda: first in waiting(sessions))
    until(lambda: outbox.undelivered() == 0)
    assert outbox.effects() == []


def test_letter_that_does_not_wait_is_not_replayed(dead, sessions):
    assert replay(sessions, [10**9]) == []


def test_event_says_where_it_is(dead, outbox, sessions, lasting_bridge):
    delivered = outbox.add(STOCK_IN)
    until(lambda: outbox.undelivered() == 0)
    (event,) = where_is(sessions, delivered)
    assert [(told["consumer"], told["state"]) for told in event["consumers"]] == [("inventory", "processed")]
    (event,) = where_is(sessions, dead)
    assert {(told["state"], told["attempts"]) for told in event["consumers"]} == {("dead", 5)}
    assert [event["event_id"] for event in where_is(sessions, "trace-of-a-test")] == [dead, delivered]
    assert where_is(sessions, "nothing") == []
