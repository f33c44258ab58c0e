import uuid

import pytest

from common.events import by_event, entity_fields, entity_of, new_event_id
from common.topology import CONSUMERS, TOPOLOGY, channel_of, channels_of, consumer_function


def test_every_type_belongs_to_one_channel():
    types = [event_type for channel in TOPOLOGY.values() for event_type in channel.event_types]
    assert len(types) == len(set(types))
    for channel in TOPOLOGY.values():
        assert all(channel_of(event_type) is channel for event_type in channel.event_types)


def test_there_are_the_seven_channels_and_somebody_listens_to_each():
    assert set(TOPOLOGY) == {
        "supplier_events", "customer_events", "product_events", "procurement_stock_in",
        "order_stock_out", "inventory_alert", "order_status",
    }  # fmt: skip
    assert all(channel.consumers for channel in TOPOLOGY.values())
    assert all(name == channel.name for name, channel in TOPOLOGY.items())


def test_consumers_and_channels_tell_the_same():
    assert set(CONSUMERS) == {"product", "procurement", "inventory", "order"}
    for consumer in CONSUMERS:
        assert set(channels_of(consumer)) == {c.name for c in TOPOLOGY.values() if consumer in c.consumers}
    assert channels_of("nobody") == ()
    assert consumer_function("inventory", "order") == "inventory-order-consumer"


def test_unknown_type_has_no_channel():
    with pytest.raises(KeyError):
        channel_of("supplier_exploded")


def test_event_ids_are_uuids_of_version_7_in_order_of_time(monkeypatch):
    moments = iter(range(1_700_000_000_000, 1_700_000_000_100))
    monkeypatch.setattr("common.events.time.time_ns", lambda: next(moments) * 1_000_000)
    ids = [new_event_id() for _ in range(100)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 100
    for text in ids:
        assert uuid.UUID(text).version == 7
        assert uuid.UUID(text).variant == uuid.RFC_4122
        assert str(uuid.UUID(text)) == text


def test_entity_survives_its_event():
    entity = {"id": 3, "name": "x", "version": 2, "supplier_id": 9}
    fields = entity_fields("product", entity)
    assert fields == {"product_id": 3, "name": "x", "version": 2, "supplier_id": 9}
    envelope = {"event_id": "e", "event_type": "product_updated", "occurred_at": "now", "trace_id": "t"}
    assert entity_of("product", fields | envelope) == entity


def test_batch_is_a_list_of_objects():
    assert list(by_event({"events": [{"a": 1}, {}]})) == [{"a": 1}, {}]
    for unfit in ({}, {"events": {}}, {"events": [1]}):
        with pytest.raises(ValueError, match="events"):
            list(by_event(unfit))
