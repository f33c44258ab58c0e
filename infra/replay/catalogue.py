"""The supplier, products and customers of a file: found where they are there already, else created."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from common.fields import as_json_number
from infra.api_client import ApiClient, RefusedError, work_through

if TYPE_CHECKING:
    from infra.progress import Progress
    from infra.replay.plan import CustomerWanted, Plan, ProductWanted
    from infra.replay.run import Run


@dataclass
class Catalogue:
    """The ids of what the file speaks of."""

    supplier_id: int
    products: dict[str, int] = field(default_factory=dict)
    customers: dict[str, int] = field(default_factory=dict)


def set_up(client: ApiClient, run: Run, plan: Plan, supplier_name: str, progress: Progress, at_once: int) -> Catalogue:
    """Make sure that everything the plan wants exists. Two runs must not do this at the same moment: both would create."""
    catalogue = Catalogue(supplier_id=_supplier(client, run, supplier_name))
    known = client.list("/api/products", "products", supplier_id=catalogue.supplier_id)
    catalogue.products = {product["product_code"]: product["id"] for product in known if product["product_code"] in plan.products}

    missing = [product for code, product in plan.products.items() if code not in catalogue.products]
    progress.begin("products", len(plan.products))
    progress.advance(len(plan.products) - len(missing))

    def add_product(wanted: ProductWanted) -> None:
        catalogue.products[wanted.code] = _product(client, run, wanted, catalogue.supplier_id)
        progress.advance()

    work_through(missing, add_product, at_once=at_once)

    progress.begin("customers", len(plan.customers))

    def add_customer(wanted: CustomerWanted) -> None:
        catalogue.customers[wanted.key] = _customer(client, run, wanted)
        progress.advance()

    work_through(plan.customers.values(), add_customer, at_once=at_once)
    return catalogue


def _supplier(client: ApiClient, run: Run, name: str) -> int:
    found = _named(client, "suppliers", name)
    if found is None:
        document = {"name": name, "city": "London", "address": "not in the file", "contact_person": "not in the file"}
        found = client.create("/api/suppliers", document, run.key("supplier"))
    return int(found["id"])


def _customer(client: ApiClient, run: Run, wanted: CustomerWanted) -> int:
    found = _named(client, "customers", wanted.name)
    if found is None:
        document = {"name": wanted.name, "city": wanted.city, "address": "not in the file", "contact_person": wanted.name}
        found = client.create("/api/customers", document, run.key(f"customer {_short(wanted.key)}"))
    return int(found["id"])


def _product(client: ApiClient, run: Run, wanted: ProductWanted, supplier_id: int) -> int:
    price = as_json_number(wanted.price)
    document = {
        "product_code": wanted.code,
        "name": wanted.name,
        "category": "Retail",
        "price_buy": price,
        "price_sell": price,
        "measure_unit": "piece",
        "supplier_id": supplier_id,
    }
    try:
        return int(client.create("/api/products", document, run.key(f"product {_short(wanted.code)}"))["id"])
    except RefusedError as refused:
        if refused.code != "product_code_taken":
            raise
        # Somebody else's product of this code: it is the same product, whoever supplies it.
        return int(client.get("/api/products", product_code=wanted.code, limit=1)["products"][0]["id"])


def _named(client: ApiClient, plural: str, name: str) -> dict[str, Any] | None:
    """The first of exactly that name; the database finds names regardless of case."""
    return next((found for found in client.list(f"/api/{plural}", plural, name=name) if found["name"] == name), None)


def _short(text: str) -> str:
    """A name for keys, which are short and ASCII while codes and ids may be neither."""
    return hashlib.sha256(text.encode()).hexdigest()[:20]
