"""People at work for as long as it takes: everything that is done in a day, from several threads, and a page that listens."""

from __future__ import annotations

import random
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import httpx

from infra.api_client import Account, Answer, ApiClient, GaveUpError

if TYPE_CHECKING:
    from infra.stack import Stack

PRODUCTS, CUSTOMERS = 40, 10


class Load:
    """Works while a `with` block lasts. Answers are counted by status."""

    def __init__(self, stack: Stack, threads: int) -> None:
        self._stack = stack
        self._client = ApiClient(stack.gateway_url, Account(stack.run_dir, stack.gateway_url), connections=threads)
        self._threads = threads
        self._ending = threading.Event()
        self._counting = threading.Lock()
        self.statuses: dict[int, int] = {}

    def __enter__(self) -> Self:
        supplier = self._create("/api/suppliers", _party("Supplier"))
        self._customers = [self._create("/api/customers", _party(f"Customer {number}"))["id"] for number in range(CUSTOMERS)]
        self._products = [self._create("/api/products", _product(number, supplier["id"])) for number in range(PRODUCTS)]
        for product in self._products:
            self._create("/api/procurements", {"supplier_id": supplier["id"], "product_id": product["id"], "quantity": 1000})
        self._crew = [threading.Thread(target=self._work, args=(number,), daemon=True) for number in range(self._threads)]
        self._crew.append(threading.Thread(target=self._listen, daemon=True))
        for worker in self._crew:
            worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for worker in self._crew:
            worker.join(60)

    def _work(self, number: int) -> None:
        chance = random.Random(number)
        while not self._ending.is_set():
            try:
                status = self._step(chance)
            except GaveUpError:
                status = 0
            with self._counting:
                self.statuses[status] = self.statuses.get(status, 0) + 1

    def _step(self, chance: random.Random) -> int:
        steps = {self._order: 4, self._procure: 2, self._cancel: 1, self._edit: 1, self._look_back: 1, self._search: 1, self._browse: 2}
        (step,) = chance.choices(list(steps), weights=list(steps.values()))
        return step(chance).status

    def _order(self, chance: random.Random) -> Answer:
        product, customer = chance.choice(self._products), chance.choice(self._customers)
        body = {"product_id": product["id"], "quantity": chance.randint(1, 3), "customer_id": customer}
        return self._client.call("POST", "/api/orders", body, key=uuid.uuid4().hex)

    def _procure(self, chance: random.Random) -> Answer:
        product = chance.choice(self._products)
        body = {"product_id": product["id"], "quantity": 8, "supplier_id": product["supplier_id"]}
        return self._client.call("POST", "/api/procurements", body, key=uuid.uuid4().hex)

    def _cancel(self, chance: random.Random) -> Answer:
        order = self._order(chance)
        if order.status != 201:
            return order
        return self._client.call("POST", f"/api/orders/{order.document['id']}/cancel", key=uuid.uuid4().hex)

    def _edit(self, chance: random.Random) -> Answer:
        product = chance.choice(self._products)
        changed = _product(product["number"], product["supplier_id"]) | {"price_sell": chance.randint(200, 900) / 100}
        return self._client.call("PUT", f"/api/products/{product['id']}", changed)

    def _look_back(self, chance: random.Random) -> Answer:
        moment = (datetime.now(UTC) - timedelta(seconds=chance.randrange(600))).isoformat().replace("+00:00", "Z")
        return self._client.call("GET", "/api/inventory", parameters={"as_of": moment, "limit": 20})

    def _search(self, chance: random.Random) -> Answer:
        product = chance.choice(self._products)
        return self._client.call("GET", "/api/orders", parameters={"q": product["product_code"], "sort": "-id"})

    def _browse(self, chance: random.Random) -> Answer:
        if chance.random() < 0.5:
            return self._client.call("GET", chance.choice(("/health", "/api/inventory/alerts", "/api/system/events")))
        page = {"start": chance.randrange(30), "limit": 20}
        return self._client.call("GET", chance.choice(("/api/products", "/api/customers")), parameters=page)

    def _listen(self) -> None:
        """As a page does that somebody left open."""
        while not self._ending.is_set():
            signed = {"Authorization": f"Bearer {self._client.token}"}
            try:
                with (
                    httpx.Client(timeout=30) as http,
                    http.stream("GET", f"{self._stack.page_url}/api/events", headers=signed) as events,
                ):
                    for _ in events.iter_lines():
                        if self._ending.is_set():
                            return
            except httpx.HTTPError:
                self._ending.wait(1)

    def _create(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        number = {"number": int(document["product_code"].removeprefix("SOAK-"))} if "product_code" in document else {}
        return self._client.create(path, document, uuid.uuid4().hex) | number


def _party(name: str) -> dict[str, Any]:
    return {"name": name, "city": "Bath", "address": "1 Long Row", "contact_person": "Ann Lee"}


def _product(number: int, supplier_id: int) -> dict[str, Any]:
    return {
        "product_code": f"SOAK-{number}",
        "name": f"Lantern {number}",
        "category": "home",
        "price_buy": 1.5,
        "price_sell": 2.55,
        "measure_unit": "piece",
        "supplier_id": supplier_id,
    }
