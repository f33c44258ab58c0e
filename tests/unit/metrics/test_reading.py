"""What happened between two looks at the metrics."""

import httpx
import pytest

from infra.metrics.reading import Between, Look, look, parse

BEFORE = """
# TYPE asked counter
asked_total{route="/a",status="200"} 10
asked_total{route="/b",status="500"} 7
# TYPE took histogram
took_bucket{route="/a",le="0.1"} 4
took_bucket{route="/a",le="1.0"} 4
took_bucket{route="/a",le="+Inf"} 4
took_sum{route="/a"} 0.2
took_count{route="/a"} 4
"""
AFTER = """
# TYPE asked counter
asked_total{route="/a",status="200"} 30
asked_total{route="/b",status="500"} 2
asked_total{route="/c",status="200"} 4
# TYPE took histogram
took_bucket{route="/a",le="0.1"} 54
took_bucket{route="/a",le="1.0"} 94
took_bucket{route="/a",le="+Inf"} 104
took_sum{route="/a"} 60
took_count{route="/a"} 104
"""


@pytest.fixture
def between():
    return Between(Look(100.0, parse(BEFORE)), Look(104.0, parse(AFTER)))


def test_counters_grow_by_label_and_begin_at_nothing(between):
    assert between.more("asked_total", route="/a") == 20
    assert between.per_second("asked_total", route="/a") == 5
    assert between.more("asked_total", route="/c") == 4
    assert between.more("nothing_total") == 0


def test_a_counter_that_fell_belongs_to_a_process_that_was_started_again(between):
    assert between.more("asked_total", status="500") == 2


@pytest.mark.parametrize(("share", "seconds"), [(0.25, 0.05), (0.5, 0.1), (0.7, 0.1 + 0.9 / 2), (0.99, 1.0)])
def test_quantiles_are_of_what_happened_between(between, share, seconds):
    assert between.quantile(share, "took", route="/a") == pytest.approx(seconds)


def test_a_quantile_of_nothing_is_none(between):
    assert between.quantile(0.5, "took", route="/z") is None
    assert Between(between.after, between.after).quantile(0.5, "took") is None


def test_who_does_not_answer_is_named_and_the_others_are_read():
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=AFTER) if request.url.host == "well" else httpx.Response(503)

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        looked = look({"localstack": "http://well/metrics", "bridge": "http://away/metrics"}, client)
    assert looked.away == ("bridge",)
    assert looked.sum("asked_total") == 36
    assert (looked.get("asked_total", status="200"), looked.get("no_such")) == (34, None)
