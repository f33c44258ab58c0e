"""What must be so in the end, in plain Python over what clients were told and what the tables hold.

Nothing here is shared with the system: neither its models, nor its rules, nor its own reconciliation.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

from common.topology import TOPOLOGY
from tests.chaos.plan import Plan, number_of
from tests.chaos.workload import address_of, edited_name, reference_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tests.chaos.plan import Operation
    from tests.chaos.workload import Ledger, Told
    from tests.chaos.world import Row, World

_LOW = Decimal(10)
_EXPECTED = {
    "order": {201, 409},
    "procure": {201},
    "cancel": {200, 409},
    "correct": {200, 409},
    "count": {200},
    "edit": {200},
    "add supplier": {201},
    "add customer": {201},
    "add product": {201},
    "delete product": {204, 404},
    "look": {200},
}
_BY_TRADE = {"procurement", "order", "cancellation"}


@dataclass(frozen=True)
class Violation:
    """A promise that was broken: `what` is lost, doubled, invented, negative, undecided, undelivered, stale, dead, sum or answer."""

    what: str
    detail: str


@dataclass(frozen=True)
class Facts:
    """All that a run leaves to be judged."""

    plan: Plan
    ledger: Ledger
    world: World
    probes: Mapping[int, int | None]
    """Each order of the probe -> its id, None where no answer came."""
    expected_dead: frozenset[tuple[str, str]]
    """(consumer, event_id) of the poison that was given."""
    cached: Mapping[str, Mapping[int, Mapping[str, Any]]]
    api: Mapping[str, Mapping[int, Mapping[str, Any]]]


def violations(facts: Facts) -> list[Violation]:
    """Everything that is not as it must be."""
    return list(chain.from_iterable(check(facts) for check in CHECKS))


def _answers_are_expected(facts: Facts) -> Iterator[Violation]:
    for operation, told in _answered(facts):
        if told.status not in _EXPECTED[operation.kind] or (told.status == 404 and told.attempts == 1):
            yield Violation("answer", f"{_name(operation)} was answered {told.status} {told.document.get('code', '')}")
        if told.twin is not None and told.twin.get("id") != told.document.get("id"):
            kind = "doubled" if "id" in told.twin else "answer"
            if kind == "doubled" or told.twin.get("status") not in _EXPECTED[operation.kind]:
                yield Violation(kind, f"{_name(operation)}, asked twice at once, was answered {told.document} and {told.twin}")
    for number in facts.ledger.seen_negative:
        yield Violation("negative", f"operation {number} saw a stock below zero")


def _answered_once(facts: Facts) -> Iterator[Violation]:
    """Each answer 201 is there once, with the id it told; nothing is there that was refused, or that nobody asked for."""
    probes = {number: ("probe", told) for number, told in facts.probes.items()}
    kinds: list[tuple[str, Iterable[Row], Callable[[Row], int | None], dict[int, tuple[str, int | None]]]] = [
        ("order", facts.world.orders, lambda row: number_of(row["unit_price"]), _made(facts, "order") | probes),
        ("procure", facts.world.procurements, lambda row: number_of(row["unit_price"]), _made(facts, "procure")),
        ("add supplier", facts.world.suppliers, lambda row: _number_in(row["address"]), _made(facts, "add supplier")),
        ("add customer", facts.world.customers, lambda row: _number_in(row["address"]), _made(facts, "add customer")),
        ("add product", facts.world.products, lambda row: _number_in(row["product_code"]), _made(facts, "add product")),
    ]
    deleted = {operation.arguments["product"] for operation, told in _answered(facts, "delete product") if told.status in {204, 404}}
    maybe_deleted = {operation.arguments["product"] for operation, told in _answered(facts, "delete product") if not told.status}
    for kind, rows, number_in, made in kinds:
        found: dict[int | None, list[int]] = defaultdict(list)
        for row in rows:
            found[number_in(row)].append(row["id"])
        for number, ids in found.items():
            if number is None or number not in made or number in deleted:
                yield Violation("invented", f"{kind} {number}: rows {ids}, which nobody was told of")
            elif len(ids) > 1:
                yield Violation("doubled", f"{kind} {number}: rows {ids}")
        for number, (_, told_id) in made.items():
            gone = number in deleted or number in maybe_deleted
            if told_id is not None and not gone and told_id not in found.get(number, []):
                yield Violation("lost", f"{kind} {number} was told to be {told_id}; there are {found.get(number, [])}")


def _rows_say_what_was_asked(facts: Facts) -> Iterator[Violation]:
    """Products and quantities of what was traded are those of the plan."""
    operations = _by_number(facts.plan)
    for row in chain(facts.world.orders, facts.world.procurements):
        operation = operations.get(number_of(row["unit_price"]))
        if operation is None or operation.kind not in {"order", "procure"}:
            continue
        product = facts.ledger.id_of(operation.arguments["product"])
        if (row["product_id"], row["quantity"]) != (product, operation.arguments["quantity"]):
            yield Violation("invented", f"{_name(operation)} became {row['quantity']} of product {row['product_id']}")


def _changes_by_hand_are_there_once(facts: Facts) -> Iterator[Violation]:
    by_hand = [row for row in facts.world.movements if row["reason"] not in _BY_TRADE]
    found: dict[str | None, list[Row]] = defaultdict(list)
    for row in by_hand:
        found[row["reference"]].append(row)
    asked = {reference_of(operation): (operation, told) for operation, told in _answered(facts, "correct", "count")}
    for reference, rows in found.items():
        if reference not in asked or asked[reference][1].status >= 400:
            yield Violation("invented", f"movements {[row['id'] for row in rows]} by hand, {reference}, of which nobody was told")
        elif len(rows) > 1:
            yield Violation("doubled", f"movements {[row['id'] for row in rows]} of one change by hand, {reference}")
    for reference, (operation, told) in asked.items():
        rows = found.get(reference, [])
        if told.status == 200 and not rows:
            yield Violation("lost", f"{_name(operation)} has no movement")
        delta = operation.arguments.get("delta")
        if rows and delta is not None and rows[0]["delta"] != delta:
            yield Violation("invented", f"{_name(operation)} moved {rows[0]['delta']}")
        if rows and told.status == 200 and rows[0]["balance_after"] != Decimal(str(told.document["quantity"])):
            stock, left = told.document["quantity"], rows[0]["balance_after"]
            yield Violation("lost", f"{_name(operation)} was told a stock of {stock}, and left {left}")


def _ledger_adds_up(facts: Facts) -> Iterator[Violation]:
    """Movement by movement: each starts where the last one ended, none ends below zero, and the last one ends at the stock."""
    balance: dict[int, Decimal] = defaultdict(Decimal)
    for row in facts.world.movements:
        product = row["product_id"]
        balance[product] += row["delta"]
        if row["balance_after"] < 0:
            yield Violation("negative", f"movement {row['id']} leaves {row['balance_after']} of product {product}")
        if balance[product] != row["balance_after"]:
            due, left = balance[product], row["balance_after"]
            yield Violation("lost", f"movement {row['id']} leaves {left} of product {product}, where {due} are due")
            balance[product] = row["balance_after"]
    stock = {row["product_id"]: row["quantity"] for row in facts.world.storages}
    for product in balance.keys() | stock.keys():
        if stock.get(product, Decimal()) < 0:
            yield Violation("negative", f"stock {stock[product]} of product {product}")
        if stock.get(product) != balance.get(product, Decimal()):
            yield Violation("lost", f"stock {stock.get(product)} of product {product}, where the ledger ends at {balance.get(product)}")


def _stock_is_what_was_told(facts: Facts) -> Iterator[Violation]:
    """Stock is procured - confirmed + cancelled + corrections, by what clients were told; for what they were not, by the rows."""
    expected: dict[int, Decimal] = defaultdict(Decimal)
    for row in facts.world.procurements:
        expected[row["product_id"]] += row["quantity"]
    for row in facts.world.orders:
        expected[row["product_id"]] -= row["quantity"] if row["status"] == "confirmed" else 0
    for row in facts.world.movements:
        expected[row["product_id"]] += row["delta"] if row["reason"] not in _BY_TRADE else 0
    for row in facts.world.storages:
        if row["quantity"] != expected[row["product_id"]]:
            due = expected[row["product_id"]]
            yield Violation("lost", f"stock {row['quantity']} of product {row['product_id']}, where what was told makes {due}")


def _orders_are_decided(facts: Facts) -> Iterator[Violation]:
    """Each order ends confirmed, rejected or cancelled, as its client was told, and moved what that means: once."""
    cancelled = {facts.ledger.id_of(operation.arguments["order"]): told.status for operation, told in _answered(facts, "cancel")}
    moved = _moved(facts)
    for order in facts.world.orders:
        reference = f"order:{order['id']}"
        rows = moved.get(reference, [])
        if any(row["product_id"] != order["product_id"] for row in rows):
            yield Violation("invented", f"{reference} moved another product than {order['product_id']}")
        if any(count > 1 for count in Counter(row["reason"] for row in rows).values()):
            yield Violation("doubled", f"{reference} has movements {[(row['reason'], row['delta']) for row in rows]}")
        told = cancelled.get(order["id"])
        if told == 200 and order["status"] != "cancelled":
            yield Violation("lost", f"{reference} was told to be cancelled, and is {order['status']}")
        if told in {None, 409} and order["status"] == "cancelled":
            yield Violation("invented", f"{reference} is cancelled, which nobody was told")
        yield from _order_moved(reference, order, {row["reason"]: row["delta"] for row in rows})


def _order_moved(reference: str, order: Row, deltas: Mapping[str, Decimal]) -> Iterator[Violation]:
    match order["status"]:
        case "confirmed":
            if deltas != {"order": -order["quantity"]}:
                yield Violation("lost", f"{reference} of {order['quantity']} is confirmed; its movements: {dict(deltas)}")
        case "cancelled":
            # Cancelled before it took anything, it has a movement of nothing, which keeps it from taking anything afterwards.
            if "cancellation" not in deltas or sum(deltas.values()):
                yield Violation("lost", f"{reference} is cancelled; its movements: {dict(deltas)}")
        case "rejected":
            if deltas:
                yield Violation("invented", f"{reference} is rejected, and moved {dict(deltas)}")
            available = re.fullmatch(r"only ([\d.]+) of [\d.]+ in stock", order["status_reason"] or "")
            if not available or Decimal(available[1]) >= order["quantity"]:
                yield Violation("lost", f"{reference} of {order['quantity']} is rejected for no reason: {order['status_reason']}")
        case _:
            yield Violation("undecided", f"{reference} is {order['status']}")


def _procurements_moved_once(facts: Facts) -> Iterator[Violation]:
    moved = _moved(facts)
    for procurement in facts.world.procurements:
        deltas = [row["delta"] for row in moved.pop(f"procurement:{procurement['id']}", [])]
        if len(deltas) > 1:
            yield Violation("doubled", f"procurement {procurement['id']} has movements {deltas}")
        elif deltas != [procurement["quantity"]]:
            yield Violation("lost", f"procurement {procurement['id']} of {procurement['quantity']} has movements {deltas}")
    for reference in moved.keys() - {f"order:{order['id']}" for order in facts.world.orders}:
        yield Violation("invented", f"{len(moved[reference])} movements for {reference}, which there is not")


def _moved(facts: Facts) -> dict[str, list[Row]]:
    """The movements that trade caused, by what they refer to."""
    moved: dict[str, list[Row]] = defaultdict(list)
    for row in facts.world.movements:
        if row["reason"] in _BY_TRADE:
            moved[row["reference"]].append(row)
    return moved


def _events_are_delivered(facts: Facts) -> Iterator[Violation]:
    processed = {(row["consumer"], row["event_id"]) for row in facts.world.processed}
    dead = {(row["consumer"], row["event_id"]) for row in facts.world.dead_letters}
    for row in facts.world.events:
        if not row["delivered_at"]:
            yield Violation("undelivered", f"event {row['event_id']} on {row['channel']}")
        for consumer in TOPOLOGY[row["channel"]].consumers:
            pair = (consumer, row["event_id"])
            if row["delivered_at"] and pair not in processed and pair not in dead:
                yield Violation("lost", f"event {row['event_id']} on {row['channel']} is marked delivered; {consumer} never had it")
    for consumer, event_id in dead ^ facts.expected_dead:
        what = "is a dead letter" if (consumer, event_id) in dead else "was poison and is no dead letter"
        reason = next((row["reason"] for row in facts.world.dead_letters if row["event_id"] == event_id), "")
        yield Violation("dead", f"event {event_id} {what} of {consumer}: {reason[:200]}")


def _events_belong_to_rows(facts: Facts) -> Iterator[Violation]:
    """Each order told of itself once and each cancellation once; and no movement has a cause that nobody told."""
    told: Counter[tuple[str, int]] = Counter()
    for row in facts.world.events:
        if row["payload"] and (event := _sound(row["payload"])):
            told[event["event_type"], event["order_id"]] += 1
    orders = {row["id"]: row["status"] for row in facts.world.orders}
    for (event_type, order_id), count in told.items():
        if order_id not in orders:
            yield Violation("invented", f"{event_type} of order {order_id}, which there is not")
        elif count > 1:
            yield Violation("doubled", f"{event_type} of order {order_id} was told {count} times")
    for order_id, status in orders.items():
        if not told["order_stock_out", order_id] or (status == "cancelled") != bool(told["order_cancelled", order_id]):
            yield Violation("lost", f"order {order_id}, {status}, did not tell what it had to")
    known = {row["event_id"] for row in facts.world.events}
    for row in facts.world.movements:
        if row["reason"] in _BY_TRADE and row["event_id"] not in known:
            yield Violation("invented", f"movement {row['id']} is caused by an event that nobody told")


def _alerts_tell_the_crossings(facts: Facts) -> Iterator[Violation]:
    """One alert per fall below the threshold and one per return to it, each naming the movement's event."""
    crossings: list[tuple[str, str]] = []
    low: set[int] = set()
    balance: dict[int, Decimal] = defaultdict(Decimal)
    for row in facts.world.movements:
        product, before, after = row["product_id"], balance[row["product_id"]], row["balance_after"]
        balance[product] = after
        if after < _LOW <= before:
            low.add(product)
            crossings.append(("low_stock", row["event_id"]))
        elif after >= _LOW and product in low:
            low.remove(product)
            crossings.append(("stock_recovered", row["event_id"]))
    alerts = Counter((row["kind"], row["cause_event_id"]) for row in facts.world.alerts)
    for (kind, event_id), count in (alerts - Counter(crossings)).items():
        yield Violation("doubled" if (kind, event_id) in crossings else "invented", f"{count} alerts {kind} too many, of event {event_id}")
    for (kind, event_id), count in (Counter(crossings) - alerts).items():
        yield Violation("lost", f"{count} alerts {kind} of event {event_id}")


def _edits_are_there(facts: Facts) -> Iterator[Violation]:
    """Each entity has one client that edits it, so its name is the one that client was told last, or asked for since without an answer."""
    rows = {
        "product": {row["id"]: row for row in facts.world.products},
        "supplier": {row["id"]: row for row in facts.world.suppliers},
        "customer": {row["id"]: row for row in facts.world.customers},
    }
    possible: dict[tuple[str, int], set[str]] = {}
    for operation, told in _answered(facts, "edit"):
        made = facts.ledger.id_of(operation.arguments["of"])
        assert made is not None
        entity = (operation.arguments["entity"], made)
        if told.status == 200:
            possible[entity] = {edited_name(operation)}
        elif not told.status:
            possible.setdefault(entity, {rows[entity[0]][made]["name"]}).add(edited_name(operation))
    for (kind, entity_id), names in possible.items():
        if rows[kind][entity_id]["name"] not in names:
            yield Violation("lost", f"{kind} {entity_id} is called {rows[kind][entity_id]['name']}, and was told to be {sorted(names)}")


def _caches_equal_the_database(facts: Facts) -> Iterator[Violation]:
    world = facts.world
    tables = {"supplier": world.suppliers, "customer": world.customers, "product": world.products, "order": world.orders}
    for kind, table in tables.items():
        rows = {row["id"]: row for row in table}
        for entity_id, document in facts.cached.get(kind, {}).items():
            yield from _compared(f"the cache's {kind} {entity_id}", document, rows.get(entity_id))
    listed = {
        "suppliers": world.suppliers,
        "customers": world.customers,
        "products": world.products,
        "orders": world.orders,
        "inventory": world.storages,
        "procurements": world.procurements,
    }
    for plural, table in listed.items():
        rows = {row["id"]: row for row in table}
        for entity_id in rows.keys() | facts.api[plural].keys():
            yield from _compared(f"the API's {plural} {entity_id}", facts.api[plural].get(entity_id, {}), rows.get(entity_id))


def _compared(what: str, document: Mapping[str, Any], row: Row | None) -> Iterator[Violation]:
    if not document or row is None:
        if document or row is not None:
            yield Violation("stale", f"{what}: {document or 'nothing'}, where the database has {row or 'nothing'}")
        return
    different = {name: (document.get(name), value) for name, value in row.items() if not _same(document.get(name), value)}
    if different:
        yield Violation("stale", f"{what}: {different} (told, in the database)")


def _same(told: Any, held: Any) -> bool:
    return Decimal(str(told)) == held if isinstance(held, Decimal) else told == held


def _answered(facts: Facts, *kinds: str) -> Iterator[tuple[Operation, Told]]:
    """The operations of these kinds (of all, if none is named) with what was told of them, in the order of the plan."""
    for operation in chain(facts.plan.staged, facts.plan.operations):
        if (not kinds or operation.kind in kinds) and operation.number in facts.ledger.told:
            yield operation, facts.ledger.told[operation.number]


def _made(facts: Facts, kind: str) -> dict[int, tuple[str, int | None]]:
    """The operations of a kind that made something, or may have -> the id that was told."""
    return {
        operation.number: (kind, facts.ledger.id_of(operation.number))
        for operation, told in _answered(facts, kind)
        if told.status in {0, 201}
    }


def _by_number(plan: Plan) -> dict[int, Operation]:
    return {operation.number: operation for operation in chain(plan.staged, plan.operations)}


def _number_in(text: str) -> int | None:
    for prefix in ("CHAOS-", address_of(0).removesuffix("0")):
        if text.startswith(prefix) and text.removeprefix(prefix).isdigit():
            return int(text.removeprefix(prefix))
    return None


def _sound(payload: str) -> dict[str, Any] | None:
    try:
        event = json.loads(payload)
    except ValueError:
        return None
    return event if "order_id" in event else None


def _name(operation: Operation) -> str:
    return f"operation {operation.number} ({operation.kind} {operation.arguments})"


def _sums_are_what_they_are_of(facts: Facts) -> Iterator[Violation]:
    """The stock's figures are those of the storages; orders by half hours, as far as they are summed up, those of the orders."""
    names = ("quantity", "value", "in_stock", "enough")
    held = [sum(row[name] for row in facts.world.stock_sums) for name in names]
    storages = facts.world.worths
    due = [
        sum(row["quantity"] for row in storages),
        sum(row["quantity"] * row["price_buy"] for row in storages),
        sum(row["quantity"] > 0 for row in storages),
        sum(row["quantity"] >= _LOW for row in storages),
    ]
    if held != due:
        yield Violation("sum", f"{names} of the stock are {held}, where the storages make {due}")
    up_to = max((row["deal_id"] for row in facts.world.order_summed), default=0)
    orders: Counter[tuple[int, str, str]] = Counter()
    for order in facts.world.deals:
        if order["id"] <= up_to:
            slot = (order["timestamp"] - datetime(1970, 1, 1)) // timedelta(minutes=30)  # noqa: DTZ001  # as columns hold UTC
            figures = {"count": 1, "quantity": order["quantity"], "value": order["total_cost"]}
            orders.update({(slot, order["status"], name): figure for name, figure in figures.items()})
    for row in facts.world.order_sums:
        orders.subtract({(row["slot"], row["status"], name): row[name] for name in ("count", "quantity", "value")})
    for (slot, status, name), rest in orders.items():
        if rest:
            yield Violation("sum", f"{name} of {status} orders in half hour {slot} is off by {-rest}")


CHECKS: tuple[Callable[[Facts], Iterator[Violation]], ...] = (
    _answers_are_expected,
    _answered_once,
    _rows_say_what_was_asked,
    _changes_by_hand_are_there_once,
    _ledger_adds_up,
    _stock_is_what_was_told,
    _orders_are_decided,
    _procurements_moved_once,
    _events_are_delivered,
    _events_belong_to_rows,
    _alerts_tell_the_crossings,
    _edits_are_there,
    _caches_equal_the_database,
    _sums_are_what_they_are_of,
)
