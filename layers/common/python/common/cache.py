"""Cache-aside in Redis: entities that no slow reader can turn back, lists that one write makes void.

An entity is kept as `<version>:<json>`, and is only ever replaced by a version that is not older. A deleted one leaves a
tombstone, a version without JSON. A list is kept under a token that every write changes, so whoever was still reading the
old rows files them where nobody looks any more. While a write is being committed, what it changes is in doubt: nobody takes it
from the cache or puts it there, until the writer says how it ended, or has not lived to say so.
"""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from redis import Redis
from sqlalchemy import BigInteger, String, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from common.db import Base, UtcDateTime, before_commit, utc_now
from common.errors import UnavailableError
from common.metrics import count
from common.observability import logger
from common.redis_client import call_script, failures, guard_state, in_one_trip, interruptions, try_redis
from common.telling import tell

ENTITY_SECONDS = 24 * 3600
TRANSACTION_SECONDS = 3600
# Longer than loading takes; whoever dies at it keeps the others from loading for so long.
_LOADING_SECONDS = 10
# So long a request waits for another's loading. Without, the cache fills as it is asked.
_PATIENCE_SECONDS = 2
_IN_DOUBT = "?"
# Longer than a commit takes.
_DOUBT_SECONDS = 30
WARM_ENTITIES = 5000
WARM_TRANSACTIONS = 1000

# Versions are compared as numbers; equal ones may be replaced, since they say the same.
_PUT_IF_NOT_OLDER = """
for i, key in ipairs(KEYS) do
  local version, value = ARGV[2 * i], ARGV[2 * i + 1]
  local held = redis.call('GET', key)
  if not held or tonumber(string.match(held, '^%d+')) <= tonumber(version) then
    redis.call('SET', key, version .. ':' .. value, 'EX', ARGV[1])
  end
end
"""

# A list is looked up under the token that is kept, or under none while any writer is in doubt.
_LOOK_UP_LISTS = """
local latest = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
if latest and tonumber(latest) > tonumber(redis.call('TIME')[1]) then
  return false
end
local held = redis.call('GET', KEYS[1])
if held then
  return held
end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
"""

# Each writer's doubt is its own, as one may end while another's commit is still to come. What was filed before is void at once.
_DOUBT_LISTS = """
redis.call('ZADD', KEYS[2], redis.call('TIME')[1] + ARGV[3], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[3] + 1)
redis.call('SET', KEYS[1], ARGV[1])
"""

Json = dict[str, Any]
# An entity's id, its version, and what is kept of it.
_Entry = tuple[int, int, str]


class CacheDoubt(Base):
    """What a write changed while Redis was away, and with it may hold what was before: the bridge tells it once it is back."""

    __tablename__ = "cache_doubts"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    entity_id: Mapped[int]
    version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Gone:
    """What the cache says of an entity that was deleted."""


GONE = Gone()


def lists_key(kind: str) -> str:
    """Where the token is kept under which lists of this kind are filed."""
    return f"{kind}:lists"


def _doubts_key(kind: str) -> str:
    """Where the writers are kept whose commits the lists may lack."""
    return f"{kind}:lists:doubts"


@dataclass(frozen=True)
class EntityCache:
    """The cached entities of one kind ("product"), and the lists they appear in."""

    kind: str
    seconds: int = ENTITY_SECONDS

    def key(self, entity_id: int) -> str:
        """Where an entity is kept."""
        return f"{self.kind}:{entity_id}"

    def get(self, entity_id: int) -> Json | Gone | None:
        """The entity, GONE if it was deleted, None if the cache does not know."""
        return self.get_many([entity_id]).get(entity_id)

    def get_many(self, entity_ids: Iterable[int]) -> dict[int, Json | Gone]:
        """Those of the entities that the cache knows, in one round trip."""
        ids = list(dict.fromkeys(entity_ids))
        return {i: held for i, held in zip(ids, look_up([(self, i) for i in ids]), strict=True) if held is not None}

    def put(self, entities: Iterable[Mapping[str, Any]], *, insist: bool = False) -> None:
        """Keep entities (each with `id` and `version`) unless newer ones are held. Writers insist, readers do not."""
        self._put(self._entries(entities), insist=insist)

    def bury(self, entity_id: int, version: int) -> None:
        """Say that the entity is deleted, as of `version`."""
        self._put([(entity_id, version, "")], insist=True)

    def follow(self, session: Session, entities: Sequence[Mapping[str, Any]]) -> None:
        """Have entities that the session changes, and the lists they appear in, follow its commit."""
        if entities:
            self._follow(session, [(e["id"], e["version"]) for e in entities], lambda: self._entries(entities))

    def follow_deletion(self, session: Session, entity_id: int, version: int) -> None:
        """The same of an entity that the session deletes, as of `version`."""
        self._follow(session, [(entity_id, version)], lambda: [(entity_id, version, "")])

    def _follow(self, session: Session, changed: Sequence[tuple[int, int]], entries: Callable[[], list[_Entry]]) -> None:
        """Between commit and telling the process may die: what is in doubt since before the commit is then asked of the database.

        Where Redis cannot be told so, the doubt is a part of the commit, for the bridge to tell.
        """
        writer = uuid.uuid4().hex

        def doubt() -> None:
            if not self.doubt(changed, by=writer):
                now = utc_now()
                rows = [{"kind": self.kind, "entity_id": i, "version": version, "created_at": now} for i, version in changed]
                session.execute(insert(CacheDoubt), rows)

        before_commit(session, doubt)
        tell(session, lambda redis: self._put_by(redis, entries(), self.seconds), insist=True)
        tell(session, self._void_lists_by, insist=True)
        tell(session, lambda redis: redis.zrem(_doubts_key(self.kind), writer), insist=True)

    def doubt(self, changed: Sequence[tuple[int, int]], *, by: str, insist: bool = False) -> bool:
        """Have entities (id, version) and lists asked of the database for a while, or, as for lists, until the writer `by` ends it.

        False when Redis could not be told.
        """
        # Under the version that is about to be, so that no reader puts the former one back.
        entries = [(entity_id, version, _IN_DOUBT) for entity_id, version in changed]
        return in_one_trip(
            [
                lambda redis: self._put_by(redis, entries, _DOUBT_SECONDS),
                lambda redis: redis.eval(_DOUBT_LISTS, 2, *self._lists_keys(), uuid.uuid4().hex, by, _DOUBT_SECONDS),
            ],
            insist=insist,
        )

    def void_lists(self) -> None:
        """Make every cached list of this kind void."""
        try_redis(self._void_lists_by, None, insist=True)

    def _put(self, entries: list[_Entry], *, insist: bool) -> None:
        if entries:
            try_redis(lambda redis: self._put_by(redis, entries, self.seconds), None, insist=insist)

    def _entries(self, entities: Iterable[Mapping[str, Any]]) -> list[_Entry]:
        return [(e["id"], e["version"], json.dumps(e, separators=(",", ":"))) for e in entities]

    def _put_by(self, redis: Redis, entries: list[_Entry], seconds: int) -> None:
        keys = [self.key(entity_id) for entity_id, _, _ in entries]
        redis.eval(_PUT_IF_NOT_OLDER, len(keys), *keys, seconds, *(part for _, version, value in entries for part in (version, value)))

    def _void_lists_by(self, redis: Redis) -> None:
        redis.set(lists_key(self.kind), uuid.uuid4().hex)

    def _lists_keys(self) -> list[str]:
        return [lists_key(self.kind), _doubts_key(self.kind)]

    def listed(self, query: Mapping[str, Any], load: Callable[[], Json]) -> Json:
        """The list that answers `query`, from the cache or from `load`."""
        token: Any = try_redis(lambda client: call_script(client, _LOOK_UP_LISTS, self._lists_keys(), [uuid.uuid4().hex]), None)
        if token is None:
            return load()
        digest = hashlib.sha256(json.dumps(query, sort_keys=True, default=str).encode()).hexdigest()[:32]
        key = f"{self.kind}:list:{token}:{digest}"
        held = try_redis(lambda client: client.get(key), None)
        _count(found=held is not None)
        if held is not None:
            return dict(json.loads(held))
        answer = load()
        text = json.dumps(answer, separators=(",", ":"))
        try_redis(lambda client: client.set(key, text, ex=TRANSACTION_SECONDS), None)
        return answer


def look_up(wanted: Sequence[tuple[EntityCache, int]]) -> list[Json | Gone | None]:
    """Entities of any kinds, as `EntityCache.get` gives them, in one round trip."""
    if not wanted:
        return []
    keys = [cache.key(entity_id) for cache, entity_id in wanted]
    held: list[Any] = try_redis(lambda client: list(client.mget(keys)), [None] * len(keys))
    found = [_decode(value) for value in held]
    for each in found:
        _count(found=each is not None)
    return found


def _count(*, found: bool) -> None:
    count("CacheHits" if found else "CacheMisses")


def _decode(held: str | None) -> Json | Gone | None:
    if held is None or held.endswith(f":{_IN_DOUBT}"):
        return None
    _, _, value = held.partition(":")
    return dict(json.loads(value)) if value else GONE


@dataclass
class WarmUp:
    """Loads a service's cache before its first answer; one execution environment loads, the others wait a while for it."""

    kind: str
    load: Callable[[], int]
    _known_at: int = -1

    def ensure(self) -> None:
        """Return once the cache is warm, or whoever loads it has taken its time, or at once when Redis or the database is away.

        Asks Redis again only after it may have restarted.
        """
        if self._known_at == interruptions():
            return
        warm, known_at, failed_before = self.is_warm(), interruptions(), failures()
        if guard_state() == "open":
            return
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not warm and failures() == failed_before and time.monotonic() < deadline:
            if try_redis(lambda client: bool(client.set(f"{self.kind}:warming", "1", nx=True, ex=_LOADING_SECONDS)), otherwise=False):
                try:
                    self._warm_up()
                except UnavailableError as error:
                    # The request itself finds out whether it needs the database; a health check must be able to say so.
                    logger.warning("cache_not_warmed", kind=self.kind, error=error.detail)
                    return
                break
            time.sleep(0.01)
            warm = self.is_warm()
        self._known_at = known_at

    def is_warm(self) -> bool:
        """Whether some environment has loaded the cache since Redis started."""
        return bool(try_redis(lambda client: client.exists(f"{self.kind}:warm"), 0))

    def _warm_up(self) -> None:
        began = time.perf_counter()
        try:
            count = self.load()

            def say_so(client: Redis) -> None:
                client.set(f"{self.kind}:warm", count)

            try_redis(say_so, None)
            logger.info("cache_warmed", kind=self.kind, entities=count, seconds=round(time.perf_counter() - began, 3))
        finally:
            try_redis(lambda client: client.delete(f"{self.kind}:warming"), 0)
