"""One id for all that a request leads to, and spans that say what of it took how long: W3C trace context, told by OpenTelemetry.

Spans are told where OTEL_EXPORTER_OTLP_ENDPOINT names who takes them. Without it nothing of OpenTelemetry is imported, and what
stands here about spans does nothing. https://www.w3.org/TR/trace-context/
"""

import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING

from common.topology import Event

if TYPE_CHECKING:
    from common.spans import Spans

SpanAttributes = Mapping[str, str | int | float | bool]
TRACEPARENT = "traceparent"
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_trace_id: ContextVar[str] = ContextVar("trace_id", default="")

spans: "Spans | None" = None


def new_trace_id() -> str:
    """32 hexadecimal digits."""
    return uuid.uuid4().hex


def current_trace_id() -> str:
    """The trace id of what is being done now; a fresh one where nothing began a trace."""
    if not _trace_id.get():
        _trace_id.set(new_trace_id())
    return _trace_id.get()


@contextmanager
def under_trace_id(trace_id: str) -> Iterator[None]:
    """Work under a trace id."""
    token = _trace_id.set(trace_id)
    try:
        yield
    finally:
        _trace_id.reset(token)


def trace_id_of(traceparent: str | None) -> str | None:
    """The trace id of a `traceparent`; None where it is none."""
    fit = _TRACEPARENT.fullmatch(traceparent or "")
    return fit[1] if fit else None


def traceparent() -> str:
    """What whoever is asked is told: the trace, and the span under which it is asked."""
    return current_traceparent() or f"00-{current_trace_id()}-{os.urandom(8).hex()}-00"


def current_traceparent() -> str:
    """The same of the span that something is done under now; empty where there is none."""
    return spans.current() if spans else ""


def span(name: str, kind: str = "internal", attributes: SpanAttributes | None = None) -> AbstractContextManager[None]:
    """Do something under a span of its own, a part of the one it is done under; where there is none, nothing is told.

    `kind` is one of OpenTelemetry's: internal, server, client, producer, consumer.
    """
    return spans.part(name, kind, attributes) if spans else nullcontext()


def begun(name: str, kind: str, parent: str | None, attributes: SpanAttributes | None = None) -> AbstractContextManager[None]:
    """The same of what begins here: because of the `traceparent` it came with, or of its own accord, under the current trace id."""
    return spans.begun(name, kind, parent, attributes) if spans else nullcontext()


def under(parent: str | None) -> AbstractContextManager[None]:
    """Do something as a part of the span of a `traceparent`, which was told by somebody."""
    return spans.under(parent) if spans and parent else nullcontext()


def note(attributes: SpanAttributes, *, failed: bool = False) -> None:
    """Say more of the span that something is done under."""
    if spans:
        spans.note(attributes, failed=failed)


class Batch:
    """Events that are passed on together, each because of another request."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events

    def failed(self, event_ids: Iterable[str]) -> None:
        """Say of some of them that it went wrong."""


def passed_on(events: Sequence[Event], name: str, kind: str, attributes: SpanAttributes | None = None) -> AbstractContextManager[Batch]:
    """Do something about events, each under a span of its own, in the trace of its request; they carry on as those of that span.

    What is done for all of them at once is told under the span of the first; the others link to it.
    """
    return spans.passed_on(events, name, kind, attributes) if spans else nullcontext(Batch(events))


# At once, so that a function's environments, which are forked after its import, have it from there. By its name, from which the
# pool knows that functions with other values need another import. Last, as it needs what stands above.
if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
    from common.spans import Spans

    spans = Spans()
