"""What the bridge delivers, when, and what it makes of failures."""

import redis as redis_client

from tests.integration.bridge.waiting import until

STOCK_IN = "procurement_stock_in"


def test_event_is_delivered_when_published_without_waiting_for_a_sweep(new_bridge, outbox):
    new_bridge().start("inventory", sweep_seconds="300").wait_until_running()
    event_id = outbox.add(STOCK_IN)
    until(lambda: outbox.effects() == [event_id])
    until(lambda: outbox.undelivered() == 0)


def test_every_consumer_of_a_channel_has_the_event_once(lasting_bridge, outbox):
    event_id = outbox.add("product_events", event_type="product_created")
    until(lambda: outbox.undelivered() == 0)
    assert [outbox.effects(consumer) for consumer in ("inventory", "procurement", "order")] == [[event_id]] * 3


def test_event_that_no_message_told_of_is_found_by_the_sweep(lasting_bridge, outbox):
    event_id = outbox.add(STOCK_IN, publish=False)
    until(lambda: outbox.effects() == [event_id])


def test_message_delivered_many_times_has_one_effect(lasting_bridge, outbox, redis_server):
    event_id = outbox.add(STOCK_IN)
    for _ in range(5):
        redis_server.client.publish(STOCK_IN, f'{{"event_id": "{event_id}", "event_type": "{STOCK_IN}"}}')
    until(lambda: outbox.undelivered() == 0)
    other = outbox.add(STOCK_IN)
    until(lambda: outbox.undelivered() == 0)
    assert outbox.effects() == [event_id, other]


def test_forged_truncated_foreign_and_oversized_messages_change_nothing(lasting_bridge, outbox, redis_server):
    forged = '{"event_id": "00000000-0000-7000-8000-000000000000", "event_type": "procurement_stock_in", "product_id": 1, "quantity": 9}'
    raw = redis_client.Redis(port=redis_server.port)
    for message in (forged, forged[:40], b"\xff\xfe\x00", "", "x" * 5_000_000, "[]", "null"):
        raw.publish(STOCK_IN, message)
    event_id = outbox.add(STOCK_IN)
    until(lambda: outbox.undelivered() == 0)
    assert outbox.effects() == [event_id]
    assert outbox.dead_letters() == []
    assert outbox.execute("SELECT COUNT(*) FROM processed_events") == ((1,),)


def test_poison_event_becomes_a_dead_letter_after_five_failures_and_stops_no_other(lasting_bridge, outbox):
    events = outbox.add_many(STOCK_IN, [{"misbehave": "raise"} if n == 7 else {} for n in range(15)])
    until(lambda: outbox.undelivered() == 0)
    assert sorted(outbox.effects()) == sorted(events[:7] + events[8:])
    assert outbox.dead_letters() == [("inventory", events[7], 5, "ValueError: poison")]
    assert outbox.execute("SELECT COUNT(*) FROM delivery_failures") == ((0,),)


def test_event_that_crashes_the_function_becomes_a_dead_letter_and_stops_no_other(lasting_bridge, outbox):
    events = outbox.add_many(STOCK_IN, [{"misbehave": "break"} if n == 7 else {} for n in range(15)], publish=False)
    until(lambda: outbox.undelivered() == 0)
    assert sorted(outbox.effects()) == sorted(events[:7] + events[8:])
    assert [letter[:3] for letter in outbox.dead_letters()] == [("inventory", events[7], 5)]


def test_event_that_the_function_claims_to_have_done_but_did_not_note_fails(lasting_bridge, outbox):
    event_id = outbox.add(STOCK_IN, misbehave="forget")
    until(lambda: outbox.undelivered() == 0)
    assert outbox.dead_letters()[0][1:3] == (event_id, 5)
    assert "without having noted" in outbox.dead_letters()[0][3]


def test_unavailability_never_makes_a_dead_letter_of_a_lone_event(lasting_bridge, outbox):
    begun = lasting_bridge.consumer("inventory")["batches"]
    outbox.add(STOCK_IN, misbehave="unavailable")
    until(lambda: lasting_bridge.consumer("inventory")["batches"] > begun + 12)
    assert outbox.dead_letters() == []
    assert outbox.undelivered() == 1


def test_event_that_is_always_unavailable_does_not_hold_up_others(lasting_bridge, outbox):
    events = outbox.add_many(STOCK_IN, [{"misbehave": "unavailable"}, {}, {}], publish=False)
    until(lambda: sorted(outbox.effects()) == sorted(events[1:]))


def test_outbox_row_that_is_no_event_becomes_a_dead_letter_and_stops_no_other(lasting_bridge, outbox):
    bad = outbox.add(STOCK_IN, publish=False)
    outbox.execute("UPDATE outbox SET payload = 'truncat' WHERE event_id = %s AND delivered_at IS NULL", (bad,))
    good = outbox.add(STOCK_IN)
    until(lambda: outbox.undelivered() == 0)
    if bad not in outbox.effects():
        assert [letter[1] for letter in outbox.dead_letters()] == [bad]
    assert good in outbox.effects()
