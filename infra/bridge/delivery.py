"""What is delivered, and how delivering it went."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """An outbox row that a consumer has still to be told of, and how often telling it failed."""

    id: int
    event_id: str
    channel: str
    payload: str
    attempts: int = 0


@dataclass
class Round:
    """How telling a batch went: what to record, and whether to wait before the next one."""

    # Rows whose function answered, for itself and not by breaking.
    answered: list[Row] = field(default_factory=list)
    # Reasons by event_id: to be counted, and to be tried again later without counting.
    failures: dict[str, str] = field(default_factory=dict)
    deferred: dict[str, str] = field(default_factory=dict)
    outage: str | None = None
