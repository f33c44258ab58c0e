"""Whether a service can do its work, measured each time it is asked."""

import time
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import ConfigDict
from sqlalchemy import text

from common.breaker import FAILURES_TO_OPEN, get_breaker
from common.cache import WarmUp
from common.db import transaction
from common.errors import UnavailableError
from common.events import CONSUMERS
from common.fields import Shape
from common.liveness import consumer_states
from common.redis_client import guard_state, try_redis


class Probe(Shape):
    """Whether something could be reached just now, and how quickly."""

    ok: bool
    milliseconds: float | None = None
    error: str | None = None


class CacheHealth(Shape):
    """Whether the cache has been loaded since Redis started."""

    warm: bool


class Lag(Shape):
    """How far a consumer is behind: events it has not had, and seconds since the oldest of them."""

    events: int
    seconds: float


class ConsumerHealth(Shape):
    """A consumer: as the bridge last reported it, and as far behind as the tables say."""

    model_config = ConfigDict(extra="allow")

    state: str
    pid: int | None = None
    restarts: int | None = None
    since: str | None = None
    reason: str | None = None
    outage: str | None = None
    last_error: str | None = None
    delivered: int | None = None
    failed: int | None = None
    dead_lettered: int | None = None
    batches: int | None = None
    reported_seconds_ago: float | None = None
    lag: Lag | None = None
    dead_letters: int | None = None
    error: str | None = None


class ServiceHealth(Shape):
    """A service's health; one that cannot be asked has a status and an `error` only."""

    service: str
    status: Literal["ok", "degraded", "down"]
    database: Probe | None = None
    redis: Probe | None = None
    breakers: dict[str, str] | None = None
    breaker_opens_after: int | None = None
    cache: CacheHealth | None = None
    consumer: ConsumerHealth | None = None
    error: str | None = None


def service_health(service: str, *, dependencies: Iterable[str] = (), warm_up: WarmUp | None = None) -> tuple[int, dict[str, Any]]:
    """HTTP status and document of a service's health.

    `down` (503) without the database, `degraded` (200) without Redis, with a breaker that is not closed, or with a
    consumer that is not running; `ok` otherwise.
    """
    database, redis = _database(), _redis()
    breakers = {name: get_breaker(name).state() for name in dependencies}
    document: dict[str, Any] = {
        "service": service,
        "database": database,
        "redis": redis,
        "breakers": {**breakers, "redis": guard_state()},
        "cache": {"warm": warm_up.is_warm()} if warm_up else None,
        "breaker_opens_after": FAILURES_TO_OPEN,
    }
    consumer_ok = True
    if service in CONSUMERS and database["ok"]:
        document["consumer"] = consumer_states([service])[service]
        consumer_ok = document["consumer"]["state"] == "running"
    degraded = not redis["ok"] or not consumer_ok or any(state != "closed" for state in breakers.values())
    document["status"] = "down" if not database["ok"] else "degraded" if degraded else "ok"
    return (200 if database["ok"] else 503), document


def _database() -> dict[str, Any]:
    began = time.perf_counter()
    try:
        with transaction() as session:
            session.execute(text("SELECT 1"))
    except UnavailableError as error:
        return {"ok": False, "error": error.detail}
    return {"ok": True, "milliseconds": round((time.perf_counter() - began) * 1000, 2)}


def _redis() -> dict[str, Any]:
    began = time.perf_counter()
    if not try_redis(lambda client: bool(client.ping()), otherwise=False):
        return {"ok": False, "error": "Redis cannot be reached"}
    return {"ok": True, "milliseconds": round((time.perf_counter() - began) * 1000, 2)}
