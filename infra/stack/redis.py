"""Redis as a cache and a wake-up: nothing on disk, so that it comes back empty and never stale."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from infra.stack.ports import LOOPBACK
from infra.stack.server import Server

if TYPE_CHECKING:
    from infra.stack.instance import Stack


def redis(stack: Stack) -> Server:
    home = stack.run_dir / "redis"
    port = stack.ports.redis
    return Server(
        name="redis",
        command=(
            "redis-server",
            *("--port", str(port)),
            *("--bind", LOOPBACK),
            *("--dir", str(home)),
            *("--save", ""),
            *("--appendonly", "no"),
            *("--daemonize", "no"),
            # Its title would overwrite the environment that marks the process as ours.
            *("--set-proc-title", "no"),
            *("--maxmemory", "256mb"),
            *("--maxmemory-policy", "allkeys-lru"),
        ),
        environment={"PATH": os.environ.get("PATH", os.defpath)},
        directory=home,
        ports={"Redis": port},
        healthy=lambda: _answers(port),
        start_timeout=15,
        stop_timeout=10,
    )


def _answers(port: int) -> bool:
    try:
        with Redis(LOOPBACK, port, socket_connect_timeout=1, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
            return bool(client.ping())
    except RedisError:
        return False
