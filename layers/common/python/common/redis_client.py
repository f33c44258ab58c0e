"""Redis, which may be away at any time: nothing here raises because of it, and no request waits for it twice."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar

import pybreaker
import redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry

from common.config import Settings, get_settings
from common.observability import logger
from common.tracing import span, spans

Result = TypeVar("Result")
Command = Callable[[Any], object]
"""Adds a command to a pipeline, or gives it to a client."""


class _BySteadyClock(pybreaker.CircuitMemoryStorage):
    """The guard's state, its time counted by a clock that nobody sets: the guard would stay open for as long as one was set back."""

    _opened = 0.0

    @property
    def opened_at(self) -> datetime | None:
        return datetime.now(UTC) - timedelta(seconds=time.monotonic() - self._opened)

    @opened_at.setter
    def opened_at(self, _: datetime) -> None:
        self._opened = time.monotonic()


# In memory, since this is the breaker that guards the place where the others keep their state. Short, because
# finding out that Redis is back costs one refused connection.
_guard = pybreaker.CircuitBreaker(
    fail_max=1, reset_timeout=1, name="redis", throw_new_error_on_trip=False, state_storage=_BySteadyClock(pybreaker.STATE_CLOSED)
)
_failures = 0
_connections = 0


class _TracedRedis(redis.Redis):
    """A client whose every round trip is a part of what it is for. Keys and values are nobody's to know."""

    def execute_command(self, *arguments: Any, **options: Any) -> Any:
        with span(str(arguments[0]), "client", {"db.system.name": "redis"}):
            return super().execute_command(*arguments, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:
        return _TracedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class _TracedPipeline(Pipeline):
    def execute(self, raise_on_error: bool = True) -> list[Any]:
        commands = " ".join(str(arguments[0]) for arguments, _ in self.command_stack)
        with span("PIPELINE", "client", {"db.system.name": "redis", "db.query.text": commands}):
            return list(super().execute(raise_on_error))


def redis_address(settings: Settings | None = None) -> dict[str, Any]:
    """Where Redis is and how it knows us, as redis-py takes it. With TLS its certificate must be for its name."""
    settings = settings or get_settings()
    password = settings.redis_password
    return {
        "host": settings.redis_host,
        "port": settings.redis_port,
        "ssl": settings.redis_tls,
        "username": settings.redis_user,
        "password": password.get_secret_value() if password else None,
    }


@cache
def get_redis() -> "redis.Redis":
    """The process's client, made lazily; it fails fast, as every caller has something else to do."""
    client = _TracedRedis if spans else redis.Redis
    return client(
        **redis_address(),
        decode_responses=True,
        socket_connect_timeout=0.2,
        socket_timeout=0.25,
        health_check_interval=0,
        # A connection that Redis closed is tried again at once; one that hangs is not waited for twice.
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        redis_connect_func=_connected,  # type: ignore[arg-type]  # redis-py annotates it without the connection it passes
    )


def try_redis(operation: Callable[["redis.Redis"], Result], otherwise: Result, *, insist: bool = False) -> Result:
    """What `operation` gives, or `otherwise` while Redis is away.

    While the guard is open nothing is tried, so that requests do not wait for a time-out each. `insist` tries all the
    same: for invalidations, which must not be skipped in the second after Redis came back.
    """
    try:
        if insist and _guard.current_state == pybreaker.STATE_OPEN:
            return operation(get_redis())
        return _guard.call(operation, get_redis())
    except pybreaker.CircuitBreakerError:
        return otherwise
    except redis.RedisError as error:
        note_failure()
        logger.warning("redis_unavailable", error=str(error))
        return otherwise


def _connected(connection: redis.Connection) -> None:
    """A restart between two requests shows as a new connection and as nothing else."""
    global _connections  # noqa: PLW0603
    _connections += 1
    connection.on_connect()  # type: ignore[no-untyped-call]


def note_failure() -> None:
    """Remember that Redis was away, so that what was known of its content is checked again."""
    global _failures  # noqa: PLW0603
    _failures += 1


def failures() -> int:
    """How often Redis was found away by this process."""
    return _failures


def interruptions() -> int:
    """Changes whenever Redis may have lost what it held: after a failure, and with every new connection."""
    return _failures + _connections


def guard_state() -> str:
    """State of the breaker that guards Redis: closed, open or half-open."""
    return str(_guard.current_state)


def in_one_trip(commands: Iterable[Command], *, insist: bool = False) -> bool:
    """Have Redis do all of this in one round trip, one after the other. Returns whether it did."""

    def send(client: "redis.Redis") -> bool:
        pipeline = client.pipeline(transaction=False)
        for command in commands:
            command(pipeline)
        pipeline.execute()
        return True

    return try_redis(send, otherwise=False, insist=insist)


def call_script(client: "redis.Redis", script: str, keys: list[str], arguments: list[Any]) -> Any:
    """Evaluate a Lua script atomically; redis-py sends its hash and falls back to the text."""
    return client.register_script(script)(keys=keys, args=arguments)
