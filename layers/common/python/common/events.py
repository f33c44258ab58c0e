"""What services tell each other: the topology, the outbox that records it, and the Redis message that wakes its hearers.

The outbox row is written in the transaction of what it tells about, so neither exists without the other. The message on the
Redis channel is published after the commit and may get lost: the bridge also finds what nobody has consumed yet.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, Session, mapped_column

from common.db import Base, UtcDateTime, after_commit, utc_now
from common.observability import current_trace_id
from common.redis_client import try_redis

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


def consumer_function(stack_name: str, consumer: str) -> str:
    """Name of the deployed function that consumes for a service."""
    return f"{stack_name}-{consumer}-consumer"


def new_event_id() -> str:
    """A UUID version 7 (RFC 9562): unique, and in order of time, so that indexes over it grow at their end."""
    milliseconds = time.time_ns() // 1_000_000
    tail = bytearray(os.urandom(10))
    tail[0] = (tail[0] & 0x0F) | 0x70
    tail[2] = (tail[2] & 0x3F) | 0x80
    text = milliseconds.to_bytes(6, "big").hex() + tail.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


_ENVELOPE = ("event_id", "event_type", "occurred_at", "trace_id")


def entity_fields(service: str, entity: Mapping[str, Any]) -> dict[str, Any]:
    """An entity as the flat fields of its events: its `id` is called e.g. `supplier_id` there."""
    return {f"{service}_id" if name == "id" else name: value for name, value in entity.items()}


def entity_of(service: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """The entity that an event of its service tells about."""
    return {"id" if name == f"{service}_id" else name: value for name, value in event.items() if name not in _ENVELOPE}


class OutboxRow(Base):
    """An event that was decided, whether or not its consumers have heard of it."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    event_id: Mapped[str] = mapped_column(String(36))
    channel: Mapped[str] = mapped_column(String(40))
    payload: Mapped[str] = mapped_column(Text)
    trace_id: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ProcessedEvent(Base):
    """A consumer's note, made in the transaction of the effect, that it has had an event."""

    __tablename__ = "processed_events"

    consumer: Mapped[str] = mapped_column(String(40), primary_key=True)
    event_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    processed_at: Mapped[datetime] = mapped_column(UtcDateTime)


def emit(session: Session, event_type: str, fields: Mapping[str, Any]) -> str:
    """Record an event in the outbox of this transaction, to be published once it is committed. Returns its event_id.

    `fields` are the business fields, flat and fit for JSON; the envelope's names are added beside them.
    """
    channel = channel_of(event_type).name
    now = utc_now()
    event_id = new_event_id()
    event: Event = {
        **fields,
        "event_id": event_id,
        "event_type": event_type,
        "occurred_at": now.isoformat(),
        "trace_id": current_trace_id(),
    }
    payload = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
    session.add(OutboxRow(event_id=event_id, channel=channel, payload=payload, trace_id=event["trace_id"], created_at=now))
    pending: list[tuple[str, str]] = session.info.setdefault("to_publish", [])
    if not pending:
        after_commit(session, lambda: _publish(pending))
    pending.append((channel, payload))
    return event_id


def _publish(messages: list[tuple[str, str]]) -> None:
    """Wake the consumers, in one round trip; the bridge's sweeper covers for a Redis that is away."""

    def send(client: Any) -> None:
        pipeline = client.pipeline(transaction=False)
        for channel, payload in messages:
            pipeline.publish(channel, payload)
        pipeline.execute()

    try_redis(send, None)


def by_event(payload: Mapping[str, Any]) -> Iterator[Event]:
    """The events of a consumer function's payload `{"events": [...]}`. Raises ValueError for any other payload."""
    events = payload.get("events")
    if not isinstance(events, list):
        raise ValueError('a consumer takes {"events": [...]}')  # noqa: TRY004  # the value is at fault, not its type alone
    yield from events
