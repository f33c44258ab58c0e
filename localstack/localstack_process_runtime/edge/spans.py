"""A span for each request the edge answers, and for each authorizer it asks on the way, by OpenTelemetry (OTLP over HTTP).

A thread of the SDK's sends them, and drops what it cannot get rid of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import Span

TRACEPARENT = "traceparent"
SEND_EACH_MILLISECONDS = 1000
SERVER_FAILED = 500


class Spans:
    """The edge's spans, of requests and of what they wait for."""

    def __init__(self) -> None:
        from opentelemetry import trace  # noqa: PLC0415 (only where spans are wanted)
        from opentelemetry.context import Context  # noqa: PLC0415
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self._trace = trace
        self._nothing = Context()
        self._propagator = TraceContextTextMapPropagator()
        # Nobody waits for the last of them when LocalStack ends.
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=SEND_EACH_MILLISECONDS))
        self._tracer = provider.get_tracer(__name__)

    def begin(self, method: str, headers: dict[str, tuple[str, list[str]]]) -> Span:
        """A request's, because of what its headers say; they then say what comes of it."""
        given = {name: headers[name][1][0] for name in (TRACEPARENT, "tracestate") if name in headers}
        parent = self._propagator.extract(given, context=self._nothing)
        span = self._tracer.start_span(method, parent, kind=self._trace.SpanKind.SERVER, attributes={"http.request.method": method})
        told: dict[str, str] = {}
        self._propagator.inject(told, self._trace.set_span_in_context(span, self._nothing))
        for name, value in told.items():
            headers[name] = (name, [value])
        return span

    def asking(self, request: Span, authorizer: str) -> Span:
        """That of a request's waiting for its authorizer, whose event has no headers to go on from."""
        parent = self._trace.set_span_in_context(request, self._nothing)
        return self._tracer.start_span("authorize", parent, kind=self._trace.SpanKind.CLIENT, attributes={"authorizer": authorizer})

    def answered(self, request: Span, method: str, route: str | None, status: int) -> None:
        attributes: Mapping[str, Any] = {"http.response.status_code": status}
        if route is not None:
            request.update_name(f"{method} {route}")
            attributes = {**attributes, "http.route": route}
        request.set_attributes(attributes)
        if status >= SERVER_FAILED:
            request.set_status(self._trace.StatusCode.ERROR)
        request.end()
