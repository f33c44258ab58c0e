"""Redis tells that there may be something to deliver; what there is, only the outbox says.

A message's content is never looked at, so that a forged, truncated, foreign or oversized one can do no more than cause
a look at the outbox.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from common.observability import logger
from common.redis_client import redis_address

_PING_SECONDS = 5.0
_SILENCE_SECONDS = 12.0
_SHORTEST_DELAY, _LONGEST_DELAY = 0.1, 2.0


class Wakeups(threading.Thread):
    """Listens to channels in a thread of its own and calls `wake` on each message and each time it is connected anew."""

    def __init__(self, channels: Sequence[str], wake: Callable[[], None]) -> None:
        super().__init__(name="wakeups", daemon=True)
        self._channels = channels
        self._wake = wake
        self.connected = False
        self._ever_told: bool | None = None

    def run(self) -> None:
        """Listen for as long as the process lives."""
        delay = _SHORTEST_DELAY
        while True:
            try:
                self._listen()
            except (redis.RedisError, OSError, ValueError) as error:
                # ValueError: what came is not the Redis protocol, as with a connection cut in the middle of a message.
                delay = _SHORTEST_DELAY if self.connected else min(delay * 2, _LONGEST_DELAY)
                self._tell(connected=False, error=str(error))
                time.sleep(delay * random.uniform(0.8, 1.2))  # noqa: S311  # jitter, not a secret

    def _listen(self) -> None:
        client = redis.Redis(
            **redis_address(),
            socket_connect_timeout=1,
            socket_timeout=5,
            retry=Retry(NoBackoff(), 0),
        )
        with client, client.pubsub(ignore_subscribe_messages=False) as subscription:  # type: ignore[no-untyped-call]
            subscription.subscribe(*self._channels)
            heard = pinged = time.monotonic()
            while True:
                # The answers to the subscription come this way too: from then on no message is missed, so look at once.
                message = subscription.get_message(timeout=1.0)
                now = time.monotonic()
                if message is not None:
                    heard = now
                    if message["type"] in {"message", "subscribe"}:
                        self._tell(connected=True)
                        self._wake()
                    continue
                # A connection whose other end is gone without saying so is silent, as one is on which nothing happens.
                if now - heard > _SILENCE_SECONDS:
                    raise redis.ConnectionError("Redis does not answer")
                if now - pinged > _PING_SECONDS:
                    subscription.ping()
                    pinged = now

    def _tell(self, *, connected: bool, error: str = "") -> None:
        """Log a change once, not each attempt."""
        self.connected = connected
        if connected is self._ever_told:
            return
        self._ever_told = connected
        if connected:
            logger.info("redis_connected", channels=list(self._channels))
        else:
            logger.warning("redis_away", error=error)
            # Whoever waits for a message must not wait for one any longer.
            self._wake()
