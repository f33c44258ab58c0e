"""Making demo data through the gateway. What is there already is found again, so that seeding twice leaves one company."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.api_client import ApiClient, RefusedError, work_through
from infra.replay.opening import wait_for_stock
from infra.seed.names import CITIES, CUSTOMERS, GOODS, PEOPLE, STREETS, SUPPLIERS, nth

if TYPE_CHECKING:
    from infra.progress import Progress

_PREFIX = "DEMO-"
_STOCK_SECONDS = 60
OPENING_STOCK = 120


@dataclass(frozen=True)
class Wanted:
    """How much of each."""

    suppliers: int = 3
    customers: int = 5
    products: int = 12
    orders: int = 20


def seed(client: ApiClient, wanted: Wanted, progress: Progress, at_once: int) -> dict[str, int]:
    """Make what is missing. Returns how many of each were made now. Raises RefusedError, GaveUpError."""
    made = dict.fromkeys(("suppliers", "customers", "products", "procurements", "orders"), 0)
    suppliers = [
        _party(client, "suppliers", SUPPLIERS, number, made, progress) for number in _phase(progress, "suppliers", wanted.suppliers)
    ]
    customers = [
        _party(client, "customers", CUSTOMERS, number, made, progress) for number in _phase(progress, "customers", wanted.customers)
    ]
    products: dict[int, int] = {}
    procurements: list[tuple[int, int]] = []

    def add_product(number: int) -> None:
        product = _product(client, number, suppliers[number % len(suppliers)], made)
        products[number] = product["id"]
        if procurement_id := _opening_stock(client, product, made):
            procurements.append((procurement_id, product["id"]))
        progress.advance()

    work_through(_phase(progress, "products", wanted.products), add_product, at_once=at_once)
    if not customers or not products:
        return made
    wait_for_stock(client, procurements, progress, at_once, _STOCK_SECONDS)
    existing = client.get("/api/orders", q=_PREFIX, limit=1)["total"]

    def add_order(number: int) -> None:
        document = {
            "customer_id": customers[number % len(customers)],
            "product_id": products[number * 5 % len(products)],
            "quantity": 1 + number * 7 % 12,
        }
        try:
            client.create("/api/orders", document, f"seed order {number}")
            made["orders"] += 1
        except RefusedError as refused:
            if refused.code != "insufficient_stock":  # many orders of few products: sold out is plausible, too
                raise
        progress.advance()

    work_through([*_phase(progress, "orders", max(0, wanted.orders - existing), first=existing)], add_order, at_once=at_once)
    return made


def _phase(progress: Progress, name: str, count: int, first: int = 0) -> range:
    progress.begin(name, count)
    return range(first, first + count)


def _party(client: ApiClient, plural: str, names: tuple[str, ...], number: int, made: dict[str, int], progress: Progress) -> int:
    name = nth(names, number)
    found: dict[str, Any] | None = next(
        (party for party in client.list(f"/api/{plural}", plural, name=name) if party["name"] == name), None
    )
    if found is None:
        document = {
            "name": name,
            "city": nth(CITIES, number % len(CITIES)),
            "address": f"{number * 3 % 90 + 1} {STREETS[number % len(STREETS)]}",
            "contact_person": PEOPLE[number % len(PEOPLE)],
        }
        found = client.create(f"/api/{plural}", document, f"seed {plural} {number}")
        made[plural] += 1
    progress.advance()
    return int(found["id"])


def _product(client: ApiClient, number: int, supplier_id: int, made: dict[str, int]) -> dict[str, Any]:
    code = f"{_PREFIX}{number + 1:04}"
    found = client.get("/api/products", product_code=code, limit=1)["products"]
    if found:
        return dict(found[0])
    _, category, price_buy, price_sell = GOODS[number % len(GOODS)]
    document = {
        "product_code": code,
        "name": nth(tuple(goods[0] for goods in GOODS), number),
        "category": category,
        "price_buy": price_buy,
        "price_sell": price_sell,
        "measure_unit": "piece",
        "supplier_id": supplier_id,
    }
    made["products"] += 1
    return client.create("/api/products", document, f"seed product {code}")


def _opening_stock(client: ApiClient, product: dict[str, Any], made: dict[str, int]) -> int | None:
    """The procurement that brings a product's first stock, unless it had one: a seed may have been broken off before."""
    if client.get(f"/api/procurements/product/{product['id']}", limit=1)["total"]:
        return None
    document = {"supplier_id": product["supplier_id"], "product_id": product["id"], "quantity": OPENING_STOCK}
    made["procurements"] += 1
    return int(client.create("/api/procurements", document, f"seed procurement {product['id']}")["id"])
