"""The spans of common.tracing, by OpenTelemetry's SDK. Imported only where they are wanted.

A thread sends them: it takes them as they end, and drops what it cannot get rid of, so that nothing waits for it or fails by it. It
begins with a process's first span, as a process that functions are forked from may have no threads. Lambda freezes a function
between two invocations: what it has yet to send then goes with the next.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags, Tracer

from common.topology import Event
from common.tracing import TRACEPARENT, Batch, SpanAttributes, current_trace_id, trace_id_of, under_trace_id

_SEND_EACH_MILLISECONDS = 1000
_KINDS = {kind.name.lower(): kind for kind in SpanKind}
_FAILED = Status(StatusCode.ERROR)


class Spans:
    """The process's spans. None says more than what is done: no parameter, no header, and of an error only its type."""

    def __init__(self) -> None:
        # For all that are forked, as it takes a while; the rest is a process's own, by an id that it draws and its thread.
        self._exporter = OTLPSpanExporter()

    @cached_property
    def _tracer(self) -> Tracer:
        # Nobody waits for the last of them when the process ends.
        provider = TracerProvider(resource=Resource.create(_who_this_is()), id_generator=_OurIds(), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(self._exporter, schedule_delay_millis=_SEND_EACH_MILLISECONDS))
        return provider.get_tracer("inventory")

    def current(self) -> str:
        return _traceparent_of(trace.get_current_span())

    @contextmanager
    def part(self, name: str, kind: str, attributes: SpanAttributes | None) -> Iterator[None]:
        if not self.current():
            yield
            return
        with _current(self._tracer.start_span(name, kind=_KINDS[kind], attributes=attributes)):
            yield

    @contextmanager
    def begun(self, name: str, kind: str, parent: str | None, attributes: SpanAttributes | None) -> Iterator[None]:
        with _current(self._tracer.start_span(name, _context_of(parent), kind=_KINDS[kind], attributes=attributes)):
            yield

    @contextmanager
    def under(self, parent: str) -> Iterator[None]:
        token = context.attach(_context_of(parent))
        try:
            yield
        finally:
            context.detach(token)

    def note(self, attributes: SpanAttributes, *, failed: bool) -> None:
        now = trace.get_current_span()
        now.set_attributes(attributes)
        if failed:
            now.set_status(_FAILED)

    @contextmanager
    def passed_on(self, events: Sequence[Event], name: str, kind: str, attributes: SpanAttributes | None) -> Iterator[Batch]:
        of_all = {"messaging.batch.message_count": len(events), **(attributes or {})}
        begun: dict[str, Span] = {}
        links: list[Link] = []
        for each in events:
            with under_trace_id(str(each.get("trace_id"))):
                begun[str(each.get("event_id"))] = started = self._tracer.start_span(
                    f"{name} {each.get('event_type')}",
                    _context_of(each.get(TRACEPARENT)),
                    kind=_KINDS[kind],
                    attributes={**of_all, "messaging.message.id": str(each.get("event_id"))},
                    links=links,
                )
            links = links or [Link(started.get_span_context())]
        passed_on = [{**each, TRACEPARENT: _traceparent_of(begun[str(each.get("event_id"))])} for each in events]
        first, *others = begun.values() or [trace.INVALID_SPAN]
        try:
            with _current(first):
                yield _PassedOn(passed_on, begun)
        finally:
            for other in others:
                other.end()


class _OurIds(RandomIdGenerator):
    def generate_trace_id(self) -> int:
        """The one that logs and events have; events of before there were spans may have one of another form."""
        known = trace_id_of(f"00-{current_trace_id()}-{'1' * 16}-01")
        return int(known, 16) if known else super().generate_trace_id()


class _PassedOn(Batch):
    def __init__(self, events: Sequence[Event], begun: Mapping[str, Span]) -> None:
        super().__init__(events)
        self._begun = begun

    def failed(self, event_ids: Iterable[str]) -> None:
        for event_id in event_ids:
            if event_id in self._begun:
                self._begun[event_id].set_status(_FAILED)


@contextmanager
def _current(started: Span) -> Iterator[None]:
    """Do something under a span, which ends with it."""
    token = context.attach(trace.set_span_in_context(started))
    try:
        yield
    except Exception as error:
        # Its text may hold a statement's parameters.
        started.set_attribute("error.type", type(error).__name__)
        started.set_status(_FAILED)
        raise
    finally:
        context.detach(token)
        started.end()


def _context_of(traceparent: str | None) -> context.Context:
    """Where something is a part of the span of a `traceparent`; of none where that is none."""
    trace_id = trace_id_of(traceparent)
    if traceparent is None or trace_id is None:
        return context.Context()
    _, _, span_id, flags, *_ = traceparent.split("-")
    told = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return trace.set_span_in_context(NonRecordingSpan(told), context.Context())


def _traceparent_of(of: Span) -> str:
    told = of.get_span_context()
    return f"00-{told.trace_id:032x}-{told.span_id:016x}-{told.trace_flags:02x}" if told.is_valid else ""


def _who_this_is() -> dict[str, str]:
    """By the name it was given, or that of the function."""
    if os.environ.get("OTEL_SERVICE_NAME"):
        return {}
    from common.config import get_settings  # noqa: PLC0415  # whoever has a name may have no settings

    settings = get_settings()
    return {SERVICE_NAME: settings.function, "service.namespace": settings.stack_name}
