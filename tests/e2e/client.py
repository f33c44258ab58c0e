"""The system as its users see it: over HTTP, on the gateway's address, with a token."""

from __future__ import annotations

import itertools
import time
import uuid
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.stack import Stack

Seen = TypeVar("Seen")
_number = itertools.count(1)


def unique(word: str) -> str:
    """A name that nothing else in this run has."""
    return f"{word}-{next(_number)}-{uuid.uuid4().hex[:6]}"


def eventually(look: Callable[[], Seen | None], *, seconds: float = 30, what: str = "the condition") -> Seen:
    """What `look` sees once it is truthy. Fails when it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"{what} was not seen within {seconds} s; last seen: {seen!r}"
        time.sleep(0.02)


class Clerk:
    """Someone who registered, signed in and works."""

    def __init__(self, base_url: str) -> None:
        self.http = httpx.Client(base_url=base_url, timeout=30)
        self.username, self.password = unique("clerk"), "correct horse battery"
        registration = {"username": self.username, "email": f"{self.username}@example.com", "password": self.password}
        assert self._unthrottled("/api/auth/register", registration).status_code == 201
        login = self._unthrottled("/api/auth/login", {"username": self.username, "password": self.password})
        assert login.status_code == 200, login.text
        self.token = login.json()["token"]
        self.http.headers["authorization"] = f"Bearer {self.token}"

    def _unthrottled(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """What is answered once it is this client's turn: signing in is throttled, and one test fills the bucket."""

        def look() -> httpx.Response | None:
            answer = self.http.post(path, json=body)
            return answer if answer.status_code != 429 else None

        return eventually(look, what="a turn to sign in")

    def get(self, path: str, **query: Any) -> Any:
        answer = self.http.get(path, params=query)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def health(self) -> dict[str, Any]:
        """What the system says of its health, whatever that is; without services and consumers where it does not get to say so."""
        return {"status": "unknown", "services": {}, "consumers": {}} | self.http.get("/health").json()

    def all_is_heard_of(self) -> bool:
        """Whether no event is on its way to a consumer."""
        consumers = self.health()["consumers"].values()
        return bool(consumers) and all(consumer.get("lag", {}).get("events") == 0 for consumer in consumers)

    def create(self, path: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
        answer = self.http.post(path, json=body, headers=headers)
        assert answer.status_code == 201, f"POST {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def supplier(self, **fields: Any) -> dict[str, Any]:
        return self.create("/api/suppliers", _party("Supplier") | fields)

    def customer(self, **fields: Any) -> dict[str, Any]:
        return self.create("/api/customers", _party("Customer") | fields)

    def product(self, **fields: Any) -> dict[str, Any]:
        supplier_id = fields.pop("supplier_id", None) or self.supplier()["id"]
        return self.create("/api/products", product_fields(supplier_id) | fields)

    def stocked_product(self, quantity: float) -> dict[str, Any]:
        """A product with so much stock."""
        product = self.product()
        self.procure(product, quantity)
        eventually(lambda: self.stock(product) == quantity, what=f"a stock of {quantity}")
        return product

    def procure(self, product: dict[str, Any], quantity: float) -> dict[str, Any]:
        body = {"supplier_id": product["supplier_id"], "product_id": product["id"], "quantity": quantity}
        return self.create("/api/procurements", body)

    def stock(self, product: dict[str, Any]) -> float | None:
        """How much there is; None before inventory has heard of the product."""
        answer = self.http.get(f"/api/inventory/product/{product['id']}")
        assert answer.status_code in {200, 404}, answer.text
        return answer.json()["quantity"] if answer.status_code == 200 else None

    def order(self, customer: dict[str, Any], product: dict[str, Any], quantity: float, **headers: str) -> httpx.Response:
        body = {"customer_id": customer["id"], "product_id": product["id"], "quantity": quantity}
        return self.http.post("/api/orders", json=body, headers=headers)

    def decided(self, order_id: int, *, seconds: float = 30) -> dict[str, Any]:
        """The order once it is no longer pending."""

        def look() -> dict[str, Any] | None:
            order = self.get(f"/api/orders/{order_id}")
            return order if order["status"] != "pending" else None

        return eventually(look, seconds=seconds, what=f"a decision on order {order_id}")


def product_fields(supplier_id: int) -> dict[str, Any]:
    """A product's fields as clients write them."""
    return {
        "product_code": unique("CODE"),
        "name": unique("Lantern"),
        "category": "home",
        "price_buy": 1.5,
        "price_sell": 2.55,
        "measure_unit": "piece",
        "supplier_id": supplier_id,
    }


def _party(kind: str) -> dict[str, Any]:
    return {"name": unique(kind), "city": "Łódź", "address": "Piotrkowska 1", "contact_person": "Ewa Nowak"}


def pid_of(system: Stack, server: str) -> int:
    """The process of one of the system's servers."""
    return system.state.read()["servers"][server]["pid"]


def invocations(system: Stack, service: str) -> int:
    """How often a service's function has been invoked so far."""
    functions = httpx.get(f"{system.localstack_url}/_lambda/environments", timeout=30).json()["functions"]
    return functions.get(f"inventory-{service}", {}).get("invocations", 0)
