"""See tests/unit/offline.py."""

from tests.unit.offline import offline, redis, redis_server, secrets

__all__ = ["offline", "redis", "redis_server", "secrets"]
