"""From an order to its stock, and a heap of stock events: gateway, outbox, bridge, consumer functions and ledger, all together."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import redis

from common.config import Settings
from common.db import utc_now
from common.events import new_event_id
from common.liveness import STATES_KEY
from infra.bridge.database import connect
from infra.seed.bulk import BulkWriter
from infra.stack import Ports, Stack, launcher
from tests.e2e.client import Clerk, eventually
from tests.soak.processes import cpu_seconds, cpu_spent, resident

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pymysql.cursors import DictCursor

    from infra.bridge.database import Database

PRODUCTS = 100
PACES = (10, 50, 100)
STREAMS = (10, 100, 1000)
_SLICE_SECONDS = 0.02
"""A stream's events are written this often, all that are due in one transaction."""
BACKLOG = 100_000
_STOCK = 1_000_000
# Enough that one slow answer keeps nobody from sending in time.
_CONNECTIONS = 16
_COLUMNS = {
    "orders": (
        *("id", "customer_id", "product_id", "quantity", "unit_price", "total_cost", "timestamp"),
        *("customer_name", "product_code", "product_name", "status", "version"),
    ),
    "outbox": ("event_id", "channel", "payload", "trace_id", "created_at"),
}


@dataclass(frozen=True)
class Pace:
    """Orders that come at their own pace, whether or not others are answered; milliseconds from sending one."""

    per_second: int
    orders: int
    errors: int
    answered_p50: float
    answered_p99: float
    """Until the order was taken."""
    applied_p50: float
    applied_p99: float
    """Until its stock had moved, for everybody to see."""


@dataclass(frozen=True)
class Stream:
    """Stock events that are written at their own pace, half of them procurements, half orders; milliseconds from when each is due."""

    per_second: int
    events: int
    delivered_p50: float
    """Until its effect was committed and the bridge knew it."""
    delivered_p99: float
    seconds_behind: float
    """From the last one's turn until there was none left to deliver."""


@dataclass(frozen=True)
class Backlog:
    """Stock events that had come together while nobody delivered, half of them procurements, half orders."""

    events: int
    seconds: float
    per_second: float
    """Stock events applied per second, while the decisions on the orders were consumed beside them."""
    decided_seconds: float
    """Until the last order was confirmed."""
    cpu_ms_per_event: float
    """Of all processes together, with what the decisions cost."""
    cpu_ms_by_role: dict[str, float] = field(default_factory=dict)
    memory_mb: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Of who delivers and who consumes: when a quarter was done, and at the end."""


@dataclass(frozen=True)
class Figures:
    """All that was measured."""

    paces: list[Pace]
    streams: list[Stream]
    backlogs: list[Backlog]


def measure(
    directory: Path, *, rounds: int = 3, seconds: float = 10, backlog: int = BACKLOG, say: Callable[[str], None] = lambda _: None
) -> Figures:
    """Start the whole system in `directory` and measure; of paces and streams the medians, a backlog is drained once for each round."""
    stack = Stack(directory, Ports.free())
    say("starting the system")
    try:
        launcher.up(stack)
        trade = Trade.of(stack)
        paces: dict[int, list[Pace]] = {pace: [] for pace in PACES}
        streams: dict[int, list[Stream]] = {pace: [] for pace in STREAMS}
        with Listener(stack.ports.redis) as listener:
            _at_pace(trade, listener, PACES[0], 3)
            for number in range(1, rounds + 1):
                for pace in PACES:
                    say(f"round {number} of {rounds}: {pace} orders/s")
                    paces[pace].append(_at_pace(trade, listener, pace, seconds))
        for number in range(1, rounds + 1):
            for pace in STREAMS:
                say(f"round {number} of {rounds}: {pace} stock events/s")
                streams[pace].append(stream(trade, pace, seconds))
        backlogs = []
        for number in range(1, rounds + 1):
            say(f"round {number} of {rounds}: a backlog of {backlog:,} events")
            backlogs.append(drain(trade, backlog))
        return Figures([_median(taken) for taken in paces.values()], [_median_stream(taken) for taken in streams.values()], backlogs)
    finally:
        launcher.down(stack)


@dataclass
class Trade:
    """A company that has enough of everything."""

    stack: Stack
    clerk: Clerk
    customer: dict[str, Any]
    products: list[dict[str, Any]]

    @classmethod
    def of(cls, stack: Stack) -> Self:
        """Set one up through the gateway."""
        clerk = Clerk(stack.gateway_url)
        supplier = clerk.supplier()
        products = [clerk.product(supplier_id=supplier["id"]) for _ in range(PRODUCTS)]
        for product in products:
            clerk.procure(product, _STOCK)
        for product in products:
            eventually(lambda product=product: clerk.stock(product) == _STOCK, seconds=60, what="the opening stock")
        return cls(stack, clerk, clerk.customer(), products)


def settings_of(stack: Stack) -> Settings:
    """How its database is reached."""
    return Settings.model_validate({name.lower(): value for name, value in stack.addresses().items()})


class Listener:
    """Hears when inventory has decided about an order: it tells so as soon as the stock's movement is committed."""

    def __init__(self, port: int) -> None:
        self._client = redis.Redis(port=port, decode_responses=True)
        self.heard: dict[int, float] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._subscription = self._client.pubsub(ignore_subscribe_messages=True)
        self._subscription.subscribe("order_status")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self._client.close()

    def _listen(self) -> None:
        while not self._ending.is_set():
            message = self._subscription.get_message(timeout=0.2)
            if message is not None:
                now = time.perf_counter()
                self.heard[json.loads(message["data"])["order_id"]] = now


class _Sender(threading.Thread):
    """Sends every n-th order in its time, over a connection of its own."""

    def __init__(self, trade: Trade, due: Sequence[tuple[int, float]]) -> None:
        super().__init__(daemon=True)
        self._trade, self._due = trade, due
        self.sent: dict[int, tuple[float, float]] = {}
        """By order: when it was due, and when it was answered."""
        self.errors = 0

    def run(self) -> None:
        trade = self._trade
        address = urlsplit(trade.stack.gateway_url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        headers = {"Authorization": f"Bearer {trade.clerk.token}", "Content-Type": "application/json"}
        for number, due in self._due:
            time.sleep(max(0.0, due - time.perf_counter()))
            product = trade.products[number % len(trade.products)]
            body = json.dumps({"customer_id": trade.customer["id"], "product_id": product["id"], "quantity": 1}).encode()
            connection.request("POST", "/api/orders", body, headers)
            answer = connection.getresponse()
            document = answer.read()
            if answer.status == 201:
                self.sent[json.loads(document)["id"]] = (due, time.perf_counter())
            else:
                self.errors += 1
        connection.close()


def _at_pace(trade: Trade, listener: Listener, per_second: int, seconds: float) -> Pace:
    """Orders are due at even intervals and measured from then on, so that one that had to wait to be sent counts its waiting."""
    begin = time.perf_counter() + 0.2
    due = [(number, begin + number / per_second) for number in range(round(per_second * seconds))]
    senders = [_Sender(trade, due[number::_CONNECTIONS]) for number in range(_CONNECTIONS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    sent = {order: times for sender in senders for order, times in sender.sent.items()}
    eventually(lambda: sent.keys() <= listener.heard.keys(), seconds=60, what="a decision on each order")
    answered = [(answered_at - due_at) * 1000 for due_at, answered_at in sent.values()]
    applied = [(listener.heard[order] - due_at) * 1000 for order, (due_at, _) in sent.items()]
    return Pace(
        per_second,
        orders=len(sent),
        errors=sum(sender.errors for sender in senders),
        answered_p50=median(answered),
        answered_p99=quantiles(answered, n=100)[98],
        applied_p50=median(applied),
        applied_p99=quantiles(applied, n=100)[98],
    )


def _median(taken: Sequence[Pace]) -> Pace:
    figures = ("answered_p50", "answered_p99", "applied_p50", "applied_p99")
    return Pace(
        taken[0].per_second,
        orders=sum(pace.orders for pace in taken),
        errors=sum(pace.errors for pace in taken),
        **{name: median(getattr(pace, name) for pace in taken) for name in figures},
    )


def stream(trade: Trade, per_second: int, seconds: float) -> Stream:
    """Write stock events at an even pace, each slice as a service's transaction would be, and told of as it would be."""
    orders = list(_orders(trade, _next_order(trade), round(per_second * seconds / 2)))
    watched = uuid.uuid4().hex
    with contextlib.closing(connect(settings_of(trade.stack), seconds=60)) as database, redis.Redis(port=trade.stack.ports.redis) as client:
        begin, begun = time.perf_counter() + 0.2, utc_now().replace(tzinfo=None) + timedelta(seconds=0.2)
        written = 0
        while written < len(orders):
            due = [n for n in range(written, len(orders)) if n * 2 / per_second <= time.perf_counter() - begin]
            if due:
                moments = [begun + timedelta(seconds=n * 2 / per_second) for n in due]
                _write_slice(trade, database, client, [(*orders[n][:2], at) for n, at in zip(due, moments, strict=True)], watched)
                written += len(due)
            time.sleep(_SLICE_SECONDS)
        last = time.perf_counter()
        with database.cursor() as cursor:
            eventually(lambda: _undelivered(cursor, watched) == 0, seconds=60 + seconds, what=f"{per_second} events a second delivered")
            behind = time.perf_counter() - last
            cursor.execute(
                "SELECT TIMESTAMPDIFF(MICROSECOND, created_at, delivered_at) AS took FROM outbox"
                " WHERE trace_id = %s AND channel IN ('procurement_stock_in', 'order_stock_out')",  # decisions have it too
                (watched,),
            )
            took = [row["took"] / 1000 for row in cursor.fetchall()]
    return Stream(per_second, len(took), median(took), quantiles(took, n=100)[98], behind)


def _write_slice(trade: Trade, database: Database, client: redis.Redis, orders: Sequence[tuple[int, Any, Any]], trace_id: str) -> None:
    rows = [_order_row(trade, order_id, product, moment) for order_id, product, moment in orders]
    events = [event for order_id, product, moment in orders for event in _stock_events(order_id, product, moment, trace_id)]
    database.begin()
    with database.cursor() as cursor:
        for table, lines in (("orders", rows), ("outbox", events)):
            columns = _COLUMNS[table]
            cursor.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})", lines)
    database.commit()
    with client.pipeline(transaction=False) as told:
        for _, channel, payload, *_ in events:
            told.publish(channel, payload)
        told.execute()


def _undelivered(cursor: DictCursor, trace_id: str) -> int:
    cursor.execute("SELECT COUNT(*) AS number FROM outbox WHERE delivered_at IS NULL AND trace_id = %s", (trace_id,))
    row = cursor.fetchone()
    assert row is not None
    return int(row["number"])


def _median_stream(taken: Sequence[Stream]) -> Stream:
    figures = ("delivered_p50", "delivered_p99", "seconds_behind")
    return Stream(
        taken[0].per_second,
        events=sum(each.events for each in taken),
        **{name: median(getattr(each, name) for each in taken) for name in figures},
    )


def drain(trade: Trade, events: int) -> Backlog:
    """Write so many stock events while the bridge stands still, then have it deliver them all."""
    stack = trade.stack
    launcher.set_server(stack, "bridge", "stop")
    _write_backlog(trade, events)
    before = cpu_seconds(stack)
    applied_at = 0.0
    quarter: dict[str, float] = {}
    with redis.Redis(port=stack.ports.redis) as reports:
        reports.delete(STATES_KEY)
        launcher.set_server(stack, "bridge", "start")
        began = time.perf_counter()
        # Asked of the bridge's own reports, as counting rows would be a good part of what is measured.
        while (decided := _delivered(reports, "order")) < events // 2 or not applied_at:
            applied = _delivered(reports, "inventory")
            if applied >= events // 4 and not quarter:
                quarter = _memory(stack)
            if applied >= events and not applied_at:
                applied_at = time.perf_counter()
            assert time.perf_counter() - began < 60 + events / 50, f"only {applied} of {events} events were applied, {decided} decided"
            time.sleep(0.1)
    decided_at = time.perf_counter()
    after, end = cpu_seconds(stack), _memory(stack)
    used = {role: seconds * 1000 / events for role, seconds in cpu_spent(before, after).items()}
    return Backlog(
        events,
        seconds=applied_at - began,
        per_second=events / (applied_at - began),
        decided_seconds=decided_at - began,
        cpu_ms_per_event=sum(used.values()),
        cpu_ms_by_role={role: round(spent, 3) for role, spent in sorted(used.items(), key=lambda item: -item[1]) if spent > 0.005},
        memory_mb={role: (quarter[role], end[role]) for role in end if role in quarter},
    )


def _delivered(reports: redis.Redis, consumer: str) -> int:
    """How many events the bridge says it has delivered to a consumer since it started."""
    report: Any = reports.hget(STATES_KEY, consumer)
    return int(json.loads(report)["delivered"]) if report else 0


def _memory(stack: Stack) -> dict[str, float]:
    """Megabytes of who delivers and who consumes stock events, the largest where there are several."""
    roles = ("bridge: inventory", "bridge: order", "function inventory-consumer", "function order-consumer")
    return {role: max(each.values()) / 1e6 for role, each in resident(stack).items() if role in roles}


def _write_backlog(trade: Trade, events: int) -> None:
    """Procurements' and orders' events in turn, as their services would have left them."""
    orders = list(_orders(trade, _next_order(trade), events // 2))
    trace_id = uuid.uuid4().hex
    with BulkWriter(lambda: connect(settings_of(trade.stack), seconds=60), _COLUMNS) as writer:
        for order_id, product, moment in orders:
            writer.add("orders", _order_row(trade, order_id, product, moment))
        writer.settle()
        for order_id, product, moment in orders:
            for event in _stock_events(order_id, product, moment, trace_id):
                writer.add("outbox", event)


def _next_order(trade: Trade) -> int:
    newest = trade.clerk.get("/api/orders", sort="-id", limit=1)["orders"]
    return int(newest[0]["id"]) + 1 if newest else 1


def _orders(trade: Trade, first: int, count: int) -> Iterator[tuple[int, dict[str, Any], Any]]:
    now = utc_now().replace(tzinfo=None) - timedelta(seconds=1)
    for number in range(count):
        yield first + number, trade.products[number % len(trade.products)], now


def _order_row(trade: Trade, order_id: int, product: dict[str, Any], moment: Any) -> tuple[Any, ...]:
    fields = (trade.customer["id"], product["id"], 1, Decimal("2.55"), Decimal("2.55"), moment)
    return order_id, *fields, trade.customer["name"], product["product_code"], product["name"], "pending", 1


def _stock_events(order_id: int, product: dict[str, Any], moment: Any, trace_id: str) -> Iterator[tuple[Any, ...]]:
    """A procurement's, with the order's number for its own, and the order's."""
    yield _event("procurement_stock_in", moment, trace_id, procurement_id=order_id, product_id=product["id"], quantity=1)
    yield _event("order_stock_out", moment, trace_id, order_id=order_id, product_id=product["id"], quantity=1)


def _event(event_type: str, moment: Any, trace_id: str, **fields: Any) -> tuple[Any, ...]:
    event_id = new_event_id()
    payload: Mapping[str, Any] = {
        **fields,
        "event_id": event_id,
        "event_type": event_type,
        "occurred_at": moment.isoformat() + "+00:00",
        "trace_id": trace_id,
    }
    return event_id, event_type, json.dumps(payload, separators=(",", ":")), trace_id, moment
