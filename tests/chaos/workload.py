"""The clients: each does its part of the plan, one thing after the other, and remembers what it was told."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from infra.api_client import Account, Answer, ApiClient, GaveUpError
from tests.chaos.system import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.chaos.plan import Operation, Plan

_PLURALS = {"product": "products", "supplier": "suppliers", "customer": "customers"}
_CREATES = {"add supplier": "/api/suppliers", "add customer": "/api/customers", "add product": "/api/products"}


@dataclass(frozen=True)
class Told:
    """What a client was told of an operation in the end; status 0 if it gave up waiting for an answer."""

    status: int
    document: dict[str, Any]
    attempts: int
    seconds: float
    twin: dict[str, Any] | None = None
    """What the second of two simultaneous requests under one key was told."""


class Pace:
    """How far the clients may go, so that a fault finds the work where the plan has it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._changed = threading.Condition()
        self.begun = 0
        self.stopped = False

    def begin(self) -> bool:
        """Wait for one's turn to begin an operation. False when there are no more to come."""
        with self._changed:
            self._changed.wait_for(lambda: self.stopped or self.begun < self._limit)
            self.begun += not self.stopped
            self._changed.notify_all()
            return not self.stopped

    def allow(self, limit: int) -> None:
        """Let the clients go as far as that."""
        with self._changed:
            self._limit = limit
            self._changed.notify_all()

    def wait_for(self, begun: int, idle: Callable[[], bool]) -> None:
        """Return when so many operations have been begun, or all clients are through."""
        with self._changed:
            while not (self.begun >= begun or self.stopped or idle()):
                self._changed.wait(0.2)

    def stop(self) -> None:
        """Let what is in hand be finished, and begin nothing more."""
        with self._changed:
            self.stopped = True
            self._changed.notify_all()


@dataclass
class Ledger:
    """What all clients were told, by operation; `stale_reads` counts reads of what a client had itself changed before, unchanged."""

    told: dict[int, Told] = field(default_factory=dict)
    skipped: set[int] = field(default_factory=set)
    seen_negative: list[int] = field(default_factory=list)
    stale_reads: int = 0

    def id_of(self, number: int) -> int | None:
        """The id of what an operation made; None if it made nothing, as far as its client knows."""
        told = self.told.get(number)
        return int(told.document["id"]) if told is not None and told.status == 201 else None


class Workload:
    """All clients, each a user of its own on a thread of its own."""

    def __init__(self, plan: Plan, base_url: str, directory: Path, patience: float) -> None:
        self.plan = plan
        self.ledger = Ledger()
        self.pace = Pace(0)
        self._clients = [_Client(number, self.ledger, base_url, directory, patience) for number in range(plan.clients)]
        self._threads: list[threading.Thread] = []
        self.errors: list[BaseException] = []

    def set_the_stage(self) -> None:
        """Do what has to be there first, kind after kind, and wait until everything has its storage."""
        with ThreadPoolExecutor(len(self._clients)) as threads:
            list(threads.map(lambda client: client.api.sign_in(), self._clients))
            for kind in ("add supplier", "add customer", "add product", "procure"):
                staged = [operation for operation in self.plan.staged if operation.kind == kind]
                list(threads.map(lambda operation: self._clients[operation.client].do(operation), staged))
        products = [operation.number for operation in self.plan.staged if operation.kind == "add product"]
        self._clients[0].find_storages(products)
        for client in self._clients:
            client.storages = self._clients[0].storages

    def start(self) -> None:
        """Begin, as far as the pace allows."""
        self._threads = [
            threading.Thread(target=self._work, args=(client, self.plan.of_client(client.number)), daemon=True) for client in self._clients
        ]
        for thread in self._threads:
            thread.start()

    @property
    def done(self) -> bool:
        """Whether all clients are through."""
        return not any(thread.is_alive() for thread in self._threads)

    def join(self) -> None:
        """Wait until they are. Raises what a client ran into."""
        for thread in self._threads:
            while thread.is_alive():  # an endless join would not hear Ctrl-C
                thread.join(0.2)
        if self.errors:
            raise self.errors[0]

    @property
    def retries(self) -> int:
        """How often an attempt had no answer, or one that asks for another."""
        return sum(sum(client.api.retries.values()) for client in self._clients)

    def causes(self) -> dict[str, int]:
        """The same by what was seen: a status, or an exception's name."""
        counted: dict[str, int] = {}
        for client in self._clients:
            for cause, times in dict(client.api.retries).items():
                counted[cause] = counted.get(cause, 0) + times
        return dict(sorted(counted.items(), key=lambda item: -item[1]))

    @property
    def api(self) -> ApiClient:
        """A signed-in client, for looking."""
        return self._clients[0].api

    def _work(self, client: _Client, operations: Iterable[Operation]) -> None:
        try:
            for operation in operations:
                if not self.pace.begin():
                    return
                client.do(operation)
        except BaseException as error:  # noqa: BLE001  # raised again by whoever joins
            self.errors.append(error)
            self.pace.stop()


class _Client:
    def __init__(self, number: int, ledger: Ledger, base_url: str, directory: Path, patience: float) -> None:
        self.number = number
        self.storages: dict[int, int] = {}
        account = Account(directory / f"client-{number}", base_url)
        self.api = ApiClient(base_url, account, connections=2, give_up_after=patience, timeout=10)
        self._ledger = ledger
        # Where each entity is that this client edits, and what it was told of it last; by the operation that made it.
        self._edited: dict[int, tuple[str, dict[str, Any]]] = {}

    def do(self, operation: Operation) -> None:
        """Do it, until it is answered."""
        arguments = operation.arguments
        match operation.kind:
            case "add supplier" | "add customer" | "add product":
                told = self._send(operation, "POST", _CREATES[operation.kind], self._new(operation))
            case "procure":
                supplier = self._ledger.told[arguments["product"]].document["supplier_id"]
                body = {"supplier_id": supplier, "product_id": self._id(arguments["product"]), "quantity": arguments["quantity"]}
                told = self._send(operation, "POST", "/api/procurements", body | {"unit_price": operation.tag})
            case "order":
                body = {"customer_id": self._id(arguments["customer"]), "product_id": self._id(arguments["product"])}
                told = self._send(operation, "POST", "/api/orders", body | {"quantity": arguments["quantity"], "unit_price": operation.tag})
            case "cancel":
                order = self._ledger.id_of(arguments["order"])
                told = self._send(operation, "POST", f"/api/orders/{order}/cancel") if order is not None else None
            case "correct" | "count":
                change = {"delta": arguments["delta"]} if "delta" in arguments else {"quantity": arguments["quantity"], "reason": "count"}
                path = f"/api/inventory/{self.storages[arguments['product']]}"
                told = self._send(operation, "PUT", path, change | {"reference": reference_of(operation)})
            case "edit":
                told = self._edit(operation)
            case "delete product":
                product = self._ledger.id_of(arguments["product"])
                told = self._send(operation, "DELETE", f"/api/products/{product}") if product is not None else None
            case _:
                told = self._look(operation)
        if told is None:
            self._ledger.skipped.add(operation.number)
        else:
            self._ledger.told[operation.number] = told

    def find_storages(self, products: Iterable[int]) -> None:
        """The storage of each product, which inventory makes when it hears of it."""

        def look() -> bool:
            for number in products:
                if number not in self.storages:
                    answer = self.api.call("GET", f"/api/inventory/product/{self._id(number)}")
                    if answer.status != 200:
                        return False
                    self.storages[number] = answer.document["id"]
            return True

        eventually(look, 60, "a storage of each product")

    def _new(self, operation: Operation) -> dict[str, Any]:
        if operation.kind == "add product":
            return {
                "product_code": f"CHAOS-{operation.number}",
                "name": f"Lamp {operation.number}",
                "category": "lamps",
                "price_buy": 1.25,
                "price_sell": 2.5,
                "measure_unit": "piece",
                "supplier_id": self._id(operation.arguments["supplier"]),
            }
        return {
            "name": f"Party {operation.number}",
            "city": "Bath",
            "address": address_of(operation.number),
            "contact_person": "Ann Lee",
        }

    def _edit(self, operation: Operation) -> Told:
        entity, of = operation.arguments["entity"], operation.arguments["of"]
        made = self._ledger.told[of].document
        fields = {name: value for name, value in made.items() if name not in {"id", "version", "supplier"}}
        path = f"/api/{_PLURALS[entity]}/{made['id']}"
        told = self._send(operation, "PUT", path, fields | {"name": edited_name(operation)})
        if told.status == 200:
            self._edited[of] = path, told.document
        return told

    def _look(self, operation: Operation) -> Told:
        what = operation.arguments["what"]
        if what == "orders":
            # Whoever asks for statistics sums up the orders that have settled.
            path = "/api/orders/statistics?top=3" if operation.number % 2 else "/api/orders?sort=-id&limit=20"
            return self._send(operation, "GET", path)
        if what == "mine" and self._edited:
            path, known = list(self._edited.values())[operation.number % len(self._edited)]
            told = self._send(operation, "GET", path)
            if told.status == 200 and told.document["version"] < known["version"]:
                self._ledger.stale_reads += 1
            return told
        told = self._send(operation, "GET", f"/api/inventory/product/{self._id(operation.arguments['product'])}")
        if told.status == 200 and told.document["quantity"] < 0:
            self._ledger.seen_negative.append(operation.number)
        return told

    def _send(self, operation: Operation, method: str, path: str, document: dict[str, Any] | None = None) -> Told:
        key = f"chaos {operation.number}" if method in {"POST", "PUT"} else None

        def send(into: list[Answer]) -> None:
            into.append(self.api.call(method, path, document, key=key))

        began = time.monotonic()
        mine: list[Answer] = []
        others: list[Answer] = []
        twin = threading.Thread(target=_quietly(send), args=(others,)) if operation.arguments.get("twin") else None
        if twin:
            twin.start()
        try:
            send(mine)
        except GaveUpError:
            mine.append(Answer(0, {}, time.monotonic() - began, 0, replayed=False))
        if twin:
            twin.join()
        # A refusal is not kept under the key: of two at once, one may be refused and the other, a moment later, be served.
        answer, *rest = sorted(mine + others, key=lambda each: not 200 <= each.status < 300)
        return Told(answer.status, answer.document, answer.attempts, answer.seconds, rest[0].document if rest else None)

    def _id(self, number: int) -> int:
        return int(self._ledger.told[number].document["id"])


def _quietly(send: Callable[[list[Answer]], None]) -> Callable[[list[Answer]], None]:
    def sending(into: list[Answer]) -> None:
        try:
            send(into)
        except GaveUpError:
            return

    return sending


def address_of(number: int) -> str:
    """What a supplier or customer is recognised by in the database."""
    return f"Dock {number}"


def edited_name(operation: Operation) -> str:
    """The name that an edit gives."""
    return f"Edited {operation.number}"


def reference_of(operation: Operation) -> str:
    """What a change of stock by hand is recognised by in the ledger."""
    return f"chaos {operation.number}"
