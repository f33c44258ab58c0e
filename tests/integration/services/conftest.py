"""The seven services in this process, on a real database and a real Redis, both empty at the start of each test."""

from __future__ import annotations

import importlib
import json
import secrets
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import redis as redis_client
from sqlalchemy import create_engine, inspect, text

import common.db
import common.redis_client
from common import auth, breaker, services
from common.config import get_settings
from common.db import get_engine, transaction
from common.events import TOPOLOGY
from infra.accounts.grants import SERVICES, account
from infra.accounts.provisioning import provision
from infra.database import connected
from tests.gateway import Gateway, LambdaClient, acting, consumer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.factories import Json

WARMED = ("supplier", "customer", "product", "procurement", "order")
# Seconds after which a server is taken for one that hangs, and after which the database ends a wait for a row.
_PATIENCE, _LONGEST_WAIT = 120, 50


@pytest.fixture
def servers(mariadb: Mapping[str, str], redis: Mapping[str, str]) -> dict[str, str]:
    """The environment that reaches database and Redis; a test may override it with a Redis of its own."""
    return {**mariadb, **redis}


@pytest.fixture(scope="session")
def accounts(mariadb: Mapping[str, str]) -> dict[str, str]:
    """The services' accounts at the database, with the rights that they have in a running system; their passwords by service."""
    passwords = {service: secrets.token_urlsafe(12) for service in SERVICES}
    with connected(mariadb) as connection:
        provision(connection, mariadb["DATABASE_NAME"], "127.0.0.1", passwords)
    return passwords


class Engines:
    """The engine of whose function runs, connected as its own account; the administrator's for the test itself."""

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self._passwords = passwords
        self._engines: dict[Any, Any] = {}
        self._making = threading.Lock()

    def current(self) -> Any:
        service = acting()
        if not service:
            return get_engine()
        url = get_engine().url.set(username=account(service), password=self._passwords[service])
        with self._making:
            if url not in self._engines:
                self._engines[url] = common.db.engine_of(url)
            return self._engines[url]

    def dispose(self) -> None:
        for engine in self._engines.values():
            engine.dispose()


@pytest.fixture
def clean(servers: Mapping[str, str], accounts: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that has just started, with an empty database and an empty Redis."""
    for name, value in servers.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    be_patient(monkeypatch)
    engines = Engines(accounts)
    monkeypatch.setattr(common.db, "get_engine", engines.current)
    begin_anew()
    empty_database()
    common.redis_client.get_redis().flushall()
    yield
    engines.dispose()
    get_engine().dispose()
    begin_anew()


@pytest.fixture
def lambda_client(monkeypatch: pytest.MonkeyPatch) -> LambdaClient:
    """What services invoke each other by."""
    client = LambdaClient()
    monkeypatch.setattr(services, "get_client", lambda _service: client)
    return client


@pytest.fixture
def api(clean: None, lambda_client: LambdaClient) -> Gateway:
    """The API, as a signed-in user sees it."""
    return Gateway()


@pytest.fixture
def deliver(clean: None) -> Callable[[], list[Json]]:
    """Hands every undelivered event to its consumers, and what they emit, until none is left. Returns what was delivered."""
    return _deliver


@pytest.fixture
def stock_of(api: Gateway) -> Callable[[Json], Any]:
    """The stock of a product, after checking it against its movements."""

    def stock(product: Json) -> Any:
        answer = api.get(f"/api/inventory/product/{product['id']}")
        assert answer.status == 200, answer.text
        quantity = answer.json["quantity"]
        assert sum(m["delta"] for m in movements_of(api, product)) == quantity
        return quantity

    return stock


def movements_of(api: Gateway, product: Json) -> list[Json]:
    """The product's ledger."""
    return list(api.get(f"/api/inventory/product/{product['id']}/movements?limit=500").json["movements"])


def undelivered() -> list[tuple[str, Json]]:
    """Channel and event of what nobody has been handed yet, oldest first."""
    with transaction() as session:
        rows = session.execute(text("SELECT channel, payload FROM outbox WHERE delivered_at IS NULL ORDER BY id")).all()
    return [(channel, json.loads(payload)) for channel, payload in rows]


def mark_delivered() -> None:
    """Forget what is undelivered: for tests that deliver by hand."""
    with transaction() as session:
        session.execute(text("UPDATE outbox SET delivered_at = NOW(6) WHERE delivered_at IS NULL"))


def hand_over(name: str, *events: Json) -> list[Json]:
    """Have a consumer's handler take a batch; the failures it reports."""
    return list(consumer(name)({"events": list(events)}, None)["batchItemFailures"])


def count(table: str) -> int:
    """How many rows a table has."""
    with transaction() as session:
        return int(session.scalar(text(f"SELECT COUNT(*) FROM {table}")) or 0)


def wait_until_somebody_waits_for_a_row() -> None:
    """Return once a transaction waits for another's lock."""
    deadline = time.monotonic() + _LONGEST_WAIT
    while True:
        with transaction() as session:
            if int(session.execute(text("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'")).one().Value):
                return
        assert time.monotonic() < deadline, "nobody waits for a row"


def be_patient(patch: pytest.MonkeyPatch) -> None:
    """Have no server pass for one that is away because a busy machine held it up. One that is stopped refuses, and is away at once."""
    patch.setattr(common.db, "create_engine", partial(_create_roomy_engine, create_engine))
    patch.setattr(redis_client, "Redis", partial(_create_patient_client, redis_client.Redis))


def begin_anew() -> None:
    """Forget what this process knows, as a new execution environment would not know it."""
    for cached in (get_settings, get_engine, common.redis_client.get_redis, breaker.get_breaker, auth.get_signing_keys):
        cached.cache_clear()
    common.redis_client._guard.close()
    for name in WARMED:
        importlib.import_module(f"{name}.service").warm_up._known_at = -1


def empty_database() -> None:
    """Delete every row of every table but the migrations' own."""
    with get_engine().begin() as connection:
        tables = [name for name in inspect(connection).get_table_names() if name != "alembic_version"]
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
        for table in tables:
            connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 1"))


def _create_roomy_engine(create: Callable[..., Any], url: Any, **options: Any) -> Any:
    """In Lambda each environment serves one request at a time; here one process is all of them, and of all services."""
    arguments = options["connect_args"]
    init = f"{arguments['init_command']}, innodb_lock_wait_timeout = {_LONGEST_WAIT}"
    patient = {"connect_timeout": _PATIENCE, "read_timeout": _PATIENCE, "write_timeout": _PATIENCE, "init_command": init}
    return create(url, **options | {"pool_size": 60, "max_overflow": 0, "connect_args": arguments | patient})


def _create_patient_client(create: Callable[..., Any], **options: Any) -> Any:
    return create(**options | {"socket_connect_timeout": _PATIENCE, "socket_timeout": _PATIENCE})


def _deliver() -> list[Json]:
    delivered: list[Json] = []
    while waiting := undelivered():
        for name in sorted({listener for channel, _ in waiting for listener in TOPOLOGY[channel].consumers}):
            batch = [event for channel, event in waiting if name in TOPOLOGY[channel].consumers]
            assert hand_over(name, *batch) == []
        ids = [event["event_id"] for _, event in waiting]
        with transaction() as session:
            for event_id in ids:
                session.execute(text("UPDATE outbox SET delivered_at = NOW(6) WHERE event_id = :id"), {"id": event_id})
        delivered += [event for _, event in waiting]
    return delivered
