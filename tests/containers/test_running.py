"""The composition that runs: who its processes are, what its page answers, and what it still knows when it is back.

`make test-containers` starts it and says where it is (RUN_DIR).
"""

import asyncio
import json
import os
import re
from pathlib import Path

import httpx
import pytest
import yaml

from infra.page.server import page_app
from infra.page.settings import PageSettings
from infra.stack import Stack
from tests.containers import composition
from tests.containers.engine import EngineFailed, find
from tests.e2e.client import Clerk, eventually

SAME_HEADERS = ("cache-control", "content-security-policy", "x-content-type-options", "referrer-policy")
SAME_HEADERS += ("cross-origin-opener-policy", "permissions-policy", "retry-after", "www-authenticate")


@pytest.fixture(scope="module")
def system():
    """Where it is."""
    stack = Stack.of(Path(os.environ["RUN_DIR"]))
    assert stack is not None
    assert stack.placement.kept_by == "containers"
    return stack


@pytest.fixture(scope="module")
def engine(system):
    """What it runs in."""
    found = find(system.ports)
    assert found is not None
    return found


def reconciled(engine):
    """What the operator's command finds, once nothing is on its way."""
    return json.loads(engine.execute("bridge", "inventory", "reconcile", "--wait", "60", "--json"))


def by_infra(system, path, **rest):
    """What the page's server of `make up` would answer, with the same system behind it."""
    settings = PageSettings(
        port=1, gateway_url=system.gateway_url, live_events_url="http://127.0.0.1:9", files=composition.PROJECT / "frontend" / "dist"
    )

    async def asked():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(page_app(settings)), base_url="http://page") as client:
            return await client.get(path, **rest)

    return asyncio.run(asked())


@pytest.mark.parametrize("service", [name for name, service in composition.services().items() if "healthcheck" in service])
def test_processes_are_ordinary_users_without_capabilities(engine, service):
    status = engine.execute(service, "cat", "/proc/1/status") + engine.execute(service, "cat", "/proc/self/status")
    users = set(re.findall(r"^Uid:\s+(\d+)", status, re.MULTILINE))
    assert users
    assert "0" not in users
    assert set(re.findall(r"^CapEff:\s+([0-9a-f]+)", status, re.MULTILINE)) == {"0" * 16}
    assert set(re.findall(r"^NoNewPrivs:\s+(\d)", status, re.MULTILINE)) == {"1"}
    mounts = json.dumps(engine.inspect(service)["Mounts"])
    assert "docker.sock" not in mounts
    assert "podman.sock" not in mounts


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/orders",
        "/products/17",
        "/login?next=%2Forders",
        "/assets/gone.js",
        "/robots.txt",
        "/api/products",
        "/api/suppliers/city/St.%20Gallen%2FWest",
        "/api/nothing",
        "/api/docs",
        "/api/openapi.json",
        "/api/products/health",
    ],
)
def test_the_page_answers_as_that_of_make_up_does(system, path, encoding):
    headers = {"accept-encoding": encoding}
    ours, theirs = httpx.get(f"{system.page_url}{path}", headers=headers), by_infra(system, path, headers=headers)
    assert ours.status_code == theirs.status_code
    assert {name: ours.headers.get(name) for name in SAME_HEADERS} == {name: theirs.headers.get(name) for name in SAME_HEADERS}
    if int(ours.headers.get("content-length", 1000)) >= 1000:  # nginx sees how long a short answer of the API is, and leaves it
        assert ours.headers.get("content-encoding") == theirs.headers.get("content-encoding")
    assert ours.headers["content-type"].split(";")[0] == theirs.headers["content-type"].split(";")[0]


@pytest.mark.parametrize("path", ["/assets/..%2f..%2f..%2f..%2fetc%2fpasswd", "/..%2f..%2f..%2f..%2fetc%2fpasswd", "/%2e%2e/nginx.conf"])
def test_what_lies_beside_the_files_is_not_served(system, path):
    answer = httpx.get(f"{system.page_url}{path}")
    assert answer.status_code in {400, 404}
    assert not re.search("root:|proxy_pass", answer.text)


def test_what_views_are_made_of_is_kept_for_ever(system):
    page = httpx.get(system.page_url).text
    (script,) = set(re.findall(r'src="(/assets/[^"]+\.js)"', page))
    answer = httpx.get(f"{system.page_url}{script}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"


def test_the_operators_commands_work_beside_the_bridge(engine):
    assert "Healthy." in engine.execute("bridge", "inventory", "status")
    shown = engine.execute("bridge", "inventory", "top", "--count", "1", "--interval", "0.5")
    assert "Breakers" in shown
    with pytest.raises(EngineFailed, match="docker compose up"):
        engine.execute("bridge", "inventory", "down")


def test_what_prometheus_is_to_scrape_answers(engine):
    jobs = yaml.safe_load((composition.DOCKERFILES / "observability" / "prometheus.yml").read_text())["scrape_configs"]
    ours = {job["job_name"]: job for job in jobs if job["job_name"] in {"localstack", "bridge"}}
    assert len(ours) == 2
    for job in ours.values():
        (target,) = job["static_configs"][0]["targets"]
        url = f"http://{target}{job.get('metrics_path', '/metrics')}"
        ask = f"import urllib.request as r; print(r.urlopen('{url}', timeout=20).read().decode())"
        assert "# TYPE " in engine.execute("bridge", "python3", "-c", ask)


def test_an_order_is_still_there_when_the_containers_are_made_anew(system, engine):
    clerk = Clerk(system.page_url)
    customer, product = clerk.customer(), clerk.stocked_product(50)
    before = clerk.decided(clerk.order(customer, product, 8).json()["id"])
    assert before["status"] == "confirmed"

    engine.down()
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{system.gateway_url}/health")
    engine.up()

    # With the token from before: the key it is signed with is kept as well.
    assert clerk.get(f"/api/orders/{before['id']}") == before
    assert clerk.stock(product) == 42
    after = clerk.decided(clerk.order(customer, product, 2).json()["id"])
    assert after["status"] == "confirmed"
    assert clerk.stock(product) == 40
    assert reconciled(engine)["reconciled"] is True


def test_a_killed_localstack_is_missed_in_the_apis_words_and_serves_as_soon_as_it_is_back(system, engine):
    clerk = Clerk(system.page_url)
    customer, product = clerk.customer(), clerk.stocked_product(20)

    engine.stop("localstack")
    away = httpx.get(f"{system.page_url}/api/products?q=1", timeout=30)
    assert (away.status_code, away.headers["content-type"]) == (502, "application/problem+json")
    told = away.json()
    assert (told["code"], told["instance"], away.headers["retry-after"]) == ("gateway_unavailable", "/api/products", "2")
    assert re.fullmatch(r"[0-9a-f]{32}", told["trace_id"])
    assert httpx.get(f"{system.page_url}/orders").status_code == 200

    engine.up()
    eventually(lambda: clerk.http.get("/api/orders/health").status_code == 200, seconds=60, what="the API behind the page")
    assert clerk.decided(clerk.order(customer, product, 2).json()["id"], seconds=60)["status"] == "confirmed"
