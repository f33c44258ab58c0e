"""The only SQL of this service: on the tables by which events are delivered, which belong to no service."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.deliveries import DeadLetter
from common.events import OutboxRow
from common.paging import read_page
from system.schemas import DeadLetterQuery, EventQuery


def events(session: Session, query: EventQuery) -> tuple[list[OutboxRow], int]:
    """A page of events and how many there are on all pages."""
    rows = select(OutboxRow)
    if query.channel is not None:
        rows = rows.where(OutboxRow.channel == query.channel)
    if query.trace_id is not None:
        rows = rows.where(OutboxRow.trace_id == query.trace_id)
    return read_page(session, rows, query, columns={"id": OutboxRow.id}, searched=(OutboxRow.event_id, OutboxRow.payload))


def dead_letters(session: Session, query: DeadLetterQuery) -> tuple[list[DeadLetter], int]:
    """A page of dead letters and how many there are on all pages."""
    rows = select(DeadLetter).where(DeadLetter.replayed_at.is_not(None) if query.replayed else DeadLetter.replayed_at.is_(None))
    if query.consumer is not None:
        rows = rows.where(DeadLetter.consumer == query.consumer)
    return read_page(session, rows, query, columns={"id": DeadLetter.id}, searched=(DeadLetter.event_id, DeadLetter.reason))


def dead_letter(session: Session, letter_id: int) -> DeadLetter | None:
    """A dead letter."""
    return session.get(DeadLetter, letter_id)
