"""A feed over a real database, and rows put there by hand, as late as one likes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pymysql
import pytest

from common.config import get_settings
from common.events import new_event_id
from infra.live.settings import LiveSettings
from infra.live.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_INSERT = "INSERT INTO outbox (event_id, channel, payload, trace_id, created_at) VALUES (%s, 'order_status', %s, 'trace', UTC_TIMESTAMP(6))"


@dataclass(frozen=True)
class Told:
    """A server-sent event, as a client reads it."""

    id: str
    event: str
    data: dict[str, Any]


class Writer:
    """A transaction of its own: what it wrote is visible when it commits."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.connection = pymysql.connect(
            host=environment["DATABASE_HOST"],
            port=int(environment["DATABASE_PORT"]),
            user=environment["DATABASE_USER"],
            password=environment["DATABASE_PASSWORD"],
            database=environment["DATABASE_NAME"],
        )

    def write(self, number: int) -> None:
        event = {"event_id": new_event_id(), "event_type": "order_confirmed", "order_id": number}
        with self.connection.cursor() as cursor:
            cursor.execute(_INSERT, (event["event_id"], json.dumps(event)))

    def commit(self) -> None:
        self.connection.commit()

    def last_id(self) -> int:
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT MAX(id) FROM outbox")
            return int(cursor.fetchone()[0])

    def rollback(self) -> None:
        self.connection.rollback()

    def execute(self, statement: str) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
        self.connection.commit()


@pytest.fixture
def live_settings(mariadb: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveSettings]:
    for name, value in {**mariadb, "REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    yield LiveSettings(port=1, gateway_url="http://127.0.0.1:1", longest_pause=0.05)
    get_settings.cache_clear()


@pytest.fixture
def new_writer(mariadb: Mapping[str, str]) -> Iterator[Any]:
    """Makes writers; the tables that are told of are empty at the start."""
    made: list[Writer] = []

    def make() -> Writer:
        made.append(Writer(mariadb))
        return made[-1]

    for source in SOURCES:
        make().execute(f"DELETE FROM {source.table}")
    yield make
    for writer in made:
        writer.connection.close()


def told(chunk: bytes) -> list[Told]:
    """The events of a chunk."""
    found = []
    for block in chunk.decode().strip().split("\n\n"):
        fields = dict(re.findall(r"^(\w+): (.*)$", block, re.MULTILINE))
        found.append(Told(fields["id"], fields.get("event", "message"), json.loads(fields["data"])))
    return found
