"""A consumer function's batch: each event's effect once, however often it is delivered."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from common import metrics
from common.db import affected_rows, in_transaction, utc_now
from common.errors import UnavailableError
from common.events import TOPOLOGY, Event, ProcessedEvent, by_event, channels_of
from common.observability import logger, trace
from common.tracing import TRACEPARENT, passed_on, under

Apply = Callable[[Session, list[Event]], None]
Note = Callable[[Session, str, dict[str, Event]], list[Event]]
_NOTED = insert(ProcessedEvent).prefix_with("IGNORE")


class _SomeHadBeforeError(Exception):
    """Events of a batch were had before: which, is told by noting them one by one, from the start."""


def consume(consumer: str, payload: Mapping[str, Any], apply: Apply, *, order: Callable[[Event], Any] | None = None) -> dict[str, Any]:
    """Apply a batch of events and say which of them failed, as Lambda's partial batch responses do.

    The whole batch goes in one transaction, in `order` (so that two batches lock rows in the same order). Where an event
    fails, it is rolled back and each event gets a transaction of its own, so that a poison event stops none but itself.
    Raises UnavailableError when the database is away: then the whole batch is to be tried again.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    """
    with passed_on(list(by_event(payload)), "consume", "consumer") as batch:
        failures = _consume(consumer, batch.events, apply, order)
        batch.failed(failure["itemIdentifier"] for failure in failures)
    metrics.tell()
    return {"batchItemFailures": failures}


def _consume(consumer: str, events: Sequence[Event], apply: Apply, order: Callable[[Event], Any] | None) -> list[dict[str, str]]:
    try:
        in_order = sorted(events, key=order) if order else list(events)
        try:
            in_transaction(lambda session: _apply_new(session, consumer, in_order, apply, _note_all))
        except _SomeHadBeforeError:
            in_transaction(lambda session: _apply_new(session, consumer, in_order, apply, _note_each))
    except UnavailableError:
        raise
    except Exception:  # noqa: BLE001  # one of the events is at fault; each alone will tell which
        if len(events) > 1:
            logger.exception("batch_failed", consumer=consumer, events=len(events))
        failures = [failure for event in events if (failure := _apply_alone(consumer, event, apply))]
    else:
        failures = []
    # One line a batch, as a line an event would cost more than the event; whoever looks for a trace finds it.
    traces = sorted({str(event.get("trace_id")) for event in events})
    logger.info("events_consumed", consumer=consumer, events=len(events), failed=len(failures), traces=traces)
    return failures


def traced(events: Iterable[Event]) -> Iterator[Event]:
    """Each event, with what is done about it under its own trace."""
    for event in events:
        with trace(event.get("trace_id")), under(event.get(TRACEPARENT)):
            yield event


def _apply_new(session: Session, consumer: str, events: list[Event], apply: Apply, note: Note) -> None:
    for event in events:
        _check_type(consumer, event)
    new = note(session, consumer, {event["event_id"]: event for event in events}) if events else []
    if new:
        apply(session, new)


def _apply_alone(consumer: str, event: Event, apply: Apply) -> dict[str, str] | None:
    try:
        in_transaction(lambda session: _apply_new(session, consumer, [event], apply, _note_each))
    except UnavailableError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever an event runs into is its failure, told to the bridge
        logger.exception("event_failed", consumer=consumer, event_id=event.get("event_id"), event_type=event.get("event_type"))
        return {"itemIdentifier": str(event.get("event_id")), "reason": f"{type(error).__name__}: {error}"}
    return None


def _note_all(session: Session, consumer: str, events: dict[str, Event]) -> list[Event]:
    """Note the events as processed, all in one statement. Raises _SomeHadBeforeError where some were noted before."""
    if _note(session, consumer, events) < len(events):
        raise _SomeHadBeforeError
    return list(events.values())


def _note_each(session: Session, consumer: str, events: dict[str, Event]) -> list[Event]:
    """Note the events as processed, one by one, which tells those that were not noted before."""
    return [event for event_id, event in events.items() if _note(session, consumer, [event_id])]


def _note(session: Session, consumer: str, event_ids: Iterable[str]) -> int:
    """Note events as processed, and say how many were not yet.

    A concurrent delivery of one of them waits here for the first one's commit, and then counts as had.
    """
    now = utc_now()
    rows = [{"consumer": consumer, "event_id": event_id, "processed_at": now} for event_id in event_ids]
    return affected_rows(session.connection().execute(_NOTED, rows))


def _check_type(consumer: str, event: Event) -> None:
    expected = {event_type for name in channels_of(consumer) for event_type in TOPOLOGY[name].event_types}
    if event.get("event_type") not in expected:
        raise ValueError(f"{consumer} does not consume {event.get('event_type')!r}")
