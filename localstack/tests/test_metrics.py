"""What Prometheus reads of the edge and of the functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from api import AUTHORIZER, ECHO, Api
from prometheus_client.parser import text_string_to_metric_families
from stack import eventually

from localstack_process_runtime.edge.counted import BOUNDS_SECONDS, Counting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stack import LocalStack

ROUTE = "/counted/{id}"


def read(localstack: LocalStack) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    localstack.introspect()  # on the edge's own loop: what it has answered by then is counted
    answer = localstack.request("GET", "/_lambda/metrics", port=localstack.port)
    assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    families = text_string_to_metric_families(answer.body.decode())
    return {(sample.name, frozenset(sample.labels.items())): sample.value for family in families for sample in family.samples}


def at(metrics: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    return metrics.get((name, frozenset(labels.items())), 0)


@pytest.fixture(scope="module")
def counted(localstack: LocalStack) -> Iterator[None]:
    api = Api(localstack, "edge", stage="api")
    api.authorizer("Jwt", localstack.create_function("counted-authorizer", AUTHORIZER))
    api.route("GET", ROUTE, localstack.create_function("counted-echo", ECHO), "Jwt")
    api.deploy()
    yield
    localstack.client("apigateway").delete_rest_api(restApiId=api.id)


@pytest.mark.usefixtures("counted")
def test_requests_are_counted_by_route_and_status_and_not_by_path(localstack: LocalStack):
    before = read(localstack)
    for number in range(3):
        assert localstack.request("GET", f"/counted/{number}", Authorization="ada").status == 200
    assert localstack.request("GET", "/counted/1").status == 401
    for number in range(5):
        localstack.request("GET", f"/no/such/{number}")
    after = read(localstack)

    def more(name: str, **labels: str) -> float:
        return at(after, name, **labels) - at(before, name, **labels)

    assert more("edge_requests_total", method="GET", route=ROUTE, status="200") == 3
    assert more("edge_requests_total", method="GET", route=ROUTE, status="401") == 1
    assert more("edge_requests_total", method="GET", route="none", status="403") == 5
    assert more("edge_request_duration_seconds_count", method="GET", route=ROUTE) == 4
    assert more("edge_request_duration_seconds_bucket", method="GET", route=ROUTE, le="+Inf") == 4
    assert more("edge_authorizations_total", by="authorizer") == 1
    assert more("edge_authorizations_total", by="cache") == 2
    assert not any("/counted/1" in value for _, labels in after for _, value in labels)


@pytest.mark.usefixtures("counted")
def test_functions_are_counted_with_their_environments(localstack: LocalStack):
    localstack.request("GET", "/counted/1", Authorization="ada")
    eventually(lambda: at(read(localstack), "lambda_environments", function="counted-echo", state="idle") >= 1, "it idles")
    metrics = read(localstack)
    assert at(metrics, "lambda_invocations_total", function="counted-echo") >= 1
    assert at(metrics, "lambda_cold_starts_total", function="counted-echo") >= 1
    assert at(metrics, "lambda_errors_total", function="counted-echo") == 0
    assert at(metrics, "lambda_environments_limit") >= 1
    assert at(metrics, "process_resident_memory_bytes") > 1e6


def test_a_duration_is_in_the_bucket_whose_bound_it_does_not_pass():
    counting = Counting()
    for seconds in (0.0, BOUNDS_SECONDS[3], BOUNDS_SECONDS[3] + 1e-9, 1e6):
        counting.answered("GET", "/x", 200, seconds)
    buckets = counting.durations["GET", "/x"].buckets
    assert [index for index, number in enumerate(buckets) for _ in range(number)] == [0, 3, 4, len(BOUNDS_SECONDS)]


def test_clients_cannot_make_up_methods_to_be_remembered():
    counting = Counting()
    for number in range(100):
        counting.answered(f"METHOD{number}", None, 403, 0.001)
    assert counting.requests == {("other", "none", 403): 100}
