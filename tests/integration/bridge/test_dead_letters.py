"""What an operator sees of an event, and has tried again."""

import json

import pytest

from common.config import Settings
from infra.bridge import dead_letters
from infra.bridge.database import connect
from infra.bridge.whereabouts import events_of
from tests.integration.bridge.waiting import until

STOCK_IN = "procurement_stock_in"


@pytest.fixture
def connection(mariadb, redis_server):
    addresses = {name.lower(): value for name, value in mariadb.items()} | {"redis_host": "127.0.0.1"}
    connection = connect(Settings.model_validate(addresses))
    yield connection
    connection.close()


@pytest.fixture
def dead(lasting_bridge, outbox) -> str:
    event_id = outbox.add("product_events", event_type="product_created", misbehave="raise")
    until(lambda: len(outbox.dead_letters()) == 3)
    until(lambda: outbox.undelivered() == 0)
    return event_id


def test_replayed_letter_is_delivered_once_what_was_wrong_is_mended(dead, outbox, connection):
    event = json.loads(dead_letters.dead_letter(connection, dead_letters.waiting_ids(connection)[0])["payload"])
    del event["misbehave"]
    outbox.execute("UPDATE outbox SET payload = %s", (json.dumps(event),))
    replayed = dead_letters.replay(connection, dead_letters.waiting_ids(connection))
    until(lambda: outbox.undelivered() == 0)
    assert len(replayed) == 3
    assert outbox.effects() == [dead] * 3
    assert dead_letters.dead_letters(connection) == []
    assert len(dead_letters.dead_letters(connection, replayed_too=True)) == 3


def test_letter_that_fails_again_after_its_replay_waits_again(dead, outbox, connection):
    first = min(dead_letters.waiting_ids(connection))
    dead_letters.replay(connection, [first])
    until(lambda: first in dead_letters.waiting_ids(connection))
    until(lambda: outbox.undelivered() == 0)
    assert outbox.effects() == []


def test_letter_that_does_not_wait_is_not_replayed(dead, connection):
    assert dead_letters.replay(connection, [10**9]) == []


def test_event_says_where_it_is(dead, outbox, connection, lasting_bridge):
    delivered = outbox.add(STOCK_IN)
    until(lambda: outbox.undelivered() == 0)
    (event,) = events_of(connection, delivered)
    assert [(told["consumer"], told["state"]) for told in event["consumers"]] == [("inventory", "processed")]
    (event,) = events_of(connection, dead)
    assert {told["state"] for told in event["consumers"]} == {"dead"}
    assert [event["event_id"] for event in events_of(connection, "trace-of-a-test")] == [dead, delivered]
    assert events_of(connection, "nothing") == []
