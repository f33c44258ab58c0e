"""What was recorded while nobody listened is delivered all the same."""

from tests.integration.bridge.waiting import until

STOCK_IN = "procurement_stock_in"


def test_event_recorded_while_no_bridge_ran_is_delivered_at_its_start(new_bridge, outbox):
    event_id = outbox.add(STOCK_IN, publish=False)
    new_bridge().start("inventory", sweep_seconds="300")
    until(lambda: outbox.effects() == [event_id])


def test_events_are_delivered_while_redis_is_away_and_at_once_when_it_is_back(new_bridge, outbox, redis_server):
    bridge = new_bridge().start("inventory", sweep_seconds="300").wait_until_running()

    def said():
        return [bridge.log().count(f'"{event}"') for event in ("redis_connected", "redis_away")]

    until(lambda: said()[0] > 0)
    connected, away = said()
    redis_server.stop()
    outbox.add(STOCK_IN, publish=False)
    until(lambda: outbox.undelivered() == 0)
    redis_server.start()
    until(lambda: said()[0] > connected)
    outbox.add(STOCK_IN)
    until(lambda: outbox.undelivered() == 0)
    assert said()[1] - away == said()[0] - connected, "said once, not once per attempt"
    until(lambda: redis_server.client.hexists("bridge:consumers", "inventory"), what="the states in Redis")


def test_row_whose_consumers_are_done_but_which_nobody_marked_is_finished(new_bridge, outbox):
    event_id = outbox.add(STOCK_IN, publish=False)
    outbox.execute("INSERT INTO processed_events VALUES ('inventory', %s, UTC_TIMESTAMP(6))", (event_id,))
    new_bridge().start("inventory")
    until(lambda: outbox.undelivered() == 0)
    assert outbox.effects() == []


def test_backlog_of_three_thousand_events_drains(new_bridge, outbox):
    for _ in range(3):
        outbox.add_many(STOCK_IN, [{}] * 900, publish=False)
        outbox.add_many("product_events", [{}] * 100, event_type="product_updated", publish=False)
    new_bridge().start("inventory", "order", "procurement")
    until(lambda: outbox.undelivered() == 0, seconds=120)
    assert len(outbox.effects("inventory")) == len(set(outbox.effects("inventory"))) == 3_000
    assert len(outbox.effects("order")) == len(set(outbox.effects("order"))) == 300
