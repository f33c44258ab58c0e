"""A made-up company's whole history, as the rows that its trade would have left in the database.

Everything is decided here as the services decide it: stock never falls below zero, an order that finds too little is rejected,
a cancelled one gives its goods back, an alert fires once per crossing. The same seed makes the same rows.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Any

from common.search import words_of
from common.topology import TOPOLOGY, channel_of
from infra.seed.vocabulary import (
    COLOURS,
    FIRST_NAMES,
    GOODS,
    LAST_NAMES,
    MATERIALS,
    PLACES,
    SIZES,
    TRADES,
    WHOLESALE,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from infra.seed.sizes import Sizes

Row = tuple[Any, ...]

COLUMNS: dict[str, tuple[str, ...]] = {
    "suppliers": ("id", "name", "city", "address", "contact_person"),
    "customers": ("id", "name", "city", "address", "contact_person"),
    "products": ("id", "product_code", "name", "category", "price_buy", "price_sell", "measure_unit", "supplier_id"),
    "procurements": (
        *("id", "supplier_id", "product_id", "quantity", "unit_price", "total_cost", "timestamp"),
        *("supplier_name", "product_code", "product_name"),
    ),
    "orders": (
        *("id", "customer_id", "product_id", "quantity", "unit_price", "total_cost", "timestamp"),
        *("customer_name", "product_code", "product_name", "status", "status_reason", "version"),
    ),
    "stock_movements": ("id", "product_id", "delta", "balance_after", "reason", "event_id", "reference", "trace_id", "created_at"),
    "stock_alerts": ("id", "product_id", "kind", "quantity", "threshold", "stock_version", "cause_event_id", "occurred_at", "cleared_at"),
    "storages": ("id", "product_id", "quantity", "version", "low_since", "price_buy", "product_version", "moved_at"),
    "outbox": ("id", "event_id", "channel", "payload", "trace_id", "created_at", "delivered_at"),
    "processed_events": ("consumer", "event_id", "processed_at"),
    "search_words": ("kind", "word", "entity_id", "current"),
}
NUMBERED = tuple(table for table, columns in COLUMNS.items() if columns[0] == "id")
"""The tables whose rows have ids of their own."""

LOW_STOCK = 10
# How long the bridge keeps what it delivered: older events are not made.
EVENTS_KEPT = timedelta(days=7)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # columns hold UTC without saying so
_SECOND = 1_000_000
# Of a hundred orders so many are cancelled later, and one asks for more than anybody has.
_CANCELLED, _TOO_LARGE = 0.06, 0.01
# Of all orders, with those that stock happens to be short for: they move nothing, and take a moment all the same.
_REJECTED = 0.0235
# Of what else moves stock: the part that procurements are, and what else people do by hand.
_PROCURED = 0.45
_BY_HAND = (("count", 0.70), ("return", 0.85), ("damage", 0.95), ("correction", 1.0))
# A few products sell most: the n-th of a hundred equal draws falls at (n/100) to this power.
_SKEW = 2.2


@dataclass
class _Product:
    id: int
    code: str
    name: str
    price_buy: int
    price_sell: int
    supplier_id: int
    balance: int = 0
    version: int = 0
    low_since: str | None = None
    usual: int = 0
    moved_at: int = 0
    fall: Row | None = None


@dataclass
class _Due:
    """An order that will be cancelled."""

    step: int
    order_id: int
    product: _Product
    quantity: int
    trace_id: str


@dataclass
class History:
    """Yields (table, row) of suppliers, customers and products, then of trade in order of time, then of what stock came to."""

    sizes: Sizes
    seed: int
    until: datetime
    days: int
    first_ids: Mapping[str, int]
    _next: dict[str, int] = field(init=False)
    _random: Random = field(init=False)
    _products: list[_Product] = field(init=False, default_factory=list)
    _parties: dict[str, list[tuple[int, str]]] = field(init=False, default_factory=dict)
    _low: deque[_Product] = field(init=False, default_factory=deque)
    _events_since: int = field(init=False)

    def __post_init__(self) -> None:
        self._next = dict(self.first_ids)
        self._random = Random(self.seed)  # noqa: S311  # made-up trade, not a secret
        self._events_since = _microseconds(self.until - EVENTS_KEPT)

    def phases(self) -> Iterator[tuple[str, int, Iterator[tuple[str, Row]]]]:
        """What is made one after the other: its name, of how many things it is, and its rows; each may point to those before."""
        sizes = self.sizes
        yield "suppliers", sizes.suppliers, self._make_parties("suppliers", sizes.suppliers)
        yield "customers", sizes.customers, self._make_parties("customers", sizes.customers)
        yield "products", sizes.products, self._make_products()
        yield "trade", sizes.orders + sizes.movements, self._trade()
        yield "storages", sizes.products, self._make_storages()

    def rows(self) -> Iterator[tuple[str, Row]]:
        """Every row of all phases."""
        for _, _, rows in self.phases():
            yield from rows

    def _id(self, table: str) -> int:
        number = self._next[table]
        self._next[table] = number + 1
        return number

    def _make_parties(self, table: str, count: int) -> Iterator[tuple[str, Row]]:
        draw = self._random
        known = self._parties[table] = []
        for _ in range(count):
            person = f"{draw.choice(FIRST_NAMES)} {draw.choice(LAST_NAMES)}"
            name = f"{draw.choice(LAST_NAMES)} {draw.choice(WHOLESALE)}" if table == "suppliers" else _customer_name(draw, person)
            address = f"{draw.choice(LAST_NAMES)} Street {draw.randint(1, 180)}"
            row = (self._id(table), name, draw.choice(PLACES), address, person)
            known.append((row[0], name))
            yield table, row
            yield from _found_by(table.removesuffix("s"), row[0], name, row[2], person)

    def _make_products(self) -> Iterator[tuple[str, Row]]:
        draw = self._random
        for number in range(self.sizes.products):
            goods, category, cheapest = draw.choice(GOODS)
            name = f"{draw.choice(COLOURS)} {draw.choice(MATERIALS)} {goods}{draw.choice(SIZES)}".capitalize()
            price_buy = round(cheapest * draw.uniform(1, 3))
            product_id = self._id("products")
            # Codes as real ones are: a number, and a letter for the variant.
            code = f"{product_id + 10_000}{'ABCDEFGHJK'[number % 10]}"
            supplier_id = draw.choice(self._parties["suppliers"])[0]
            product = _Product(product_id, code, name, price_buy, round(price_buy * draw.uniform(1.6, 2.8)), supplier_id)
            product.usual = draw.randint(12, 90)
            self._products.append(product)
            row = (product_id, code, name, category, _money(product.price_buy), _money(product.price_sell), "piece", supplier_id)
            yield "products", row
            yield from _found_by("product", product_id, name, code)
        # Ids are given in order of time, but what sells best is not what came first.
        draw.shuffle(self._products)

    def _trade(self) -> Iterator[tuple[str, Row]]:
        draw, sizes = self._random, self.sizes
        orders_left = sizes.orders
        movements_left = sizes.movements - sizes.products
        moments = self._moments(sizes.movements + round(sizes.orders * _REJECTED))
        last = next(moments)
        for product in self._products:
            last = next(moments, last)
            yield from self._move(product, draw.randint(0, product.usual), "opening", None, last, self._trace_id())
        due: deque[_Due] = deque()
        step = 0
        while orders_left or movements_left or due:
            step += 1
            last = next(moments, last)
            if due and (due[0].step <= step or not (orders_left or movements_left)):
                yield from self._cancel(due.popleft(), last)
                continue
            others_left = max(0, movements_left - orders_left)
            if orders_left and draw.random() * (orders_left + others_left) < orders_left:
                orders_left -= 1
                order = self._order(last, affordable=movements_left)
                yield from order.rows
                movements_left -= order.movements
                if order.cancelled:
                    due.append(_Due(step + draw.randint(1, 400), *order.cancelled))
                    movements_left -= 1
            elif movements_left:
                movements_left -= 1
                yield from self._replenish(last) if draw.random() < _PROCURED else self._change_by_hand(last)

    def _order(self, moment: int, affordable: int) -> _Order:
        """An order and what became of it; with at most so many movements, the one of its cancellation included."""
        draw = self._random
        product = self._pick()
        customer_id, customer_name = self._parties["customers"][self._skewed(self.sizes.customers)]
        quantity = 1 + int(12 * draw.random() ** 3)
        if draw.random() < _TOO_LARGE or not affordable:
            quantity += product.balance
        available = product.balance
        taken = quantity <= available
        cancelled = taken and affordable > 1 and draw.random() < _CANCELLED
        order_id, trace_id = self._id("orders"), self._trace_id()
        row = (
            *(order_id, customer_id, product.id, quantity, _money(product.price_sell), _money(product.price_sell * quantity)),
            *(_text(moment), customer_name, product.code, product.name),
            *(("cancelled", None, 3) if cancelled else ("confirmed", None, 2) if taken else _rejected(quantity, available)),
        )
        event = {"order_id": order_id, "product_id": product.id, "quantity": quantity}
        rows = [("orders", row)]
        event_id = self._event_id(moment)
        rows.extend(self._tell("order_stock_out", event, event_id, moment, trace_id))
        decided = moment + 20_000
        if taken:
            rows.extend(self._move(product, -quantity, "order", f"order:{order_id}", decided, trace_id, event_id))
        decision = "order_confirmed" if taken else "order_rejected"
        rows.extend(self._tell(decision, event | {"available": available}, self._event_id(decided), decided, trace_id))
        return _Order(rows, int(taken), (order_id, product, quantity, trace_id) if cancelled else None)

    def _cancel(self, due: _Due, moment: int) -> Iterator[tuple[str, Row]]:
        event_id = self._event_id(moment)
        event = {"order_id": due.order_id, "product_id": due.product.id, "quantity": due.quantity}
        yield from self._tell("order_cancelled", event, event_id, moment, due.trace_id)
        yield from self._move(due.product, due.quantity, "cancellation", f"order:{due.order_id}", moment + 20_000, due.trace_id, event_id)

    def _replenish(self, moment: int) -> Iterator[tuple[str, Row]]:
        """Buy what runs short, or else something that sells."""
        product = self._low.popleft() if self._low else self._pick()
        suppliers = self._parties["suppliers"]
        supplier_id, supplier_name = suppliers[product.supplier_id - suppliers[0][0]]
        quantity = max(product.usual - product.balance, 6)
        procurement_id, trace_id = self._id("procurements"), self._trace_id()
        yield (
            "procurements",
            (
                *(procurement_id, supplier_id, product.id, quantity, _money(product.price_buy), _money(product.price_buy * quantity)),
                *(_text(moment), supplier_name, product.code, product.name),
            ),
        )
        event_id = self._event_id(moment)
        event = {"procurement_id": procurement_id, "product_id": product.id, "quantity": quantity}
        yield from self._tell("procurement_stock_in", event, event_id, moment, trace_id)
        yield from self._move(product, quantity, "procurement", f"procurement:{procurement_id}", moment + 20_000, trace_id, event_id)

    def _change_by_hand(self, moment: int) -> Iterator[tuple[str, Row]]:
        draw = self._random
        product, luck = self._pick(), draw.random()
        reason = next(name for name, up_to in _BY_HAND if luck < up_to)
        delta = {
            "count": draw.randint(-2, 2),
            "return": draw.randint(1, 3),
            "damage": -draw.randint(1, 3),
            "correction": draw.randint(-5, 5),
        }
        reference = f"RMA-{draw.randint(10_000, 99_999)}" if reason == "return" else None
        yield from self._move(product, max(-product.balance, delta[reason]), reason, reference, moment, self._trace_id())

    def _move(
        self, product: _Product, delta: int, reason: str, reference: str | None, moment: int, trace_id: str, event_id: str | None = None
    ) -> Iterator[tuple[str, Row]]:
        event_id = event_id or self._event_id(moment)
        before, product.balance = product.balance, product.balance + delta
        product.version += 1
        # A product's ledger never goes back in time.
        moment = product.moved_at = max(moment, product.moved_at)
        row = (product.id, delta, product.balance, reason, event_id, reference, trace_id, _text(moment))
        yield "stock_movements", (self._id("stock_movements"), *row)
        if product.balance < LOW_STOCK <= before:
            product.low_since = _text(moment)
            self._low.append(product)
            yield from self._alert("low_stock", product, event_id, moment, trace_id)
        elif product.balance >= LOW_STOCK and product.low_since is not None:
            product.low_since = None
            yield from self._alert("stock_recovered", product, event_id, moment, trace_id)

    def _alert(self, kind: str, product: _Product, cause: str, moment: int, trace_id: str) -> Iterator[tuple[str, Row]]:
        crossing = {
            "product_id": product.id,
            "quantity": product.balance,
            "threshold": LOW_STOCK,
            "stock_version": product.version,
            "cause_event_id": cause,
        }
        yield from self._tell(kind, crossing, self._event_id(moment), moment, trace_id)
        row = (self._id("stock_alerts"), product.id, kind, product.balance, LOW_STOCK, product.version, cause, _text(moment))
        if kind == "low_stock":
            # Written once it is known how it ended.
            product.fall = row
            return
        yield from self._end_fall(product, _text(moment))
        yield "stock_alerts", (*row, None)

    def _end_fall(self, product: _Product, cleared_at: str | None) -> Iterator[tuple[str, Row]]:
        if product.fall is not None:
            yield "stock_alerts", (*product.fall, cleared_at)
            product.fall = None

    def _tell(self, event_type: str, fields: Mapping[str, Any], event_id: str, moment: int, trace_id: str) -> Iterator[tuple[str, Row]]:
        """The event as delivered, unless it is so old that it would be forgotten by now."""
        if moment < self._events_since:
            return
        channel = channel_of(event_type).name
        envelope = {
            "event_id": event_id,
            "event_type": event_type,
            "occurred_at": f"{_text(moment).replace(' ', 'T')}+00:00",
            "trace_id": trace_id,
        }
        payload = json.dumps({**fields, **envelope}, separators=(",", ":"))
        yield "outbox", (self._id("outbox"), event_id, channel, payload, trace_id, _text(moment), _text(moment + 30_000))
        for consumer in TOPOLOGY[channel].consumers:
            yield "processed_events", (consumer, event_id, _text(moment + 20_000))

    def _make_storages(self) -> Iterator[tuple[str, Row]]:
        for product in sorted(self._products, key=lambda product: product.id):
            row = (product.id, product.balance, product.version, product.low_since, _money(product.price_buy), 1, _text(product.moved_at))
            yield "storages", (self._id("storages"), *row)
            yield from self._end_fall(product, None)

    def _pick(self) -> _Product:
        return self._products[self._skewed(len(self._products))]

    def _skewed(self, count: int) -> int:
        return int(count * self._random.random() ** _SKEW)

    def _trace_id(self) -> str:
        return f"{self._random.getrandbits(128):032x}"

    def _event_id(self, moment: int) -> str:
        """As common.events.new_event_id makes them, of this history's moments and luck."""
        time, luck = f"{moment // 1000:012x}", f"{self._random.getrandbits(72):018x}"
        return f"{time[:8]}-{time[8:]}-7{luck[:3]}-a{luck[3:6]}-{luck[6:]}"

    def _moments(self, count: int) -> Iterator[int]:
        """So many moments (microseconds since the epoch) up to `until`, in order, more of them by day and on working days."""
        since = self.until - timedelta(days=self.days)
        passed = list(accumulate(_busyness(since + timedelta(hours=hour), hour / (self.days * 24)) for hour in range(self.days * 24)))
        ends = [round(weight * count / passed[-1]) for weight in passed]
        begin, made = _microseconds(since), 0
        for hour, end in enumerate(ends):
            slot = 3600 * _SECOND // max(1, end - made)
            for number in range(end - made):
                yield begin + hour * 3600 * _SECOND + number * slot + int(self._random.random() * slot)
            made = end


def _found_by(kind: str, entity_id: int, *texts: str) -> Iterator[tuple[str, Row]]:
    for word in words_of(*texts):
        yield "search_words", (kind, word, entity_id, 1)


@dataclass(frozen=True)
class _Order:
    rows: list[tuple[str, Row]]
    movements: int
    cancelled: tuple[int, _Product, int, str] | None


def _customer_name(draw: Random, person: str) -> str:
    if draw.random() < 0.3:
        return person
    return f"{draw.choice(LAST_NAMES)} {draw.choice(TRADES)}"


def _rejected(quantity: int, available: int) -> tuple[str, str, int]:
    return "rejected", f"only {available} of {quantity} in stock", 2


def _busyness(moment: datetime, passed: float) -> float:
    by_day = (1.0, 1.05, 1.0, 1.0, 0.9, 0.4, 0.15)[moment.weekday()]
    by_hour = 1.0 if 8 <= moment.hour < 18 else 0.3 if 6 <= moment.hour < 21 else 0.02
    # Trade doubles over the history.
    return by_day * by_hour * (1 + passed)


def _money(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def _microseconds(moment: datetime) -> int:
    return (moment.astimezone(UTC).replace(tzinfo=None) - _EPOCH) // timedelta(microseconds=1)


def _text(moment: int) -> str:
    return (_EPOCH + timedelta(microseconds=moment)).isoformat(" ", "microseconds")
