"""After all that was done: no secret that was used is in what the system writes down, except where secrets are kept."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from infra.deploy.deployment import client_of
from tests.security.part import Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from redis import Redis

    from tests.security.target import Target

# Users' hashes are the auth service's to keep; what is searched for there is what could be signed in with.
_HASHES_BELONG_TO = "table users"
_WELL_KNOWN = re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}|\$argon2id\$v=")
_SHORTEST = 12
_SHOWN = 40


@dataclass(frozen=True)
class Source:
    """A place where something is written down, and what is there."""

    kind: str
    name: str
    text: str


def attack(target: Target) -> Part:
    """Everything that the system has written so far, searched for everything that was used so far."""
    part = Part("secrets written down")
    target.signing_key()
    target.database_passwords()
    target.forwarder_key()
    needles = spellings(target.secrets)
    part.cases("secrets that were used", len(target.secrets))
    for source in (*_log_files(target), *_log_streams(target), *_redis(target), *_tables(target)):
        part.case(source.kind, leaks(source, needles))
    for kind in ("log file", "log stream", "Redis key", "table"):
        if not part.tried[kind]:
            part.case(kind, ["there was none to be searched"])
    return part


def spellings(secrets: Mapping[str, str]) -> dict[str, str]:
    """Each secret as it could have been written -> what it is."""
    found = {}
    for secret, what in secrets.items():
        if len(secret) < _SHORTEST:
            continue
        encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
        for spelling in (secret, json.dumps(secret)[1:-1], quote(secret, safe=""), encoded):
            found[spelling] = what
    return found


def leaks(source: Source, needles: Mapping[str, str]) -> Iterator[str]:
    """Which secrets are written there: those that are known, and what has the form of a token or of a password's hash."""
    for spelling, what in needles.items():
        at = source.text.find(spelling)
        if at >= 0:
            yield f"{what} in {source.kind} {source.name}: …{source.text[max(0, at - _SHOWN) : at]!r}"
    if source.name == _HASHES_BELONG_TO:
        return
    if known := _WELL_KNOWN.search(source.text):
        at = known.start()
        yield f"a token or a hash in {source.kind} {source.name}: …{source.text[max(0, at - _SHOWN) : at + 12]!r}…"


def _log_files(target: Target) -> Iterator[Source]:
    for path in sorted(target.stack.logs_dir.rglob("*")):
        if path.is_file():
            yield Source("log file", path.name, path.read_text(encoding="utf-8", errors="replace"))


def _log_streams(target: Target) -> Iterator[Source]:
    client = client_of(target.stack, "logs")
    for group in client.get_paginator("describe_log_groups").paginate().search("logGroups[].logGroupName"):
        for stream in client.get_paginator("describe_log_streams").paginate(logGroupName=group).search("logStreams[].logStreamName"):
            yield Source("log stream", f"{group} {stream}", "\n".join(_messages(client, group, stream)))


def _messages(client: object, group: str, stream: str) -> Iterator[str]:
    token: dict[str, str] = {}
    while True:
        page = client.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, limit=10_000, **token)
        yield from (event["message"] for event in page["events"])
        if not page["events"] or page["nextForwardToken"] == token.get("nextToken"):
            return
        token = {"nextToken": page["nextForwardToken"]}


def _redis(target: Target) -> Iterator[Source]:
    with target.redis() as client:
        for key in client.scan_iter(count=1000):
            name = _text(key)
            yield Source("Redis key", name[:100], "\n".join([name, *map(_text, _values(client, key))]))


def _values(client: Redis, key: bytes) -> Iterable[bytes]:
    match client.type(key):
        case b"string":
            return [client.get(key) or b""]
        case b"hash":
            return [part for pair in client.hgetall(key).items() for part in pair]
        case b"list":
            return client.lrange(key, 0, -1)
        case b"set":
            return client.smembers(key)
        case b"zset":
            return client.zrange(key, 0, -1)
        case b"none":  # it has just expired
            return []
        case other:
            raise ValueError(f"Redis has a key of type {other!r}, which nobody reads here")


def _tables(target: Target) -> Iterator[Source]:
    with target.database() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME")
        for name in [row["name"] for row in cursor.fetchall()]:
            cursor.execute(f"SELECT * FROM `{name}`")
            yield Source("table", f"table {name}", "\n".join(str(value) for row in cursor.fetchall() for value in row.values()))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
