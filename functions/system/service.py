"""What an operator asks: who tells whom what, where an event is, what failed, how the cache does."""

import re
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from common import deliveries
from common.db import transaction
from common.deliveries import DeadLetter, payload_of, whereabouts
from common.errors import ConflictError, NotFoundError, UnavailableError
from common.events import TOPOLOGY
from common.paging import page_document
from common.redis_client import try_redis
from common.services import get_from
from system import repository
from system.health import PLURALS
from system.schemas import (
    CacheKind,
    CacheStatistics,
    ChannelOut,
    DeadLetterOut,
    DeadLetterQuery,
    EventOut,
    EventQuery,
    Topology,
    Trace,
)

_DEAL = re.compile(r"(?P<kind>order|procurement)-(?P<id>[1-9][0-9]{0,9})")
# What services keep in the cache, by the names of their `WarmUp`s.
_CACHED = ("supplier", "customer", "product", "procurement", "order")


def topology() -> dict[str, Any]:
    """Who tells whom what."""
    return Topology(services=list(PLURALS), channels=[ChannelOut.model_validate(channel) for channel in TOPOLOGY.values()]).document()


def list_events(query: EventQuery) -> dict[str, Any]:
    """A page of events, each with where it is."""
    with transaction() as session:
        page = repository.events(session, query)
        documents = [EventOut.model_validate(event).document() for event in whereabouts(session, page.rows)]
    return page_document("events", documents, page, query)


def trace(key: str) -> dict[str, Any]:
    """Everything that one request led to: the one of this trace id, of this event, or of e.g. `order-7`. Raises NotFoundError."""
    deal = _DEAL.fullmatch(key)
    made_at = _made_at(deal["kind"], deal["id"]) if deal else None
    with transaction() as session:
        if deal and made_at:
            rows = repository.events_of_deal(session, deal["kind"], int(deal["id"]), made_at)
        else:
            rows = deliveries.events_of(session, key)
        if rows:
            # An event is one step; the question is where its request's steps led.
            rows = deliveries.events_of(session, rows[0].trace_id)
        events = whereabouts(session, rows)
    if not events:
        raise NotFoundError(f"no event has the id or trace id {key}", code="trace_not_found")
    movements = _movements([event["event_id"] for event in events])
    traced = [event | {"movement": (movements or {}).get(event["event_id"])} for event in events]
    whole = {"trace_id": events[0]["trace_id"], "events": traced, "movements_known": movements is not None}
    return Trace.model_validate(whole).document()


def list_dead_letters(query: DeadLetterQuery) -> dict[str, Any]:
    """A page of dead letters."""
    with transaction() as session:
        page = repository.dead_letters(session, query)
    return page_document("dead_letters", [_document(letter) for letter in page.rows], page, query)


def replay_dead_letter(session: Session, letter_id: int) -> dict[str, Any]:
    """Have it told to its consumer again. Raises NotFoundError, or ConflictError if that was done before."""
    letter = repository.dead_letter(session, letter_id)
    if letter is None:
        raise NotFoundError(f"there is no dead letter {letter_id}", code="dead_letter_not_found")
    if not deliveries.replay(session, [letter_id]):
        raise ConflictError("it was replayed before", code="dead_letter_replayed")
    return _document(letter)


def cache_statistics() -> dict[str, Any]:
    """How the cache does, since Redis started."""
    info: dict[str, Any] = try_redis(lambda client: dict(client.info()), {})
    if not info:
        return CacheStatistics(available=False).document()
    loaded: list[Any] = try_redis(lambda client: list(client.mget([f"{kind}:warm" for kind in _CACHED])), [None] * len(_CACHED))
    looked_up = info["keyspace_hits"] + info["keyspace_misses"]
    return CacheStatistics(
        available=True,
        hits=info["keyspace_hits"],
        misses=info["keyspace_misses"],
        hit_rate=round(info["keyspace_hits"] / looked_up, 4) if looked_up else None,
        keys=info.get("db0", {}).get("keys", 0),
        memory_bytes=info["used_memory"],
        memory_limit_bytes=info["maxmemory"] or None,
        evicted_keys=info["evicted_keys"],
        uptime_seconds=info["uptime_in_seconds"],
        kinds=tuple(CacheKind(kind=kind, warm=count is not None, loaded=count) for kind, count in zip(_CACHED, loaded, strict=True)),
    ).document()


def _made_at(kind: str, deal_id: str) -> datetime | None:
    """When an order or procurement was made. Raises UnavailableError when its service cannot be asked."""
    if kind == "order":
        _, document = get_from("order", "/api/orders/{order_id}", path={"order_id": deal_id})
    else:
        _, document = get_from("procurement", "/api/procurements/{procurement_id}", path={"procurement_id": deal_id})
    return datetime.fromisoformat(document["timestamp"]) if "timestamp" in document else None


def _movements(event_ids: list[str]) -> dict[str, dict[str, Any]] | None:
    """The changes of stock that these events caused, by event; None while inventory cannot be asked."""
    try:
        _, page = get_from("inventory", "/api/inventory/movements", query={"event_ids": ",".join(event_ids), "limit": str(len(event_ids))})
    except UnavailableError:
        return None
    return {movement["event_id"]: movement for movement in page["movements"]}


def _document(letter: DeadLetter) -> dict[str, Any]:
    payload = payload_of(letter.payload)
    fields = {
        name: getattr(letter, name) for name in ("id", "consumer", "event_id", "channel", "reason", "attempts", "failed_at", "replayed_at")
    }
    return DeadLetterOut.model_validate({**fields, "event_type": payload.get("event_type", ""), "payload": payload}).document()
