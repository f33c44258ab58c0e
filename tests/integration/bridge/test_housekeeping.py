"""What is forgotten, and what must not be."""

import threading

from common.config import get_settings
from infra.bridge import housekeeping
from infra.bridge.housekeeping import clean_up
from infra.bridge.settings import BridgeSettings

STOCK_IN = "procurement_stock_in"


def test_old_delivered_events_go_and_undelivered_dead_and_recent_ones_stay(outbox, mariadb, redis_server, monkeypatch):
    for name, value in (mariadb | {"REDIS_HOST": "127.0.0.1"}).items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    old, dead, undelivered, recent = outbox.add_many(STOCK_IN, [{}] * 4, publish=False)
    outbox.execute("INSERT INTO processed_events SELECT 'inventory', event_id, UTC_TIMESTAMP(6) FROM outbox")
    outbox.execute("UPDATE outbox SET delivered_at = UTC_TIMESTAMP(6) - INTERVAL 8 DAY WHERE event_id IN %s", ((old, dead),))
    outbox.execute("UPDATE outbox SET delivered_at = UTC_TIMESTAMP(6) WHERE event_id = %s", (recent,))
    outbox.execute(
        "INSERT INTO dead_letters (consumer, event_id, channel, payload, reason, attempts, failed_at) "
        "VALUES ('inventory', %s, 'procurement_stock_in', '{}', '', 5, UTC_TIMESTAMP(6))",
        (dead,),
    )
    outbox.execute(
        "REPLACE INTO idempotency_keys VALUES ('test', 'old', '', '', UTC_TIMESTAMP(6) - INTERVAL 25 HOUR), "
        "('test', 'new', '', '', UTC_TIMESTAMP(6))"
    )
    outbox.execute("INSERT INTO list_positions SELECT 'outbox', id, ROW_NUMBER() OVER (ORDER BY id) FROM outbox")
    assert clean_up(BridgeSettings(), threading.Event()) == (1, 1)
    positions = "SELECT position, (SELECT COUNT(*) FROM outbox o WHERE o.id <= p.id) FROM list_positions p WHERE list = 'outbox'"
    assert outbox.execute(positions) == ((1, 1), (2, 2), (3, 3))
    outbox.execute("DELETE FROM list_positions")
    assert {row[0] for row in outbox.execute("SELECT event_id FROM outbox")} == {dead, undelivered, recent}
    assert {row[0] for row in outbox.execute("SELECT event_id FROM processed_events")} == {dead, undelivered, recent}
    outbox.execute("DELETE FROM idempotency_keys WHERE scope = 'test'")
    get_settings.cache_clear()


def test_however_many_are_old_they_all_go(outbox, mariadb, redis_server, monkeypatch):
    for name, value in (mariadb | {"REDIS_HOST": "127.0.0.1"}).items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    monkeypatch.setattr(housekeeping, "_CHUNK", 5)
    monkeypatch.setattr(housekeeping, "_PAUSE_SECONDS", 0)
    outbox.add_many(STOCK_IN, [{}] * 1013, publish=False)
    outbox.execute("UPDATE outbox SET delivered_at = UTC_TIMESTAMP(6) - INTERVAL 8 DAY")
    assert clean_up(BridgeSettings(), threading.Event())[0] == 1013
    get_settings.cache_clear()
