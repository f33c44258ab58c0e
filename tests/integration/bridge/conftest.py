"""A bridge of each test's own, on a real database and a Redis that tests may stop."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest
import redis as redis_client

from common.topology import CONSUMERS
from infra.bridge.report import role
from tests.integration.bridge.outbox_table import OutboxTable
from tests.integration.bridge.waiting import until

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


class RedisServer:
    """A Redis that can be stopped and started again on the same port."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._folder = folder
        self._process: subprocess.Popen | None = None
        self.client = redis_client.Redis(port=self.port, decode_responses=True)

    def start(self) -> None:
        if self._process is not None:
            return
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until(self._answers, what="Redis")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            return self.client.ping()
        except redis_client.ConnectionError:
            return False


@pytest.fixture(scope="session")
def redis_server(stack, tmp_path_factory) -> Iterator[RedisServer]:
    # Where no client's connection can sit while it is stopped, and not where the Redis of other tests is.
    server = RedisServer(tmp_path_factory.mktemp("redis"), stack.ports.product)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def outbox(mariadb, redis_server) -> Iterator[OutboxTable]:
    """The outbox, empty, as a producer and an onlooker see it."""
    redis_server.start()
    redis_server.client.flushall()
    connection = pymysql.connect(
        host=mariadb["DATABASE_HOST"],
        port=int(mariadb["DATABASE_PORT"]),
        user=mariadb["DATABASE_USER"],
        password=mariadb["DATABASE_PASSWORD"],
        database=mariadb["DATABASE_NAME"],
        autocommit=True,
    )
    table = OutboxTable(connection, redis_server.client)
    table.clear()
    yield table
    table.clear()
    connection.close()


class Bridge:
    """A bridge process and what it says of itself."""

    def __init__(self, folder: Path, environment: dict[str, str], name: str) -> None:
        self._state_file = folder / f"{name}.state.json"
        self._log_file = folder / f"{name}.log"
        self._environment = environment | {"BRIDGE_STATE_FILE": str(self._state_file)}
        self.process: subprocess.Popen | None = None
        self.consumers: tuple[str, ...] = ()

    def start(self, *consumers: str, **settings: str) -> "Bridge":
        """Start it for these consumers (all, if none is named) with these knobs."""
        self.consumers = consumers or CONSUMERS
        settings = {f"BRIDGE_{name.upper()}": value for name, value in settings.items()}
        environment = self._environment | settings | {"TEST_CONSUMERS": ",".join(self.consumers)}
        with self._log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "bridge_process.py")],
                env=environment,
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )
        return self

    def wait_until_running(self) -> "Bridge":
        until(lambda: all(self.consumer(name).get("state") == "running" for name in self.consumers), seconds=30, what="a bridge that runs")
        return self

    def states(self) -> dict:
        try:
            return json.loads(self._state_file.read_text())["states"]
        except FileNotFoundError:
            return {}

    def role(self) -> str | None:
        return role(self._state_file)

    def consumer(self, name: str) -> dict:
        return self.states().get(name, {})

    def log(self) -> str:
        return self._log_file.read_text()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def end(self) -> None:
        if self.process and self.process.poll() is None:
            self.stop()


@pytest.fixture(scope="session")
def bridge_environment(mariadb, redis_server) -> dict[str, str]:
    """What a bridge needs to run; its backoffs are short."""
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        **mariadb,
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": str(redis_server.port),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'layers/common/python'}",
        "BRIDGE_RETRY_DELAYS": "[0.02, 0.02, 0.05, 0.05]",
        "BRIDGE_OUTAGE_DELAYS": "[0.05, 0.1]",
    }


@pytest.fixture
def new_bridge(bridge_environment, crash_points, tmp_path):
    """Makes bridges; none outlives its test."""
    made: list[Bridge] = []

    def make(name: str = "bridge", **environment: str) -> Bridge:
        made.append(Bridge(tmp_path, bridge_environment | {"CRASH_POINTS": str(crash_points)} | environment, name))
        return made[-1]

    yield make
    for bridge in made:
        bridge.end()


@pytest.fixture
def crash_points(tmp_path) -> Path:
    """The folder whose files are crash points in force."""
    folder = tmp_path / "crash_points"
    folder.mkdir()
    return folder


@pytest.fixture
def bridge(new_bridge, outbox) -> Bridge:
    """A bridge that runs, for one consumer."""
    return new_bridge().start("inventory").wait_until_running()


@pytest.fixture(scope="module")
def lasting_bridge(bridge_environment, redis_server, tmp_path_factory) -> Iterator[Bridge]:
    """A bridge for all tests of a module that do it no harm."""
    redis_server.start()
    bridge = Bridge(tmp_path_factory.mktemp("bridge"), bridge_environment, "bridge").start().wait_until_running()
    yield bridge
    bridge.end()
