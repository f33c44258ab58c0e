"""Telling a consumer its events: which go together in one invocation, and who is to blame when that goes wrong.

Three rules keep a poison event from stopping others, and an outage from making dead letters of healthy events:

- An invocation that breaks is repeated once, since its process may have been killed; a batch that breaks twice is told
  event by event. An event that breaks alone, twice, has failed, and is told alone from then on; unless a batch of no
  events breaks as well. A function whose import raises is told by nothing else from one that an event breaks: Lambda's
  answer names the exception in either case.
- When nobody could be reached, nothing counts. When the function says that something is unavailable, that counts
  against an event only if another one went well after it: then it is this event's fault after all.
- What the function itself names as failed has failed.
"""

import json
from collections.abc import Callable, Iterator, Sequence

from common.topology import Event
from infra.bridge.delivery import Round, Row
from infra.bridge.invocation import Answered, Broken, Invoke, Outcome, Unavailable, Unreachable

# So many events in a row that find something unavailable show that it is away for all of them.
_ENOUGH_TO_BELIEVE = 3


class Dispatcher:
    """Tells one consumer its events through `invoke`; `go_on` says whether there is still time to begin another invocation."""

    def __init__(self, invoke: Invoke, *, batch_bytes: int, go_on: Callable[[], bool] = lambda: True) -> None:
        self._invoke = invoke
        self._batch_bytes = batch_bytes
        self._go_on = go_on
        self._unavailable_in_a_row = 0

    def tell(self, rows: Sequence[Row]) -> Round:
        """Tell the rows, healthy ones together and those that failed before alone and last."""
        outcome = Round()
        events: dict[int, Event] = {}
        for row in rows:
            try:
                events[row.id] = event_of(row)
            except ValueError as error:
                outcome.failures[row.event_id] = str(error)
        readable = [row for row in rows if row.id in events]
        for batch in self._batches(readable):
            if outcome.outage or not self._go_on():
                break
            self._tell_batch(batch, events, outcome)
        return outcome

    def _batches(self, rows: Sequence[Row]) -> Iterator[list[Row]]:
        batch: list[Row] = []
        size = 0
        for row in rows:
            if row.attempts:
                continue
            length = len(row.payload.encode())
            if batch and size + length > self._batch_bytes:
                yield batch
                batch, size = [], 0
            batch.append(row)
            size += length
        if batch:
            yield batch
        yield from ([row] for row in rows if row.attempts)

    def _tell_batch(self, batch: list[Row], events: dict[int, Event], outcome: Round) -> None:
        answer = self._invoke_again_if_broken(batch, events)
        suspect = batch[0].attempts > 0
        if isinstance(answer, Unavailable) and suspect:
            # It must neither hold up the others nor be counted for what may be an outage.
            blamed = outcome.failures if outcome.answered else outcome.deferred
            blamed[batch[0].event_id] = answer.reason
            return
        self._unavailable_in_a_row = self._unavailable_in_a_row + 1 if isinstance(answer, Unavailable) else 0
        doubtful = self._unavailable_in_a_row >= _ENOUGH_TO_BELIEVE
        if len(batch) > 1 and (isinstance(answer, Broken) or doubtful):
            self._unavailable_in_a_row = 0
            self._tell_alone(batch, events, outcome)
        else:
            _note(batch, answer, outcome)

    def _tell_alone(self, batch: list[Row], events: dict[int, Event], outcome: Round) -> None:
        unavailable: dict[str, str] = {}
        for row in batch:
            if outcome.outage or not self._go_on():
                break
            answer = self._invoke_again_if_broken([row], events)
            match answer:
                case Unavailable(reason):
                    unavailable[row.event_id] = reason
                    if len(unavailable) == _ENOUGH_TO_BELIEVE:
                        outcome.outage = reason
                case _:
                    _note([row], answer, outcome)
            if isinstance(answer, Answered):
                outcome.failures |= unavailable
                unavailable.clear()
        if unavailable:
            outcome.outage = next(iter(unavailable.values()))

    def _invoke_again_if_broken(self, batch: list[Row], events: dict[int, Event]) -> Outcome:
        payload = [events[row.id] for row in batch]
        answer = self._invoke(payload)
        if isinstance(answer, Broken) and not any(row.attempts for row in batch) and self._go_on():
            answer = self._invoke(payload)
        if isinstance(answer, Broken) and self._go_on():
            of_nothing = self._invoke([])
            return answer if isinstance(of_nothing, Answered) else Unreachable(of_nothing.reason)
        return answer


def _note(batch: Sequence[Row], answer: Outcome, outcome: Round) -> None:
    match answer:
        case Answered(failures):
            outcome.answered.extend(batch)
            named = {row.event_id for row in batch}
            outcome.failures |= {event_id: reason for event_id, reason in failures.items() if event_id in named}
        case Unreachable(reason) | Unavailable(reason):
            outcome.outage = reason
        case Broken(reason):
            outcome.failures |= {row.event_id: reason for row in batch}


def event_of(row: Row) -> Event:
    """The event a row records. Raises ValueError where it is not the flat JSON object, with the row's event_id, it has to be."""
    event = json.loads(row.payload)
    if not isinstance(event, dict) or event.get("event_id") != row.event_id:
        raise ValueError("the outbox row's payload is not the event of that row")
    return event
