"""Alert rules and dashboards ask for what is told: a metric that nobody tells never raises an alert, and says so to nobody."""

import json
import re
from types import SimpleNamespace

import pytest
import yaml

from infra.metrics.reading import addresses
from infra.stack import Ports, Stack
from infra.stack.instance import PROJECT_DIR

OBSERVABILITY = PROJECT_DIR / "infra" / "observability"
RULES = yaml.safe_load((OBSERVABILITY / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARDS = sorted((OBSERVABILITY / "dashboards").glob("*.json"))
EXPRESSIONS = [rule["expr"] for rule in RULES] + [
    target["expr"] for path in DASHBOARDS for panel in json.loads(path.read_text())["panels"] for target in panel.get("targets", ())
]
# Words of PromQL, labels, and what Prometheus itself adds.
NO_METRICS = {"sum", "by", "rate", "increase", "histogram_quantile", "topk", "or"}


PROMETHEUS_OWN = {"up", "process_resident_memory_bytes"}


def told():
    """The names that the sources of both exporters hold, with the endings that Prometheus' text format gives them."""
    sources = [PROJECT_DIR / "infra/bridge/metrics.py", PROJECT_DIR / "localstack/localstack_process_runtime/metrics.py"]
    words = {word for source in sources for word in re.findall(r'"([a-z_]+)"', source.read_text())}
    words |= {f"{owner}_{word}" for owner in ("bridge", "lambda") for word in words}
    return words | {f"{word}_{ending}" for word in words for ending in ("total", "bucket", "sum", "count")} | PROMETHEUS_OWN


def asked(expression):
    without_labels = re.sub(r"\{[^}]*\}|by \([^)]*\)|\[[^\]]*\]", "", expression)
    return set(re.findall(r"[a-z][a-z_]+", without_labels)) - NO_METRICS


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_only_metrics_that_are_told_are_asked_for(expression):
    assert asked(expression)
    assert asked(expression) <= told()


def test_a_metric_that_nobody_tells_is_noticed():
    assert asked('sum by (x) (rate(edge_requests_made_up_total{a="b"}[5m])) > 3') - told() == {"edge_requests_made_up_total"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_where_to_look(rule):
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["look"].startswith("inventory ")


def test_prometheus_asks_where_the_system_tells():
    configuration = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())
    jobs = {
        job["job_name"]: f"http://{job['static_configs'][0]['targets'][0]}{job['metrics_path']}" for job in configuration["scrape_configs"]
    }
    assert jobs == addresses(Stack(PROJECT_DIR / ".run", Ports()))


def test_panels_do_not_lie_on_each_other():
    for path in DASHBOARDS:
        taken = set()
        for panel in json.loads(path.read_text())["panels"]:
            at = SimpleNamespace(**panel["gridPos"])
            cells = {(x, y) for x in range(at.x, at.x + at.w) for y in range(at.y, at.y + at.h)}
            assert not cells & taken, panel["title"]
            taken |= cells


def test_the_docs_name_every_alert_and_only_metrics_that_are_told():
    page = (PROJECT_DIR / "docs" / "observability.md").read_text()
    assert [rule["alert"] for rule in RULES] == re.findall(r"^\| `([A-Z]\w+)` \|", page, re.MULTILINE)
    named = set(re.findall(r"`((?:edge|lambda|bridge|breaker|redis|mariadb|outbox|stock|process)_[a-z_]+)`", page))
    assert len(named) > 20
    assert named <= told()
