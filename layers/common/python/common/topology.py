"""Who tells whom what. Apart from the outbox, so that a process which needs the names alone starts without SQLAlchemy."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# A flat JSON object: the business fields, and beside them `event_id`, `event_type`, `occurred_at`, `trace_id`; and
# `traceparent`, where spans are told (common.tracing).
Event = dict[str, Any]


@dataclass(frozen=True)
class Channel:
    """A Redis channel: who publishes which types of event on it, and which services consume them."""

    name: str
    publisher: str
    event_types: tuple[str, ...]
    consumers: tuple[str, ...]


# The one place that says who tells whom what: the bridge, the tests, the docs and the operations view read it.
TOPOLOGY: Mapping[str, Channel] = {
    channel.name: channel
    for channel in (
        Channel("supplier_events", "supplier", ("supplier_created", "supplier_updated", "supplier_deleted"), ("product", "procurement")),
        Channel("customer_events", "customer", ("customer_created", "customer_updated", "customer_deleted"), ("order",)),
        Channel(
            "product_events", "product", ("product_created", "product_updated", "product_deleted"), ("inventory", "procurement", "order")
        ),
        Channel("procurement_stock_in", "procurement", ("procurement_stock_in",), ("inventory",)),
        Channel("order_stock_out", "order", ("order_stock_out", "order_cancelled"), ("inventory",)),
        Channel("inventory_alert", "inventory", ("low_stock", "stock_recovered"), ("inventory",)),
        Channel("order_status", "inventory", ("order_confirmed", "order_rejected"), ("order",)),
    )
}

CONSUMERS: tuple[str, ...] = tuple(sorted({consumer for channel in TOPOLOGY.values() for consumer in channel.consumers}))


def channels_of(consumer: str) -> tuple[str, ...]:
    """The channels a consumer listens to."""
    return tuple(channel.name for channel in TOPOLOGY.values() if consumer in channel.consumers)


def channel_of(event_type: str) -> Channel:
    """The channel an event type is published on. Raises KeyError for an unknown type."""
    for channel in TOPOLOGY.values():
        if event_type in channel.event_types:
            return channel
    raise KeyError(event_type)


def of_channel(name: str, events: Iterable[Event]) -> list[Event]:
    """Those of the events that are told on a channel."""
    return [event for event in events if event["event_type"] in TOPOLOGY[name].event_types]


def consumer_function(stack_name: str, consumer: str) -> str:
    """Name of the deployed function that consumes for a service."""
    return f"{stack_name}-{consumer}-consumer"
