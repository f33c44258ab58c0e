"""How the consumers are: what the bridge's supervisor last said of them, and how far behind they are by the tables."""

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import bindparam, text

from common.db import transaction, utc_now
from common.events import channels_of
from common.redis_client import try_redis

# A hash in Redis, one field per consumer; the supervisor writes it every second.
STATES_KEY = "bridge:consumers"
STALE_AFTER_SECONDS = 5

_LAG = text(
    """
    SELECT COUNT(*) AS events, MIN(o.created_at) AS oldest
    FROM outbox o
    LEFT JOIN processed_events p ON p.consumer = :consumer AND p.event_id = o.event_id
    LEFT JOIN dead_letters d ON d.consumer = :consumer AND d.event_id = o.event_id AND d.replayed_at IS NULL
    WHERE o.delivered_at IS NULL AND o.channel IN :channels AND p.event_id IS NULL AND d.event_id IS NULL
    """
).bindparams(bindparam("channels", expanding=True))
_DEAD = text("SELECT COUNT(*) FROM dead_letters WHERE consumer = :consumer AND replayed_at IS NULL")


def write_states(states: Mapping[str, Mapping[str, Any]]) -> None:
    """Publish the supervisor's view: per consumer `state` (running, restarting, given_up, stopped), `pid`, `restarts`, `reason`."""
    at = time.time()
    document: dict[Any, Any] = {consumer: json.dumps({**state, "at": at}) for consumer, state in states.items()}
    try_redis(lambda client: client.hset(STATES_KEY, mapping=document), 0)


def consumer_states(consumers: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Per consumer its state, pid and restarts as last reported, its lag (events, and seconds since the oldest), its dead letters.

    `unknown` when Redis cannot be asked, `absent` when the bridge has not reported for five seconds.
    Raises UnavailableError without the database.
    """
    reported: Any = try_redis(lambda client: client.hgetall(STATES_KEY), None)
    return {consumer: _reported(reported, consumer) | _measured(consumer) for consumer in consumers}


def _reported(reported: Mapping[str, str] | None, consumer: str) -> dict[str, Any]:
    if reported is None:
        return {"state": "unknown"}
    if consumer not in reported:
        return {"state": "absent"}
    state = json.loads(reported[consumer])
    age = time.time() - state.pop("at")
    if age > STALE_AFTER_SECONDS:
        state["state"] = "absent"
    return {**state, "reported_seconds_ago": round(age, 1)}


def _measured(consumer: str) -> dict[str, Any]:
    with transaction() as session:
        events, oldest = session.execute(_LAG, {"consumer": consumer, "channels": channels_of(consumer)}).one()
        dead = session.scalar(_DEAD, {"consumer": consumer})
    seconds = (utc_now().replace(tzinfo=None) - oldest).total_seconds() if oldest else 0.0
    return {"lag": {"events": events, "seconds": round(max(0.0, seconds), 3)}, "dead_letters": dead}
