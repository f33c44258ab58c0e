"""What is asked and told about the system as a whole."""

from typing import Annotated, Any, ClassVar, Literal

from common.fields import AboutPeople, AsciiText, Number, Shape, UtcMoment
from common.health import ConsumerHealth, ServiceHealth
from common.paging import ListQuery

# Customers and suppliers among it, as they were.
Told = Annotated[dict[str, Any], AboutPeople()]


class SystemHealth(Shape):
    """The health of every service and consumer; `degraded` when something limps, `down` when a service cannot work."""

    status: Literal["ok", "degraded", "down"]
    services: dict[str, ServiceHealth]
    consumers: dict[str, ConsumerHealth]


class ChannelOut(Shape):
    """A channel: who publishes which types of event on it, and who consumes them."""

    name: str
    publisher: str
    event_types: list[str]
    consumers: list[str]


class Topology(Shape):
    """Who tells whom what."""

    services: list[str]
    channels: list[ChannelOut]


class ToldTo(Shape):
    """What became of an event at one of its consumers."""

    consumer: str
    state: Literal["processed", "dead", "failing", "waiting"]
    at: UtcMoment | None
    attempts: int | None
    reason: str | None
    dead_letter_id: int | None


class EventOut(Shape):
    """An event as it was recorded, and where it is; `payload` is the flat event itself."""

    id: int
    event_id: str
    event_type: str
    channel: str
    trace_id: str
    occurred_at: UtcMoment
    delivered_at: UtcMoment | None
    payload: Told
    consumers: list[ToldTo]


class Movement(Shape):
    """The change of stock that an event caused, as inventory tells it."""

    id: int
    product_id: int
    delta: Number
    balance_after: Number
    reason: str
    event_id: str
    reference: str | None
    trace_id: str
    created_at: str


class TracedEvent(EventOut):
    """An event with the change of stock it caused, where it caused one."""

    movement: Movement | None


class Trace(Shape):
    """Everything that one request led to. `movements_known` is false while inventory cannot be asked."""

    trace_id: str
    events: list[TracedEvent]
    movements_known: bool


class DeadLetterOut(Shape):
    """An event that a consumer failed on again and again."""

    id: int
    consumer: str
    event_id: str
    event_type: str
    channel: str
    reason: str
    attempts: int
    failed_at: UtcMoment
    replayed_at: UtcMoment | None
    payload: Told


class CacheKind(Shape):
    """What one service keeps in the cache: whether it was loaded since Redis started, and how many entities that were."""

    kind: str
    warm: bool
    loaded: int | None


class CacheStatistics(Shape):
    """Redis in figures, since it started; all null while it is away. `hit_rate` is null before the first look-up."""

    available: bool
    hits: int | None = None
    misses: int | None = None
    hit_rate: float | None = None
    keys: int | None = None
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    evicted_keys: int | None = None
    uptime_seconds: int | None = None
    kinds: tuple[CacheKind, ...] = ()


class EventQuery(ListQuery):
    """What the events can be narrowed by; the newest come first."""

    sortable: ClassVar[tuple[str, ...]] = ("id",)

    sort: str = "-id"
    channel: AsciiText | None = None
    trace_id: AsciiText | None = None


class DeadLetterQuery(ListQuery):
    """What the dead letters can be narrowed by: those that wait, unless told otherwise. The newest come first."""

    sortable: ClassVar[tuple[str, ...]] = ("id",)

    sort: str = "-id"
    replayed: bool = False
    consumer: AsciiText | None = None
