"""Where an event is: recorded, told to which of its consumers, failed at which; and having what failed tried again.

The bridge writes these tables as it delivers; the `inventory` command and the system service look at them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String, Text, delete, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from common.db import Base, UtcDateTime, utc_now
from common.events import CONSUMERS, TOPOLOGY, OutboxRow, ProcessedEvent

_EVENTS_OF_ONE_KEY = 200


class DeadLetter(Base):
    """An event that a consumer failed on again and again."""

    __tablename__ = "dead_letters"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    consumer: Mapped[str] = mapped_column(String(40))
    event_id: Mapped[str] = mapped_column(String(36))
    channel: Mapped[str] = mapped_column(String(40))
    payload: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int]
    failed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    replayed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DeliveryFailure(Base):
    """An event that a consumer has failed on, and when it will be tried again."""

    __tablename__ = "delivery_failures"

    consumer: Mapped[str] = mapped_column(String(40), primary_key=True)
    event_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    attempts: Mapped[int]
    last_error: Mapped[str] = mapped_column(Text)
    next_attempt_at: Mapped[datetime] = mapped_column(UtcDateTime)


def events_of(session: Session, key: str) -> list[OutboxRow]:
    """The event of this id, or all events of this trace, oldest first."""
    if not key.isascii():  # as all of them are: MariaDB would refuse to compare
        return []
    rows = select(OutboxRow).where(or_(OutboxRow.event_id == key, OutboxRow.trace_id == key)).order_by(OutboxRow.id)
    return list(session.scalars(rows.limit(_EVENTS_OF_ONE_KEY)))


def whereabouts(session: Session, rows: Sequence[OutboxRow]) -> list[dict[str, Any]]:
    """The events with what became of each at every consumer of its channel: processed, dead, failing or waiting."""
    ids = [row.event_id for row in rows]
    processed = _by_consumer(session, ProcessedEvent, ids)
    dead = _by_consumer(session, DeadLetter, ids)
    failed = _by_consumer(session, DeliveryFailure, ids)

    def told(consumer: str, event_id: str) -> dict[str, Any]:
        where = (consumer, event_id)
        state: dict[str, Any] = {"consumer": consumer, "at": None, "attempts": None, "reason": None, "dead_letter_id": None}
        if where in processed:
            return state | {"state": "processed", "at": processed[where].processed_at}
        if where in dead and dead[where].replayed_at is None:
            letter = dead[where]
            return state | {
                "state": "dead",
                "at": letter.failed_at,
                "attempts": letter.attempts,
                "reason": letter.reason,
                "dead_letter_id": letter.id,
            }
        if where in failed:
            return state | {"state": "failing", "attempts": failed[where].attempts, "reason": failed[where].last_error}
        return state | {"state": "waiting"}

    return [
        {
            "id": row.id,
            "event_id": row.event_id,
            "event_type": payload_of(row.payload).get("event_type", ""),
            "channel": row.channel,
            "trace_id": row.trace_id,
            "occurred_at": row.created_at,
            "delivered_at": row.delivered_at,
            "payload": payload_of(row.payload),
            "consumers": [told(consumer, row.event_id) for consumer in consumers_of(row.channel)],
        }
        for row in rows
    ]


def consumers_of(channel: str) -> tuple[str, ...]:
    """Who listens to a channel; nobody to one that is there no more."""
    return TOPOLOGY[channel].consumers if channel in TOPOLOGY else ()


def payload_of(text: str) -> dict[str, Any]:
    """An event as it was recorded; one that cannot be read is shown as it is."""
    try:
        payload = json.loads(text)
    except ValueError:
        return {"unreadable": text}
    return payload if isinstance(payload, dict) else {"unreadable": payload}


def dead_letters(session: Session, *, limit: int = 100, replayed_too: bool = False) -> list[DeadLetter]:
    """The latest dead letters, those already replayed only if asked for."""
    rows = select(DeadLetter).order_by(DeadLetter.id.desc()).limit(limit)
    return list(session.scalars(rows if replayed_too else rows.where(DeadLetter.replayed_at.is_(None))))


def waiting_letters(session: Session) -> list[int]:
    """The ids of all dead letters that have not been replayed."""
    return list(session.scalars(select(DeadLetter.id).where(DeadLetter.replayed_at.is_(None)).order_by(DeadLetter.id)))


def replay(session: Session, ids: Iterable[int]) -> list[DeadLetter]:
    """Have these told to their consumers again, with five more attempts each. Returns those that were waiting for it.

    The bridge finds them at its next sweep, within seconds.
    """
    wanted = select(DeadLetter).where(DeadLetter.id.in_(list(ids)), DeadLetter.replayed_at.is_(None)).order_by(DeadLetter.id)
    letters = list(session.scalars(wanted))
    if letters:
        # The outbox rows are locked first, as the bridge does when it marks, so that it cannot mark by what was before the replay.
        events = [letter.event_id for letter in letters]
        session.execute(update(OutboxRow).where(OutboxRow.event_id.in_(events)).values(delivered_at=None))
        for letter in letters:
            session.execute(delete(DeliveryFailure).filter_by(consumer=letter.consumer, event_id=letter.event_id))
            letter.replayed_at = utc_now()
        session.flush()
    return letters


def _by_consumer(session: Session, model: Any, event_ids: Sequence[str]) -> Mapping[tuple[str, str], Any]:
    # The consumers' names first: each table's key begins with them.
    rows = session.scalars(select(model).where(model.consumer.in_(CONSUMERS), model.event_id.in_(event_ids))) if event_ids else ()
    return {(row.consumer, row.event_id): row for row in rows}
