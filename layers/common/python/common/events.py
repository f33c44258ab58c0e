"""What services tell each other: the topology, the outbox that records it, and the Redis message that wakes its hearers.

The outbox row is written in the transaction of what it tells about, so neither exists without the other. The message on the
Redis channel is published after the commit and may get lost: the bridge also finds what nobody has consumed yet.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String, Text, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from common.db import Base, UtcDateTime, after_commit, before_commit, utc_now
from common.metrics import count
from common.telling import tell
from common.topology import CONSUMERS, TOPOLOGY, Channel, Event, channel_of, channels_of, consumer_function, of_channel
from common.tracing import TRACEPARENT, current_trace_id, current_traceparent

__all__ = [
    "CONSUMERS",
    "TOPOLOGY",
    "Channel",
    "Event",
    "OutboxRow",
    "ProcessedEvent",
    "by_event",
    "channel_of",
    "channels_of",
    "consumer_function",
    "emit",
    "entity_fields",
    "entity_of",
    "first_event_id",
    "new_event_id",
    "of_channel",
]


def new_event_id() -> str:
    """A UUID version 7 (RFC 9562): unique, and in order of time, so that indexes over it grow at their end."""
    milliseconds = time.time_ns() // 1_000_000
    tail = bytearray(os.urandom(10))
    tail[0] = (tail[0] & 0x0F) | 0x70
    tail[2] = (tail[2] & 0x3F) | 0x80
    text = milliseconds.to_bytes(6, "big").hex() + tail.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def first_event_id(moment: datetime) -> str:
    """An event id that sorts before those made at `moment` or later."""
    text = int(moment.timestamp() * 1000).to_bytes(6, "big").hex()
    return f"{text[:8]}-{text[8:12]}-0000-0000-000000000000"


_ENVELOPE = ("event_id", "event_type", "occurred_at", "trace_id", TRACEPARENT)


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
    if told := current_traceparent():
        event[TRACEPARENT] = told
    payload = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
    emitted: list[dict[str, Any]] = session.info.setdefault("emitted", [])
    if not emitted:
        before_commit(session, lambda: session.connection().execute(insert(OutboxRow), emitted))
        after_commit(session, lambda: count("EventsPublished", len(emitted)))
        # It only wakes the consumers: the bridge's sweeper covers for a Redis that is away.
        tell(session, lambda redis: [redis.publish(row["channel"], row["payload"]) for row in emitted])
    emitted.append({"event_id": event_id, "channel": channel, "payload": payload, "trace_id": event["trace_id"], "created_at": now})
    return event_id


def by_event(payload: Mapping[str, Any]) -> Iterator[Event]:
    """The events of a consumer function's payload `{"events": [...]}`. Raises ValueError for any other payload."""
    events = payload.get("events")
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise ValueError('a consumer takes {"events": [...]}')
    yield from events
