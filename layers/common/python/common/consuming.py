"""A consumer function's batch: each event's effect once, however often it is delivered."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from common.db import affected_rows, in_transaction, utc_now
from common.errors import UnavailableError
from common.events import TOPOLOGY, Event, ProcessedEvent, by_event, channels_of
from common.observability import logger, trace

Apply = Callable[[Session, Event], None]


def consume(consumer: str, payload: Mapping[str, Any], apply: Apply, *, order: Callable[[Event], Any] | None = None) -> dict[str, Any]:
    """Apply a batch of events and say which of them failed, as Lambda's partial batch responses do.

    The whole batch goes in one transaction, in `order` (so that two batches lock rows in the same order). Where an event
    fails, it is rolled back and each event gets a transaction of its own, so that a poison event stops none but itself.
    Raises UnavailableError when the database is away: then the whole batch is to be tried again.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    """
    events = list(by_event(payload))
    try:
        in_order = sorted(events, key=order) if order else events
        in_transaction(lambda session: _apply_all(session, consumer, in_order, apply))
    except UnavailableError:
        raise
    except Exception:  # noqa: BLE001  # one of the events is at fault; each alone will tell which
        if len(events) > 1:
            logger.exception("batch_failed", consumer=consumer, events=len(events))
        failures = [failure for event in events if (failure := _apply_alone(consumer, event, apply))]
        return {"batchItemFailures": failures}
    return {"batchItemFailures": []}


def _apply_all(session: Session, consumer: str, events: Iterable[Event], apply: Apply) -> None:
    for event in events:
        if _is_new(session, consumer, event["event_id"]):
            with trace(event.get("trace_id")):
                _check_channel(consumer, event)
                apply(session, event)
    session.flush()


def _apply_alone(consumer: str, event: Event, apply: Apply) -> dict[str, str] | None:
    try:
        in_transaction(lambda session: _apply_all(session, consumer, [event], apply))
    except UnavailableError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever an event runs into is its failure, told to the bridge
        logger.exception("event_failed", consumer=consumer, event_id=event.get("event_id"), event_type=event.get("event_type"))
        return {"itemIdentifier": str(event.get("event_id")), "reason": f"{type(error).__name__}: {error}"}
    return None


def _is_new(session: Session, consumer: str, event_id: str) -> bool:
    """Note the event as processed. A concurrent delivery of it waits here for the first one's commit."""
    statement = insert(ProcessedEvent).prefix_with("IGNORE").values(consumer=consumer, event_id=event_id, processed_at=utc_now())
    return affected_rows(session.execute(statement)) > 0


def _check_channel(consumer: str, event: Event) -> None:
    expected = {event_type for name in channels_of(consumer) for event_type in TOPOLOGY[name].event_types}
    if event.get("event_type") not in expected:
        raise ValueError(f"{consumer} does not consume {event.get('event_type')!r}")
