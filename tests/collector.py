"""A collector of spans: takes OTLP over HTTP as OpenTelemetry's own does, and remembers what it was told."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.trace.v1 import trace_pb2


@dataclass(frozen=True)
class ToldSpan:
    """A span as it was told."""

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    name: str
    attributes: dict[str, str | int]
    links: tuple[str, ...]
    failed: bool

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-01"


class Collector:
    """Listens on a free port of this machine between `with` and its end; `status` is what it answers."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.answering = threading.Event()
        """While it is not set, those who tell it something are kept waiting."""
        self.answering.set()
        self.raw: list[bytes] = []
        """What it was sent, as it came."""
        self.spans: list[ToldSpan] = []
        self.answered = 0
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
                collector.answering.wait()
                collector.answered += 1
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(collector.status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()  # twice does no harm

    def take(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces", path
        self.raw.append(body)
        self.spans += _spans_of(ExportTraceServiceRequest.FromString(body))

    def of(self, trace_id: str) -> list[ToldSpan]:
        """What was told of one trace so far."""
        return [span for span in self.spans if span.trace_id == trace_id]


def _spans_of(told: ExportTraceServiceRequest) -> Iterator[ToldSpan]:
    for resource in told.resource_spans:
        service = str(_values(resource.resource.attributes)["service.name"])
        for scope in resource.scope_spans:
            yield from (_span(service, span) for span in scope.spans)


def _span(service: str, span: trace_pb2.Span) -> ToldSpan:
    return ToldSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        service=service,
        name=span.name,
        attributes=_values(span.attributes),
        links=tuple(link.span_id.hex() for link in span.links),
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
    )


def _values(attributes: list[KeyValue]) -> dict[str, str | int]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
