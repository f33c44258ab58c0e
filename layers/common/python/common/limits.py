"""How often somebody may do something that others could be harmed by: guess a password, find out who has an account.

Counted in Redis for all execution environments together; while Redis is away each environment counts for itself, so that a limit gets
wider by their number and never goes away.
"""

import hashlib
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from common.errors import TooManyError
from common.redis_client import call_script, try_redis

# A window begins with the first attempt in it and ends by itself.
_TAKE = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""
# What is given back to a window that has ended is nothing.
_GIVE_BACK = "if redis.call('EXISTS', KEYS[1]) == 1 then return redis.call('DECR', KEYS[1]) end return 0"
_REMEMBERED = 10_000

_own: OrderedDict[str, tuple[int, float]] = OrderedDict()
_counting = threading.Lock()


@dataclass(frozen=True)
class Limit:
    """So many attempts in so many seconds, for each subject by itself."""

    name: str
    attempts: int
    seconds: float

    def take(self, subject: str) -> None:
        """Count an attempt. Raises TooManyError, which says when to come back, for one too many."""
        key = self._key(subject)
        counted: Any = try_redis(lambda client: call_script(client, _TAKE, [key], [int(self.seconds * 1000)]), None)
        count, milliseconds = counted or _take_here(key, self.seconds)
        if count > self.attempts:
            raise TooManyError("too many attempts; try again later", retry_after=max(1.0, milliseconds / 1000))

    def give_back(self, subject: str) -> None:
        """Have an attempt not count after all: it was no guess."""
        key = self._key(subject)
        if try_redis(lambda client: call_script(client, _GIVE_BACK, [key], []), None) is None:
            _give_back_here(key)

    def _key(self, subject: str) -> str:
        # A digest: what Redis holds is nobody's name or address.
        return f"limit:{self.name}:{hashlib.sha256(subject.encode('utf-8', 'replace')).hexdigest()[:32]}"


def _take_here(key: str, seconds: float) -> tuple[int, float]:
    now = time.monotonic()
    with _counting:
        count, ends = _own.pop(key, (0, 0.0))
        if ends <= now:
            count, ends = 0, now + seconds
        _own[key] = (count + 1, ends)
        while len(_own) > _REMEMBERED:
            _own.popitem(last=False)
    return count + 1, (ends - now) * 1000


def _give_back_here(key: str) -> None:
    with _counting:
        if key in _own:
            count, ends = _own[key]
            _own[key] = (count - 1, ends)
