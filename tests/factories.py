"""What a test needs before it can begin: valid payloads, entities made through the API, events as the outbox holds them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from common.events import new_event_id

if TYPE_CHECKING:
    from tests.gateway import Gateway

_numbers = itertools.count(1)

Json = dict[str, Any]


def party(**fields: Any) -> Json:
    """A supplier's or customer's payload."""
    return {"name": f"Party {next(_numbers)}", "city": "Bath", "address": "1 Long Row", "contact_person": "Ann Lee"} | fields


def product(supplier_id: int, **fields: Any) -> Json:
    """A product's payload."""
    number = next(_numbers)
    return {
        "product_code": f"P-{number}",
        "name": f"Product {number}",
        "category": "lamps",
        "price_buy": 1.25,
        "price_sell": 2.5,
        "measure_unit": "piece",
        "supplier_id": supplier_id,
    } | fields


def registration(**fields: Any) -> Json:
    """A new user's payload."""
    number = next(_numbers)
    return {"username": f"user{number}", "email": f"user{number}@example.org", "password": "correct horse"} | fields


def given_supplier(api: Gateway, **fields: Any) -> Json:
    return _created(api, "/api/suppliers", party(**fields))


def given_customer(api: Gateway, **fields: Any) -> Json:
    return _created(api, "/api/customers", party(**fields))


def given_product(api: Gateway, *, stock: float = 0, **fields: Any) -> Json:
    """A product, with a supplier of its own unless one is named, and with opening stock."""
    supplier_id = fields.pop("supplier_id", None) or given_supplier(api)["id"]
    made = _created(api, "/api/products", product(supplier_id, **fields))
    if stock:
        _created(api, "/api/inventory", {"product_id": made["id"], "quantity": stock})
    return made


def given_procurement(api: Gateway, product: Json, quantity: float = 50, **fields: Any) -> Json:
    body = {"supplier_id": product["supplier_id"], "product_id": product["id"], "quantity": quantity} | fields
    return _created(api, "/api/procurements", body)


def given_order(api: Gateway, product: Json, quantity: float = 1, **fields: Any) -> Json:
    """An order, with a customer of its own unless one is named."""
    customer_id = fields.pop("customer_id", None) or given_customer(api)["id"]
    return _created(api, "/api/orders", {"customer_id": customer_id, "product_id": product["id"], "quantity": quantity} | fields)


def event(event_type: str, **fields: Any) -> Json:
    """An event as a consumer gets it."""
    envelope = {
        "event_id": new_event_id(),
        "event_type": event_type,
        "occurred_at": "2026-01-02T03:04:05+00:00",
        "trace_id": "trace-of-a-test",
    }
    return fields | envelope


def _created(api: Gateway, path: str, body: Json) -> Json:
    answer = api.post(path, body)
    assert answer.status == 201, answer.text
    return dict(answer.json)
