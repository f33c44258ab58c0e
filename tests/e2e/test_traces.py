"""The spans of a system that was told whom to tell them: one trace from a request at the page to all that came of it."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

import httpx
import pytest

from infra.metrics.reading import addresses, look
from infra.stack import Ports, Stack, launcher
from infra.stack.instance import PROJECT_DIR
from tests.collector import Collector
from tests.e2e.client import Clerk, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.collector import ToldSpan

pytestmark = pytest.mark.supervised
DOCUMENTATION = PROJECT_DIR / "docs" / "observability.md"
CLIENT_SPAN = "b7ad6b7169203331"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as listening:
        yield listening


@pytest.fixture(scope="module")
def traced(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system of its own that tells the collector."""
    stack = Stack(tmp_path_factory.mktemp("system"), Ports.free())
    with pytest.MonkeyPatch.context() as variables:
        variables.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        try:
            launcher.up(stack)
            yield stack
        finally:
            launcher.down(stack)
    assert "did not stop within" not in (stack.logs_dir / "supervisor.log").read_text(), "a server waited for a collector that is gone"


def _ordered(stack: Stack) -> tuple[Clerk, str]:
    """Somebody who ordered at the page, under a trace of its own, and has had the decision."""
    clerk = Clerk(stack.page_url)
    customer, product = clerk.customer(), clerk.stocked_product(20)
    # What came with others in a batch would have its statements told under the first of them.
    eventually(clerk.all_is_heard_of, seconds=60, what="that all before the order is consumed")
    trace_id = uuid.uuid4().hex
    answer = clerk.order(customer, product, 3, traceparent=f"00-{trace_id}-{CLIENT_SPAN}-01")
    assert answer.status_code == 201, answer.text
    assert answer.headers["x-trace-id"] == trace_id
    assert clerk.decided(answer.json()["id"])["status"] == "confirmed"
    return clerk, trace_id


def _path(span: ToldSpan, spans: dict[str, ToldSpan]) -> list[str]:
    """The span and those it is a part of, up to the client's: each as its service and name."""
    path = []
    while span.parent_id in spans:
        path.append(f"{span.service}: {span.name}")
        span = spans[span.parent_id]
    assert span.parent_id == CLIENT_SPAN
    return [f"{span.service}: {span.name}", *reversed(path)]


def test_one_trace_leads_from_the_page_to_the_last_consumer(traced, collector):
    _, trace_id = _ordered(traced)
    last = "order-consumer: consume order_confirmed"

    def paths() -> list[list[str]] | None:
        """Once no part of it is still on its way."""
        spans = {span.span_id: span for span in collector.of(trace_id)}
        if not {"page", "edge", "order", "bridge", "inventory-consumer", "order-consumer"} <= {span.service for span in spans.values()}:
            return None
        orphans = [span for span in spans.values() if span.parent_id not in spans and span.parent_id != CLIENT_SPAN]
        found = [] if orphans else [_path(span, spans) for span in spans.values()]
        return found if any(path[-1] == last for path in found) else None

    found = eventually(paths, seconds=60, what=f"all of the trace {trace_id}")
    request = ["page: POST", "edge: POST /api/orders", "order: POST /api/orders"]
    delivery = [*request, "bridge: deliver order_stock_out", "inventory-consumer: consume order_stock_out"]
    decision = [*delivery, "bridge: deliver order_confirmed", last]
    for path in (
        request,
        [*request, "order: MGET"],
        [*request, "order: INSERT"],
        [*request, "order: PIPELINE"],
        [*delivery, "inventory-consumer: stock movement"],
        [*delivery, "inventory-consumer: INSERT"],
        [*delivery, "inventory-consumer: PIPELINE"],
        decision,
        [*decision, "order-consumer: UPDATE"],
    ):
        assert path in found, "\n".join(" > ".join(each) for each in sorted(found))


def test_spans_are_those_that_the_documentation_names(traced, collector):
    _ordered(traced)
    rows = [line.split("|") for line in DOCUMENTATION.read_text().splitlines() if re.match(r"\| `[a-z-]+` \| `\w+[ `]", line)]
    named = {(row[1].strip(" `"), name) for row in rows for name in re.findall("`(.+?)`", row[2])}
    assert {service for service, _ in named} >= {"page", "edge", "order", "bridge", "inventory-consumer"}
    eventually(lambda: named <= {(span.service, span.name) for span in collector.spans}, what=f"spans called {named}")


def test_functions_are_forked_as_without_spans(traced):
    _ordered(traced)

    def spawned() -> set[str]:
        known = httpx.get(f"{traced.localstack_url}/_lambda/environments", timeout=30).json()["environments"]
        return {each["spawned"] for each in known if each["pid"]}

    eventually(lambda: spawned() == {"fork"}, what="environments that are all forked")


def test_logs_events_and_spans_know_a_request_by_the_same_id(traced, collector):
    clerk = Clerk(traced.gateway_url)
    trace_id = clerk.http.get("/api/products").headers["x-trace-id"]
    wanted = {("edge", "GET /api/products"), ("product", "GET /api/products")}

    def whole() -> list[ToldSpan] | None:
        """The edge may have told of the authorizer before it tells of the request."""
        spans = collector.of(trace_id)
        return spans if wanted <= {(span.service, span.name) for span in spans} else None

    told = eventually(whole, seconds=60, what=f"{wanted} of {trace_id}")
    assert [span.parent_id for span in told if span.name == "GET /api/products" and span.service == "edge"] == [""]
    clerk, trace_id = _ordered(traced)
    events = clerk.get("/api/system/events", trace_id=trace_id)["events"]
    assert {event["event_type"] for event in events} == {"order_stock_out", "order_confirmed"}
    assert {event["payload"]["traceparent"][3:35] for event in events} == {trace_id}


def test_spans_hold_no_secret_and_nothing_of_what_is_written(traced, collector):
    clerk = Clerk(traced.page_url)
    # A statement that fails, whose error names what it was to write.
    registration = {"username": clerk.username, "email": f"{clerk.username}@example.com", "password": clerk.password}
    refused = clerk.http.post("/api/auth/register", json=registration)
    assert refused.status_code == 409, refused.text
    supplier = clerk.supplier(contact_person="Ilze Secretkeeper")
    for trace_id in (refused.headers["x-trace-id"], _ordered(traced)[1]):
        eventually(lambda trace_id=trace_id: collector.of(trace_id), what=f"spans of {trace_id}")
    eventually(lambda: any(span.failed and span.name == "INSERT" for span in collector.spans), what="the statement that failed")
    told = b"".join(collector.raw)
    assert b"INSERT INTO users" in told
    for secret in (clerk.token, clerk.password, clerk.username, supplier["contact_person"], "$argon2", "Bearer "):
        assert secret.encode() not in told, secret


def test_a_collector_that_hangs_or_is_gone_holds_up_nothing_and_fails_nothing(traced, collector):
    def failed() -> float:
        with httpx.Client(timeout=30) as client:
            return look(addresses(traced), client).sum("lambda_errors_total")

    clerk = Clerk(traced.page_url)
    customer, product = clerk.customer(), clerk.stocked_product(100)
    failed_before = failed()
    collector.answering.clear()
    heard = len(collector.raw)
    orders = [clerk.order(customer, product, 1) for _ in range(20)]
    assert {clerk.decided(order.json()["id"])["status"] for order in orders} == {"confirmed"}
    eventually(lambda: len(collector.raw) > heard, what="somebody who waits for the collector")
    assert collector.answered < len(collector.raw)
    collector.__exit__()
    assert clerk.decided(clerk.order(customer, product, 1).json()["id"])["status"] == "confirmed"
    assert failed() == failed_before
