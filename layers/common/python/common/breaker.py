"""Circuit breakers around calls that cross to another service: one per dependency, its state shared through Redis."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

import pybreaker

from common.errors import UnavailableError
from common.metrics import count, highest
from common.observability import logger
from common.redis_client import try_redis

FAILURES_TO_OPEN = 5
SECONDS_OPEN = 30
_PROBE_SECONDS = 10

Result = TypeVar("Result")


def breaker_key(dependency: str) -> str:
    """The hash in Redis that holds a dependency's breaker: `state`, `failures`, `opened_at`, and how often it has opened (`trips`)."""
    return f"breaker:{dependency}"


class DependencyUnavailableError(UnavailableError):
    """The dependency failed, or its breaker is open."""

    code = "dependency_unavailable"


class _SharedState(pybreaker.CircuitBreakerStorage):
    """A breaker's state in a Redis hash, as it was when it was looked at; this process's own for as long as Redis is away."""

    def __init__(self, dependency: str) -> None:
        super().__init__("shared")
        self._key = breaker_key(dependency)
        self._own: dict[str, str] = {}

    def look(self) -> None:
        """See what others made of it meanwhile: once per call, as pybreaker asks for its parts again and again."""
        held: Any = try_redis(lambda client: client.hgetall(self._key), None)
        if held is not None:
            self._own = dict(held)

    def _get(self, field: str, default: str) -> str:
        return self._own.get(field, default)

    def _set(self, field: str, value: str) -> None:
        self._own[field] = value
        try_redis(lambda client: client.hset(self._key, field, value), 0)

    def _increment(self, field: str) -> None:
        own = int(self._own.get(field, "0")) + 1
        self._own[field] = str(try_redis(lambda client: client.hincrby(self._key, field, 1), own))

    @property
    def state(self) -> str:
        return self._get("state", pybreaker.STATE_CLOSED)

    @state.setter
    def state(self, state: str) -> None:
        self._set("state", state)

    def increment_counter(self) -> None:
        self._increment("failures")

    def reset_counter(self) -> None:
        if self.counter:
            self._set("failures", "0")

    def increment_success_counter(self) -> None:
        self._increment("successes")

    def reset_success_counter(self) -> None:
        self._set("successes", "0")

    @property
    def counter(self) -> int:
        return int(self._get("failures", "0"))

    @property
    def success_counter(self) -> int:
        return int(self._get("successes", "0"))

    @property
    def opened_at(self) -> datetime | None:
        held = float(self._get("opened_at", "0"))
        # Later than its time could be over: a clock was set back since, and nobody knows when it was.
        return datetime.fromtimestamp(held, UTC) if 0 < held <= time.time() + SECONDS_OPEN else None

    @opened_at.setter
    def opened_at(self, moment: datetime) -> None:
        self._set("opened_at", str(moment.timestamp()))


class _LogChanges(pybreaker.CircuitBreakerListener):
    def state_change(self, cb: pybreaker.CircuitBreaker, old_state: object, new_state: pybreaker.CircuitBreakerState) -> None:  # noqa: ARG002
        logger.warning("breaker_changed", dependency=cb.name, state=new_state.name)
        if new_state.name == pybreaker.STATE_OPEN:
            count("BreakerTrips")
            highest("BreakerOpen", 1)
            try_redis(lambda client: client.hincrby(breaker_key(str(cb.name)), "trips", 1), 0)


class Breaker:
    """The breaker of one dependency, e.g. "supplier"."""

    def __init__(self, dependency: str) -> None:
        self.dependency = dependency
        self._shared = _SharedState(dependency)
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=FAILURES_TO_OPEN,
            reset_timeout=SECONDS_OPEN,
            state_storage=self._shared,
            listeners=[_LogChanges()],
            name=dependency,
            throw_new_error_on_trip=False,
        )

    def call(self, operation: Callable[[], Result]) -> Result:
        """The operation's result; every exception it raises counts as a failure.

        Raises DependencyUnavailableError, at once while the breaker is open. After that time one caller among all
        environments gets through to probe, and its success closes the breaker.
        """
        state = self.state()
        highest("BreakerOpen", int(state == pybreaker.STATE_OPEN))
        if state != pybreaker.STATE_CLOSED:
            remaining = self.seconds_until_probe()
            if remaining > 0:
                count("BreakerRefusals")
                raise self._unavailable(remaining)
            if not self._claim_probe():
                count("BreakerRefusals")
                raise self._unavailable(1)
        try:
            return self._breaker.call(operation)
        except pybreaker.CircuitBreakerError as error:
            raise self._unavailable(max(1, self.seconds_until_probe())) from error
        except Exception as error:
            logger.warning("dependency_failed", dependency=self.dependency, error=str(error))
            raise self._unavailable(max(1, self.seconds_until_probe())) from error

    def state(self) -> str:
        """closed, open or half-open, as all environments see it."""
        self._shared.look()
        return self._shared.state

    def seconds_until_probe(self) -> float:
        """How long the breaker stays open; 0 when it is not, or when its time is over."""
        opened_at = self._shared.opened_at
        if self._shared.state != pybreaker.STATE_OPEN or opened_at is None:
            return 0
        return max(0.0, opened_at.timestamp() + SECONDS_OPEN - time.time())

    def _claim_probe(self) -> bool:
        key = f"breaker:{self.dependency}:probe"
        return try_redis(lambda client: bool(client.set(key, "1", nx=True, ex=_PROBE_SECONDS)), otherwise=True)

    def _unavailable(self, retry_after: float) -> DependencyUnavailableError:
        return DependencyUnavailableError(f"{self.dependency} does not answer", retry_after=retry_after, dependency=self.dependency)


@cache
def get_breaker(dependency: str) -> Breaker:
    """The process's breaker for a dependency."""
    return Breaker(dependency)
