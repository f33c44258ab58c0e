"""A history written in bulk is one that the system could have made, and lives on with it."""

from datetime import UTC, datetime

import pymysql
import pytest

from common.config import get_settings
from infra.bridge.database import connect
from infra.progress import Silent
from infra.reconcile.reconciliation import reconcile_database
from infra.seed import scale
from infra.seed.bulk import BulkWriter
from infra.seed.history import COLUMNS
from infra.seed.sizes import Sizes
from tests.factories import given_order
from tests.integration.services.conftest import count

SIZES = Sizes(suppliers=3, customers=20, products=60, orders=500, movements=1500)


@pytest.fixture
def fill(clean):
    """Writes a small history into the database."""

    def fill(*, seed=1, add=False):
        return scale.fill(get_settings(), SIZES, seed=seed, until=datetime.now(UTC), days=60, progress=Silent(), add=add)

    return fill


def test_what_was_written_reconciles_and_is_what_was_asked_for(fill, servers):
    made = fill()
    assert {table: count(table) for table in made} == made
    assert set(made) == set(COLUMNS)
    assert (made["orders"], made["stock_movements"]) == (SIZES.orders, SIZES.movements)
    found = reconcile_database(servers, grace=0)
    assert found.mismatches == []


def test_a_database_that_is_not_empty_is_refused_unless_it_is_to_be_added_to(fill, servers):
    fill()
    with pytest.raises(scale.NotEmptyError, match="orders"):
        fill()
    assert count("orders") == SIZES.orders
    fill(seed=2, add=True)
    assert count("orders") == 2 * SIZES.orders
    assert reconcile_database(servers, grace=0).mismatches == []


def test_the_inventory_service_finds_it_reconciled_without_summing_it_up(fill, api):
    fill()
    assert count("ledger_sums") == SIZES.products
    answer = api.get("/api/inventory/reconcile?limit=500").json
    assert (answer["reconciled"], answer["total"], answer["count"]) == (True, SIZES.products, SIZES.products)
    for product in answer["products"]:
        parts = [product[name] for name in ("opening", "procured", "cancelled", "returned", "corrected")]
        assert product["quantity"] == product["movements"] == sum(parts) - product["ordered"]


def test_lists_know_how_much_there_is_and_find_it(fill, api):
    fill()
    for path, total in (("orders", SIZES.orders), ("inventory/movements", SIZES.movements), ("products", SIZES.products)):
        page = api.get(f"/api/{path}?limit=1").json
        assert (page["total"], page["total_exact"]) == (total, True)
    product = api.get("/api/products?sort=-price_sell&limit=1").json["products"][0]
    assert product in api.get(f"/api/products?q={product['product_code']}").json["products"]


def test_trade_goes_on_from_there(fill, api):
    fill()
    product = api.get("/api/inventory?sort=-quantity&limit=1").json["inventory"][0]["product"]
    customer = api.get("/api/customers?limit=1").json["customers"][0]
    order = given_order(api, product, 1, customer_id=customer["id"])
    assert order["id"] == SIZES.orders + 1


def test_what_the_database_refuses_is_raised(clean):
    orphan = (1, "P1", "A product", "Of nobody", 1, 1, "piece", 99)
    with pytest.raises(pymysql.err.IntegrityError), BulkWriter(lambda: connect(get_settings()), COLUMNS) as writer:
        writer.add("products", orphan)
    assert count("products") == 0
