"""What is going to be done, and what is going to break meanwhile: all of it drawn from a seed before anything happens.

Operations name each other and their entities by number, never by an id that the system has yet to give, so that the same
seed makes the same plan. Which client is ahead of which when it comes to it is the machine's affair.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tests.chaos.kinds import ARGUMENTS, HEAVY, MOST_HEAVY_PER_HUNDRED, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

CLIENTS = 12
# How often each kind of operation is drawn, in percent.
_OPERATIONS = {"order": 50, "procure": 13, "cancel": 9, "correct": 7, "count": 2, "edit": 9, "come and go": 2, "look": 8}
_TWINS = 0.03
_TOGETHER = (0.8, 0.95)
# What a probe or an operation is recognised by in the database is a price: see `Operation.tag`.
FIRST_PROBE = 1_000_000
_PLENTY = 1_000_000


@dataclass(frozen=True)
class Operation:
    """One thing that one client wants done. `number` is its place in the plan, its tag, and part of its Idempotency-Key."""

    number: int
    client: int
    kind: str
    arguments: dict[str, Any]

    @property
    def tag(self) -> float:
        """The unit price of an order or procurement: no two in a run have the same."""
        return tag_of(self.number)


@dataclass(frozen=True)
class Fault:
    """Something that breaks once `at` operations have been begun; those of one `group` break together."""

    number: int
    at: int
    group: int
    kind: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Everything a run does."""

    seed: int
    clients: int
    staged: list[Operation]
    """What has to be there first. The last product is the probe's alone; there is always enough of it."""
    operations: list[Operation]
    faults: list[Fault]

    @property
    def digest(self) -> str:
        """Two plans with the same digest are the same plan."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def made(self, kind: str) -> list[Operation]:
        """What of the stage was made by `kind`, e.g. "add product"."""
        return [operation for operation in self.staged if operation.kind == kind]

    def groups(self) -> Iterator[list[Fault]]:
        """The faults that break together, in the order of their breaking."""
        for _, faults in groupby(self.faults, key=lambda fault: fault.group):
            yield list(faults)

    def of_client(self, client: int) -> list[Operation]:
        """What a client does, one after the other."""
        return [operation for operation in self.operations if operation.client == client]


def tag_of(number: int) -> float:
    """The price that tells an operation's row."""
    return (number + 1) / 100


def number_of(price: Any) -> int:
    """The operation that a price tells."""
    return round(float(price) * 100) - 1


def make_plan(seed: int, operations: int, faults: int, *, kinds: Collection[str], clients: int = CLIENTS) -> Plan:
    """The plan of a seed. `kinds` are those faults that this machine allows."""
    drawn = _Drawing(random.Random(f"chaos {seed}"), operations, clients)  # repeatable is what it has to be
    staged = drawn.stage()
    work = [drawn.operation() for _ in range(operations)]
    return Plan(seed, clients, staged, work, drawn.faults(faults, sorted(kinds)))


class _Drawing:
    def __init__(self, rng: random.Random, operations: int, clients: int) -> None:
        self._rng = rng
        self._operations = operations
        self._clients = clients
        # No fewer than clients, so that each has one to edit.
        self._products = max(clients, min(60, 10 + operations // 250))
        self._number = 0
        self._orders: dict[int, list[int]] = {client: [] for client in range(clients)}
        self._passing: dict[int, list[int]] = {client: [] for client in range(clients)}
        self._of_kind: dict[str, list[int]] = {}

    def stage(self) -> list[Operation]:
        """What there has to be before anything can be traded: a supplier and a customer per client, and products with some stock."""
        everybody = range(self._clients)
        suppliers = [self._made("add supplier", client) for client in everybody]
        customers = [self._made("add customer", client) for client in everybody]
        products = [
            self._made("add product", index % self._clients, supplier=suppliers[index % self._clients].number)
            for index in range(self._products + 1)
        ]
        self._of_kind = {
            "supplier": [made.number for made in suppliers],
            "customer": [made.number for made in customers],
            "product": [made.number for made in products[:-1]],
        }
        stocked = [
            self._made("procure", made.client, product=made.number, quantity=_PLENTY if made is products[-1] else self._rng.randint(5, 60))
            for made in products
        ]
        return [*suppliers, *customers, *products, *stocked]

    def operation(self) -> Operation:
        """The next one."""
        rng = self._rng
        client = rng.randrange(self._clients)
        kind = rng.choices(list(_OPERATIONS), list(_OPERATIONS.values()))[0]
        product = rng.choice(self._of_kind["product"])
        if kind == "cancel" and self._orders[client]:
            recent = self._orders[client]
            return self._made("cancel", client, order=recent.pop(rng.randrange(max(0, len(recent) - 20), len(recent))))
        if kind == "come and go":
            return self._come_and_go(client)
        if kind == "edit":
            # Each entity has one client that edits it, which so knows what it must read afterwards.
            entity = rng.choice(["product", "supplier", "customer"])
            return self._made("edit", client, entity=entity, of=rng.choice(self._of_kind[entity][client :: self._clients]))
        twin = rng.random() < _TWINS
        drawn: dict[str, dict[str, Any]] = {
            "procure": {"quantity": rng.randint(1, 30), "twin": twin},
            "correct": {"delta": rng.choice([-4, -3, -2, -1, 1, 2, 3]), "twin": twin},
            "count": {"quantity": rng.randint(0, 40)},
            "look": {"what": rng.choice(["orders", "storage", "mine", "mine"])},
        }
        if kind in drawn:
            return self._made(kind, client, product=product, **drawn[kind])
        customer = rng.choice(self._of_kind["customer"])
        made = self._made("order", client, product=product, customer=customer, quantity=rng.randint(1, 7), twin=twin)
        self._orders[client].append(made.number)
        return made

    def _come_and_go(self, client: int) -> Operation:
        """A product that nobody trades, and that the client deletes when it is drawn the next time."""
        if self._passing[client]:
            return self._made("delete product", client, product=self._passing[client].pop())
        made = self._made("add product", client, supplier=self._of_kind["supplier"][client])
        self._passing[client].append(made.number)
        return made

    def faults(self, count: int, kinds: list[str]) -> list[Fault]:
        """Spread evenly over the operations, alone and together."""
        rng = self._rng
        heavy = count * MOST_HEAVY_PER_HUNDRED // 100
        drawn: list[tuple[int, str, dict[str, Any]]] = []
        group = left = 0
        bag: list[str] = []
        for _ in range(count):
            if not left:
                group += 1
                luck = rng.random()
                left = 1 + sum(luck > bound for bound in _TOGETHER)
            left -= 1
            # Every kind once before chance decides, so that a short run has them too.
            if not drawn:
                bag = rng.sample(kinds, len(kinds))
            kind = bag.pop() if bag else rng.choices(kinds, [WEIGHTS[kind] for kind in kinds])[0]
            light = [kind for kind in kinds if kind not in HEAVY]
            if kind in HEAVY and light and not bag and not heavy:
                kind = rng.choices(light, [WEIGHTS[kind] for kind in light])[0]
            heavy -= kind in HEAVY and heavy > 0
            drawn.append((group, kind, {name: rng.choice(values) for name, values in ARGUMENTS[kind].items()}))
        gap = self._operations / (group + 1)
        return [Fault(number, round(gap * group), group, kind, arguments) for number, (group, kind, arguments) in enumerate(drawn)]

    def _made(self, kind: str, client: int, **arguments: Any) -> Operation:
        made = Operation(self._number, client, kind, {name: value for name, value in arguments.items() if value is not False})
        self._number += 1
        return made
