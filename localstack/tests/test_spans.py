"""The edge's spans: a request's goes on in its function, and holds nothing of what was sent."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from localstack_process_runtime.edge.events import grouped
from localstack_process_runtime.edge.spans import Spans

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import ReadableSpan

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class HangingExporter(InMemorySpanExporter):
    def __init__(self) -> None:
        super().__init__()
        self.asked, self.release, self.answered = threading.Event(), threading.Event(), 0

    def export(self, spans):
        self.asked.set()
        self.release.wait()
        self.answered += 1
        return super().export(spans)


@pytest.fixture
def spans_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[InMemorySpanExporter], Spans]:
    def made(exporter: InMemorySpanExporter) -> Spans:
        monkeypatch.setattr(trace_exporter, "OTLPSpanExporter", lambda: exporter)
        return Spans()

    return made


def told(spans: Spans, exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    spans._tracer.span_processor.force_flush()
    return {span.name: span for span in exporter.get_finished_spans()}


def test_a_request_goes_on_in_the_function_by_its_headers(spans_of):
    spans = spans_of(exporter := InMemorySpanExporter())
    headers = grouped([("Traceparent", PARENT), ("Authorization", "Bearer hunter2")])
    request = spans.begin("GET", headers)
    spans.asking(request, "Jwt").end()
    spans.answered(request, "GET", "/api/products/{id}", 200)
    server, authorize = (told(spans, exporter)[name] for name in ("GET /api/products/{id}", "authorize"))
    assert (f"{server.context.trace_id:032x}", f"{server.parent.span_id:016x}") == (TRACE, "b7ad6b7169203331")
    assert authorize.parent.span_id == server.context.span_id
    assert headers["traceparent"] == ("traceparent", [f"00-{TRACE}-{server.context.span_id:016x}-01"])
    assert dict(server.attributes) == {"http.request.method": "GET", "http.route": "/api/products/{id}", "http.response.status_code": 200}
    assert "hunter2" not in server.to_json()


@pytest.mark.parametrize("given", [[], [("traceparent", "nonsense")]])
def test_a_request_without_a_trace_begins_one(spans_of, given):
    spans = spans_of(exporter := InMemorySpanExporter())
    headers = grouped(given)
    spans.answered(spans.begin("POST", headers), "POST", None, 502)
    (server,) = told(spans, exporter).values()
    assert (server.parent, server.name, server.status.is_ok) == (None, "POST", False)
    assert headers["traceparent"][1] == [f"00-{server.context.trace_id:032x}-{server.context.span_id:016x}-01"]


def test_no_request_waits_for_who_takes_spans(spans_of):
    spans = spans_of(exporter := HangingExporter())
    for number in range(5_000):
        spans.answered(spans.begin("GET", {}), "GET", "/", 200)
        if number == 1_000:
            assert exporter.asked.wait(30)
    assert exporter.answered == 0
    exporter.release.set()
