"""`/_lambda/metrics` on LocalStack's port: the edge, the functions and this process, as Prometheus reads them.

Names and units follow https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from localstack.http import Request, Response, route
from localstack.services.edge import ROUTER
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from localstack_process_runtime import edge
from localstack_process_runtime.edge.counted import BOUNDS_SECONDS
from localstack_process_runtime.runtime import get_runtime

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.core import Metric

    from localstack_process_runtime.edge.counted import Counting

_BOUNDS = (*(str(bound) for bound in BOUNDS_SECONDS), "+Inf")


class EdgeCollector(Collector):
    """What the edge counted."""

    def collect(self) -> Iterator[Metric]:
        counting = edge.counting()
        return _edge_metrics(counting) if counting is not None else iter(())


class FunctionsCollector(Collector):
    """The environment pool, as `/_lambda/environments` describes it."""

    def collect(self) -> Iterator[Metric]:
        return _function_metrics(get_runtime().pool.describe())


def _edge_metrics(counting: Counting) -> Iterator[Metric]:
    requests = CounterMetricFamily("edge_requests", "Requests answered.", labels=("method", "route", "status"))
    for (method, route_name, status), number in list(counting.requests.items()):
        requests.add_metric((method, route_name, str(status)), number)
    yield requests
    durations = HistogramMetricFamily("edge_request_duration_seconds", "From a request to its answer.", labels=("method", "route"))
    for labels, histogram in list(counting.durations.items()):
        buckets = list(zip(_BOUNDS, accumulate(histogram.buckets), strict=True))
        durations.add_metric(labels, buckets, histogram.seconds)
    yield durations
    grants = CounterMetricFamily("edge_authorizations", "Requests that an authorizer decided about, by who was asked.", labels=("by",))
    grants.add_metric(("cache",), counting.grants_found)
    grants.add_metric(("authorizer",), counting.grants_asked)
    yield grants


def _function_metrics(pool: Mapping[str, Any]) -> Iterator[Metric]:
    totals = (
        ("invocations", "Invocations ended, by whichever way they came."),
        ("errors", "Invocations that ended in a function error."),
        ("cold_starts", "Environments started."),
    )
    for name, words in totals:
        counter = CounterMetricFamily(f"lambda_{name}", words, labels=("function",))
        for function, numbers in pool["functions"].items():
            counter.add_metric((function,), numbers[name])
        yield counter
    queued = GaugeMetricFamily("lambda_queued", "Invocations that wait for an environment.", labels=("function",))
    for function, numbers in pool["functions"].items():
        queued.add_metric((function,), numbers["queued"])
    yield queued
    environments = GaugeMetricFamily("lambda_environments", "Execution environments.", labels=("function", "state"))
    for (function, state), number in Counter((each["function"], each["state"]) for each in pool["environments"]).items():
        environments.add_metric((function, state), number)
    yield environments
    limit = GaugeMetricFamily("lambda_environments_limit", "How many environments there may be of all functions.")
    limit.add_metric((), pool["limits"]["total"])
    yield limit


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in (EdgeCollector(), FunctionsCollector()):
        registry.register(collector)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


def register() -> None:
    """Answer on LocalStack's port."""
    registry = _registry()

    @route("/_lambda/metrics", methods=["GET"])  # type: ignore[untyped-decorator]
    def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    ROUTER.add(metrics)
