"""Where an instance's servers are: here, unless the environment says that containers keep them."""

import pytest
from typer.testing import CliRunner

from infra.cli.main import app
from infra.stack import Ports, Stack
from infra.stack.placement import Placement, get_placement

ELSEWHERE = {
    "INVENTORY_KEPT_BY": "containers",
    "INVENTORY_MYSQL_HOST": "mariadb",
    "INVENTORY_REDIS_HOST": "redis",
    "INVENTORY_LOCALSTACK_HOST": "localstack",
    "INVENTORY_BRIDGE_HOST": "bridge",
    "INVENTORY_LISTEN_HOST": "0.0.0.0",
    "INVENTORY_PAGE_PORT": "9080",
}


@pytest.fixture
def in_containers(monkeypatch):
    """The environment of a process in a container."""
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    get_placement.cache_clear()
    yield
    get_placement.cache_clear()


def test_without_a_word_everything_is_here(tmp_path):
    stack = Stack(tmp_path, Ports(), placement=Placement())
    assert (stack.localstack_url, stack.gateway_url) == ("http://127.0.0.1:4566", "http://127.0.0.1:8000")
    assert (stack.addresses()["DATABASE_HOST"], stack.addresses()["REDIS_HOST"]) == ("127.0.0.1", "127.0.0.1")
    assert (stack.page_origin, stack.placement.database_clients) == ("http://localhost:8080", "127.0.0.1")
    assert not any(name.startswith("INVENTORY_") for name in stack.environment())
    assert "CRASH_POINTS" in stack.servers["bridge"].environment


def test_in_containers_each_server_is_under_its_name(in_containers, tmp_path):
    stack = Stack(tmp_path, Ports())
    assert (stack.localstack_url, stack.gateway_url) == ("http://localstack:4566", "http://localstack:8000")
    assert (stack.addresses()["DATABASE_HOST"], stack.addresses()["REDIS_HOST"]) == ("mariadb", "redis")
    assert (stack.live_events_url, stack.servers["bridge"].environment["LIVE_HOST"]) == ("http://bridge:8090", "0.0.0.0")
    assert (stack.page_origin, stack.placement.database_clients) == ("http://localhost:9080", "%")
    # It is for tests, which have their database on their own machine.
    assert "CRASH_POINTS" not in stack.servers["bridge"].environment


def test_a_job_places_the_servers_as_whoever_started_it_does(in_containers, tmp_path):
    assert ELSEWHERE.items() <= dict(Stack(tmp_path, Ports()).jobs["deploy"].environment).items()


@pytest.mark.parametrize("arguments", [["up"], ["down"], ["stop", "redis"], ["logs"], ["dev"], ["local", "product"]])
def test_what_the_engine_does_in_containers_is_left_to_it(in_containers, tmp_path, arguments):
    done = CliRunner().invoke(app, ["--run-dir", str(tmp_path), *arguments])
    assert done.exit_code == 1
    assert "docker compose" in str(done.exception)
