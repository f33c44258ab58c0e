from common.cache import EntityCache
from tests.factories import given_procurement, given_product, given_supplier
from tests.integration.services.conftest import count, movements_of


def test_procurement_raises_the_stock(api, deliver, stock_of):
    product = given_product(api)
    bought = given_procurement(api, product, 50)
    assert (bought["unit_price"], bought["total_cost"]) == (1.25, 62.5)
    assert bought["product_code"] == product["product_code"]
    deliver()
    assert stock_of(product) == 50
    (movement,) = movements_of(api, product)
    assert (movement["reason"], movement["reference"]) == ("procurement", f"procurement:{bought['id']}")
    assert api.get(f"/api/procurements/{bought['id']}").json == bought


def test_total_cost_is_rounded_half_up_by_the_server(api):
    product = given_product(api)
    assert given_procurement(api, product, 0.5, unit_price=0.01)["total_cost"] == 0.01
    assert given_procurement(api, product, 1_000_000, unit_price=9_999_999)["total_cost"] == 9_999_999_000_000
    assert given_procurement(api, product, 3, unit_price=0)["total_cost"] == 0


def test_names_stay_as_they_were(api):
    product = given_product(api, name="Old")
    bought = given_procurement(api, product)
    changed = {name: product[name] for name in product if name not in ("id", "version", "supplier")} | {"name": "New"}
    assert api.put(f"/api/products/{product['id']}", changed).status == 200
    assert api.get(f"/api/procurements/{bought['id']}").json["product_name"] == "Old"
    assert given_procurement(api, product)["product_name"] == "New"


def test_lists_by_product_and_supplier(api):
    one, other = given_product(api), given_product(api)
    bought = [given_procurement(api, p) for p in (one, other, one)]
    assert api.get(f"/api/procurements/product/{one['id']}").json["procurements"] == [bought[0], bought[2]]
    assert api.get(f"/api/procurements/supplier/{other['supplier_id']}?sort=-id").json["procurements"] == [bought[1]]
    assert api.get("/api/procurements").json["total"] == 3
    assert api.get(f"/api/procurements?q={one['product_code']}&sort=-timestamp").json["procurements"][0] == bought[2]


def test_lists_between_two_moments(api):
    product = given_product(api)
    first, second = given_procurement(api, product), given_procurement(api, product)
    assert api.get(f"/api/procurements?since={second['timestamp']}").json["procurements"] == [second]
    assert api.get(f"/api/procurements?until={second['timestamp']}").json["procurements"] == [first]
    for unfit in ("yesterday", "1e400", "99999999999999999999", "0001-01-01T00:00:00%2B14:00"):
        answer = api.get(f"/api/procurements?since={unfit}")
        assert (answer.status, answer.json["errors"][0]["field"]) == (422, "since"), unfit


def test_unknown_supplier_or_product_is_refused_and_named(api):
    product = given_product(api)
    for field, body in (
        ("supplier_id", {"supplier_id": 999, "product_id": product["id"], "quantity": 1}),
        ("product_id", {"supplier_id": product["supplier_id"], "product_id": 999, "quantity": 1}),
    ):
        answer = api.post("/api/procurements", body)
        assert (answer.status, answer.json["errors"][0]["field"]) == (422, field)
    assert count("procurements") == 0


def test_product_deleted_behind_the_cache_is_noticed_by_the_foreign_key(api):
    supplier = given_supplier(api)
    EntityCache("product").put([{"id": 4711, "version": 1, "product_code": "x", "name": "x", "price_buy": 1, "price_sell": 1}])
    answer = api.post("/api/procurements", {"supplier_id": supplier["id"], "product_id": 4711, "quantity": 1})
    assert (answer.status, answer.json["code"]) == (422, "reference_not_found")
    assert count("procurements") == count("outbox") - 1 == 0


def test_unknown_procurement_is_not_found(api):
    assert api.get("/api/procurements/1").status == 404
    assert api.get("/api/procurements/product/1").json["procurements"] == []
