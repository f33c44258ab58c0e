"""The only SQL of this service: on the tables by which events are delivered, which belong to no service."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.deliveries import DeadLetter, payload_of
from common.events import OutboxRow, first_event_id
from common.paging import read_page
from system.schemas import DeadLetterQuery, EventQuery

# How far the clocks of two processes may be apart, and a transaction's events from one another.
_MOMENT = timedelta(seconds=5)
_FIRST_CHANNEL = {"order": "order_stock_out", "procurement": "procurement_stock_in"}


def events(session: Session, query: EventQuery) -> tuple[list[OutboxRow], int]:
    """A page of events and how many there are on all pages."""
    rows = select(OutboxRow)
    if query.channel is not None:
        rows = rows.where(OutboxRow.channel == query.channel)
    if query.trace_id is not None:
        rows = rows.where(OutboxRow.trace_id == query.trace_id)
    return read_page(session, rows, query, columns={"id": OutboxRow.id}, searched=(OutboxRow.event_id, OutboxRow.payload))


def events_of_deal(session: Session, kind: str, deal_id: int, made_at: datetime) -> list[OutboxRow]:
    """The first event of an order or procurement: recorded in its transaction, so it is looked for among the events of that moment.

    Event ids are in order of time, and have an index.
    """
    around = OutboxRow.event_id.between(first_event_id(made_at - _MOMENT), first_event_id(made_at + _MOMENT))
    rows = session.scalars(select(OutboxRow).where(around).order_by(OutboxRow.id))
    return [row for row in rows if row.channel == _FIRST_CHANNEL[kind] and payload_of(row.payload).get(f"{kind}_id") == deal_id][:1]


def dead_letters(session: Session, query: DeadLetterQuery) -> tuple[list[DeadLetter], int]:
    """A page of dead letters and how many there are on all pages."""
    rows = select(DeadLetter).where(DeadLetter.replayed_at.is_not(None) if query.replayed else DeadLetter.replayed_at.is_(None))
    if query.consumer is not None:
        rows = rows.where(DeadLetter.consumer == query.consumer)
    return read_page(session, rows, query, columns={"id": DeadLetter.id}, searched=(DeadLetter.event_id, DeadLetter.reason))


def dead_letter(session: Session, letter_id: int) -> DeadLetter | None:
    """A dead letter."""
    return session.get(DeadLetter, letter_id)
