"""What invoking a consumer function with a batch of events can come to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from common.topology import Event


@dataclass(frozen=True)
class Answered:
    """The function did its work; `failures` are the reasons, by event_id, of the events it could not do."""

    failures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Unreachable:
    """No function has seen the events: Lambda is away or busy, or the function is missing or cannot start."""

    reason: str


@dataclass(frozen=True)
class Unavailable:
    """The function says that something it needs is away, such as the database."""

    reason: str


@dataclass(frozen=True)
class Broken:
    """The invocation ended without an answer: an exception, a crash, a time-out. The events may be why, or an accident."""

    reason: str


Outcome = Answered | Unreachable | Unavailable | Broken
Invoke = Callable[[Sequence[Event]], Outcome]
