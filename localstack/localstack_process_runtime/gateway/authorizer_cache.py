"""What authorizers answered, for as long as each authorizer's `authorizerResultTtlInSeconds` says."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localstack_process_runtime.policy import Decision

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """An authorizer's answer: its policy is evaluated anew for every method, so one answer serves many."""

    principal_id: str
    policy: Any
    context: dict[str, str]
    usage_key: str | None
    decisions: dict[str, Decision] = field(default_factory=dict, compare=False)
    """By method, what the policy was found to say."""


class GrantCache:
    """Bounded; the least recently used grant gives way."""

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._grants: OrderedDict[Key, tuple[float, Grant]] = OrderedDict()

    def get(self, key: Key) -> Grant | None:
        with self._lock:
            expires, grant = self._grants.get(key, (0.0, None))
            if grant is None:
                return None
            if expires < time.monotonic():
                del self._grants[key]
                return None
            self._grants.move_to_end(key)
            return grant

    def put(self, key: Key, grant: Grant, ttl_seconds: float) -> None:
        with self._lock:
            self._grants[key] = (time.monotonic() + ttl_seconds, grant)
            self._grants.move_to_end(key)
            while len(self._grants) > self._size:
                self._grants.popitem(last=False)
