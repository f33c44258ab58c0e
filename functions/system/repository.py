"""The only SQL of this service: on the tables by which events are delivered, which belong to no service."""

from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.deliveries import DeadLetter, payload_of
from common.events import OutboxRow, first_event_id
from common.lists import Narrowing, Source, equal, read_page, rest
from common.paging import Page
from system.schemas import DeadLetterQuery, EventQuery

_EVENTS = Source(OutboxRow, {})
_DEAD_LETTERS = Source(DeadLetter, {})
# How far the clocks of two processes may be apart, and a transaction's events from one another.
_MOMENT = timedelta(seconds=5)
_FIRST_CHANNEL = {"order": "order_stock_out", "procurement": "procurement_stock_in"}


def events(session: Session, query: EventQuery) -> Page:
    """A page of events."""
    narrowings = [
        *equal(OutboxRow.trace_id, query.trace_id, "ix_outbox_trace_id"),
        *rest(OutboxRow.channel == query.channel, wanted=query.channel is not None),
        *_says(OutboxRow.event_id, OutboxRow.payload, query.q),
    ]
    return read_page(session, _EVENTS, query, narrowings)


def events_of_deal(session: Session, kind: str, deal_id: int, made_at: datetime) -> list[OutboxRow]:
    """The first event of an order or procurement: recorded in its transaction, so it is looked for among the events of that moment.

    Event ids are in order of time, and have an index.
    """
    around = OutboxRow.event_id.between(first_event_id(made_at - _MOMENT), first_event_id(made_at + _MOMENT))
    rows = session.scalars(select(OutboxRow).where(around).order_by(OutboxRow.id))
    return [row for row in rows if row.channel == _FIRST_CHANNEL[kind] and payload_of(row.payload).get(f"{kind}_id") == deal_id][:1]


def dead_letters(session: Session, query: DeadLetterQuery) -> Page:
    """A page of dead letters."""
    replayed = DeadLetter.replayed_at.is_not(None) if query.replayed else DeadLetter.replayed_at.is_(None)
    narrowings = [
        Narrowing(replayed, "ix_dead_letters_replayed_at", order=None if query.replayed else "id"),
        *rest(DeadLetter.consumer == query.consumer, wanted=query.consumer is not None),
        *_says(DeadLetter.event_id, DeadLetter.reason, query.q),
    ]
    return read_page(session, _DEAD_LETTERS, query, narrowings)


def dead_letter(session: Session, letter_id: int) -> DeadLetter | None:
    """A dead letter."""
    return session.get(DeadLetter, letter_id)


def _says(event_id: InstrumentedAttribute[str], said: InstrumentedAttribute[str], q: str | None) -> list[Narrowing]:
    """Of an event whose id begins so, or where it is said."""
    found = said.icontains(q or "", autoescape=True)
    # Ids are ASCII, with which MariaDB compares nothing else.
    return rest(or_(event_id.startswith(q or "", autoescape=True), found) if (q or "").isascii() else found, wanted=bool(q))
