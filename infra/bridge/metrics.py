"""What Prometheus reads of the bridge, and of what only the bridge sees whole: events on their way, Redis, MariaDB, breakers, alerts.

All of it is looked at when it is asked for. What cannot be reached is left out, and `up_of` says so: a gap rather than a zero that is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import text

from common.breaker import breaker_key
from common.db import transaction
from common.errors import UnavailableError
from common.liveness import consumer_states
from common.redis_client import try_redis
from common.topology import CONSUMERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import redis
    from prometheus_client.core import Metric
    from sqlalchemy.orm import Session

STATES = ("starting", "running", "restarting", "given_up", "stopped", "absent", "unknown")
# Whatever is asked by way of a breaker: see common.services.
DEPENDENCIES = ("supplier", "customer", "product", "inventory")

_UNDELIVERED = text("SELECT COUNT(*) FROM outbox WHERE delivered_at IS NULL")
_ALERTS = text("SELECT COUNT(*) FROM stock_alerts WHERE kind = 'low_stock' AND cleared_at IS NULL")
_CONNECTIONS = text("SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'Threads_running')")
_CONNECTION_LIMIT = text("SELECT @@max_connections")

_OF_A_CONSUMER = (
    ("delivered", "Events its function has done, as marked by the bridge."),
    ("failed", "Deliveries that failed and are tried again or become dead letters."),
    ("dead_lettered", "Events given up after their last try."),
    ("batches", "Invocations of its function."),
    ("restarts", "Times its process was started again."),
)
_OF_REDIS: tuple[tuple[type[GaugeMetricFamily | CounterMetricFamily], str, str, str], ...] = (
    (GaugeMetricFamily, "redis_memory_bytes", "used_memory", "What it holds."),
    (GaugeMetricFamily, "redis_memory_limit_bytes", "maxmemory", "What it may hold, 0 for no limit."),
    (CounterMetricFamily, "redis_evicted_keys", "evicted_keys", "Keys it dropped for want of memory."),
    (CounterMetricFamily, "redis_keyspace_hits", "keyspace_hits", "Reads of keys that were there: the caches' hits."),
    (CounterMetricFamily, "redis_keyspace_misses", "keyspace_misses", "Reads of keys that were not there: the caches' misses."),
)


class BridgeCollector(Collector):
    """Looks at it all anew for each scrape."""

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("up_of", "Whether what the metrics are taken from could be asked.", labels=("server",))
        redis = _redis()
        up.add_metric(("redis",), float(redis is not None))
        yield from redis or ()
        database = _database()
        up.add_metric(("mariadb",), float(database is not None))
        yield from database or ()
        yield up


def exposition() -> bytes:
    """Everything, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(BridgeCollector())
    return generate_latest(registry)


def _redis() -> list[Metric] | None:
    keys = {dependency: breaker_key(dependency) for dependency in DEPENDENCIES}

    def look(client: redis.Redis) -> tuple[Mapping[str, Any], dict[str, Mapping[Any, Any]]]:
        return client.info(), {dependency: client.hgetall(key) for dependency, key in keys.items()}

    looked = try_redis(look, None)
    if looked is None:
        return None
    info, breakers = looked
    found: list[Metric] = []
    for kind, name, field, words in _OF_REDIS:
        found.append(kind(name, words, value=float(info[field])))
    is_open = GaugeMetricFamily("breaker_open", "1 while nobody asks this dependency, 0.5 while one may try.", labels=("dependency",))
    trips = CounterMetricFamily("breaker_trips", "Times the breaker opened.", labels=("dependency",))
    for dependency, held in breakers.items():
        is_open.add_metric((dependency,), {"open": 1.0, "half-open": 0.5}.get(held.get("state", ""), 0.0))
        trips.add_metric((dependency,), float(held.get("trips", 0)))
    return [*found, is_open, trips]


def _database() -> list[Metric] | None:
    try:
        with transaction() as session:
            found = _of_the_database(session)
        return [*found, *_consumers(consumer_states(CONSUMERS))]
    except UnavailableError:
        return None


def _of_the_database(session: Session) -> list[Metric]:
    connections = {name: float(value) for name, value in session.execute(_CONNECTIONS)}
    return [
        GaugeMetricFamily("outbox_undelivered", "Events that not all of their consumers have had.", value=session.scalar(_UNDELIVERED)),
        GaugeMetricFamily("stock_alerts_active", "Products that are low in stock.", value=session.scalar(_ALERTS)),
        GaugeMetricFamily("mariadb_connections", "Open connections.", value=connections["Threads_connected"]),
        GaugeMetricFamily("mariadb_connections_busy", "Connections that do something.", value=connections["Threads_running"]),
        GaugeMetricFamily("mariadb_connections_limit", "Connections there may be.", value=session.scalar(_CONNECTION_LIMIT)),
    ]


def _consumers(states: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    state = GaugeMetricFamily("bridge_consumer_state", "1 for the state its process is in.", labels=("consumer", "state"))
    for consumer, told in states.items():
        for name in STATES:
            state.add_metric((consumer, name), float(told["state"] == name))
    yield state
    for name, words in _OF_A_CONSUMER:
        counter = CounterMetricFamily(f"bridge_{name}", words, labels=("consumer",))
        for consumer, told in states.items():
            if name in told:  # not while the bridge is absent
                counter.add_metric((consumer,), told[name])
        yield counter
    lag = GaugeMetricFamily("bridge_lag_events", "Events it has yet to have.", labels=("consumer",))
    seconds = GaugeMetricFamily("bridge_lag_seconds", "Age of the oldest of them.", labels=("consumer",))
    dead = GaugeMetricFamily("dead_letters", "Its dead letters that nobody has had replayed.", labels=("consumer",))
    for consumer, told in states.items():
        lag.add_metric((consumer,), told["lag"]["events"])
        seconds.add_metric((consumer,), told["lag"]["seconds"])
        dead.add_metric((consumer,), told["dead_letters"])
    yield from (lag, seconds, dead)
