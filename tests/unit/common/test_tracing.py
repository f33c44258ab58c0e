"""Spans: what they hang together by, what they do not tell, and that nothing waits for who takes them."""

import json
import subprocess
import sys
import threading

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from common import spans, tracing
from common.consuming import traced
from common.tracing import begun, current_trace_id, passed_on, span, trace_id_of, traceparent, under_trace_id
from infra.stack.instance import PROJECT_DIR

TRACE, OTHER = "0af7651916cd43dd8448eb211c80319c", "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class BrokenExporter(InMemorySpanExporter):
    """Who takes spans and does not answer before `release`, and then badly."""

    def __init__(self):
        super().__init__()
        self.asked, self.release, self.answered = threading.Event(), threading.Event(), 0

    def export(self, spans):
        self.asked.set()
        self.release.wait()
        self.answered += 1
        raise ConnectionError("no")


@pytest.fixture
def telling(monkeypatch):
    """Spans that are told to an exporter; returns how to see what was."""

    def tell(exporter):
        monkeypatch.setenv("OTEL_SERVICE_NAME", "test")
        monkeypatch.setattr(spans, "OTLPSpanExporter", lambda: exporter)
        monkeypatch.setattr(tracing, "spans", made := spans.Spans())

        def told():
            made._tracer.span_processor.force_flush()
            return {each.name: each for each in exporter.get_finished_spans()}

        return told

    return tell


@pytest.fixture
def told(telling):
    return telling(InMemorySpanExporter())


def ids(of):
    return f"{of.context.trace_id:032x}", f"{of.context.span_id:016x}"


def test_nothing_of_opentelemetry_is_needed_unless_it_is_wanted():
    """As in a function that has no tracing layer."""
    script = "import sys; sys.modules['opentelemetry'] = None; import common.http, common.consuming, order.app, inventory.consumer"
    paths = f"{PROJECT_DIR}/functions:{PROJECT_DIR}/layers/common/python"
    environment = {"PYTHONPATH": paths, "DATABASE_HOST": "none", "DATABASE_NAME": "n", "DATABASE_USER": "u", "DATABASE_PASSWORD": "p"}
    environment |= {"REDIS_HOST": "none", "AWS_DEFAULT_REGION": "us-east-1"}

    def imported(**more):
        return subprocess.run(
            [sys.executable, "-c", script], env=environment | more, capture_output=True, text=True, check=False, timeout=60
        )

    for unwanted in ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}):
        assert imported(**unwanted).returncode == 0
    assert "import of opentelemetry halted" in imported(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1").stderr


def test_what_begins_goes_on_from_who_asked(told):
    with begun("request", "server", PARENT), span("part"):
        carried = traceparent()
    request, part = told()["request"], told()["part"]
    assert (ids(request)[0], f"{request.parent.span_id:016x}") == (TRACE, "b7ad6b7169203331")
    assert part.parent.span_id == request.context.span_id
    assert carried == "00-{}-{}-01".format(*ids(part))


@pytest.mark.parametrize("parent", [None, "", "nonsense", f"00-{'0' * 32}-b7ad6b7169203331-01"])
def test_what_begins_of_its_own_accord_has_the_trace_id_of_logs_and_events(told, parent):
    with under_trace_id(TRACE), begun("request", "server", parent):
        pass
    assert ids(told()["request"])[0] == TRACE
    assert told()["request"].parent is None


def test_events_of_former_versions_have_spans_too(told):
    with passed_on(
        [{"event_id": "e", "event_type": "x", "trace_id": "0af76519-16cd-43dd-8448-eb211c80319c"}], "deliver", "producer"
    ) as batch:
        assert trace_id_of(batch.events[0]["traceparent"])
    assert "deliver x" in told()


def test_a_part_of_nothing_is_not_told(told):
    with span("part"):
        assert trace_id_of(traceparent()) == current_trace_id()
    assert not told()


def test_a_request_that_is_not_sampled_leaves_no_span_anywhere(told):
    with begun("request", "server", PARENT[:-1] + "0"), span("part"):
        assert traceparent().endswith("-00")
    assert not told()


def test_each_event_of_a_batch_goes_on_in_its_own_trace(told):
    events = [
        {"event_id": "1", "event_type": "one", "trace_id": TRACE, "traceparent": PARENT},
        {"event_id": "2", "event_type": "two", "trace_id": OTHER, "traceparent": f"00-{OTHER}-00f067aa0ba902b7-01"},
    ]
    with passed_on(events, "consume", "consumer") as batch:
        with span("for all"):
            pass
        for event in traced(batch.events):
            with span(f"for {event['event_id']}"):
                assert trace_id_of(traceparent()) == event["trace_id"]
        batch.failed(["2"])
    one, two = told()["consume one"], told()["consume two"]
    assert (ids(one)[0], ids(two)[0]) == (TRACE, OTHER)
    assert f"{two.parent.span_id:016x}" == "00f067aa0ba902b7"
    assert [told()[f"for {name}"].parent.span_id for name in ("1", "2", "all")] == [each.context.span_id for each in (one, two, one)]
    assert [link.context for link in two.links] == [one.context]
    assert (one.status.is_ok, two.status.is_ok) == (True, False)
    assert [event["traceparent"] for event in events] == [PARENT, f"00-{OTHER}-00f067aa0ba902b7-01"], "the given ones stay as they are"


def test_an_error_is_told_by_its_type_alone(told):
    with pytest.raises(ValueError), begun("request", "server", PARENT), span("part"):  # noqa: PT011
        raise ValueError("hunter2")
    for each in told().values():
        assert each.attributes["error.type"] == "ValueError"
        assert not each.status.is_ok
        assert "hunter2" not in json.dumps(json.loads(each.to_json()))


def test_nothing_waits_for_who_takes_them(telling):
    exporter = BrokenExporter()
    telling(exporter)
    # More than there is room for, most of them while the first are being taken.
    for number in range(10_000):
        with begun(f"request {number}", "server", PARENT):
            if number == 1_000:
                assert exporter.asked.wait(30)
    assert exporter.answered == 0
    exporter.release.set()
    with begun("one more", "server", PARENT):
        pass
