"""The figures of an invocation: one line of embedded metric format, from which CloudWatch takes them."""

import json

import pytest

from common import metrics
from common.breaker import FAILURES_TO_OPEN, Breaker, DependencyUnavailableError
from common.cache import EntityCache
from common.config import get_settings
from common.http import ServiceApp
from tests.gateway import CONTEXT, proxy_event

app = ServiceApp("thing")
CACHE = EntityCache("thing")


@app.route("/api/things", methods=["GET"], public=True)
def read():
    return {"known": sorted(CACHE.get_many([1, 2, 3]))}


@pytest.fixture
def told(monkeypatch, capsys, redis_server):
    """The lines that an invocation writes for CloudWatch, where they are wanted."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "inventory-thing")
    metrics._figures.clear()

    def invoke(*, wanted="true"):
        monkeypatch.setenv("METRICS_IN_LOGS", wanted)
        get_settings.cache_clear()
        capsys.readouterr()
        app(proxy_event("GET", "/api/things", "/api/things", {}, {}, None, {}, {}), CONTEXT)
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
        return [line for line in lines if "_aws" in line]

    return invoke


def test_an_invocation_tells_its_figures_in_one_line(told):
    CACHE.put([{"id": 1, "version": 1}])
    (line,) = told()
    assert (line["CacheHits"], line["CacheMisses"], line["service"]) == ([1], [2], "thing")
    (described,) = line["_aws"]["CloudWatchMetrics"]
    assert (described["Namespace"], described["Dimensions"]) == ("inventory", [["service"]])
    assert {metric["Name"] for metric in described["Metrics"]} == {"CacheHits", "CacheMisses"}
    assert all(metric["Unit"] == "Count" for metric in described["Metrics"])


def test_figures_are_of_one_invocation_and_the_first_is_a_cold_start(told):
    metrics.count("ColdStart")
    assert told()[0]["ColdStart"] == [1]
    (second,) = told()
    assert "ColdStart" not in second
    assert second["CacheMisses"] == [3]


def test_a_highest_figure_is_not_added_up(told):
    for value in (1, 2, 1):
        metrics.highest("DatabaseConnections", value)
    assert told()[0]["DatabaseConnections"] == [2]


def test_breakers_tell_whether_they_are_open_and_that_they_opened_and_refused(told):
    breaker = Breaker("supplier")
    breaker.call(lambda: 1)
    (line,) = told()
    assert line["BreakerOpen"] == [0]
    assert "BreakerTrips" not in line
    for _ in range(FAILURES_TO_OPEN + 2):
        with pytest.raises(DependencyUnavailableError):
            breaker.call(lambda: 1 / 0)
    (line,) = told()
    assert (line["BreakerOpen"], line["BreakerTrips"], line["BreakerRefusals"]) == ([1], [1], [2])


def test_nothing_is_written_where_nobody_reads_it(told):
    assert told(wanted="false") == []
    (line,) = told()
    assert line["CacheMisses"] == [3], "what was not told is not told later"
