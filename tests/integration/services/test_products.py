import pytest

from common.cache import EntityCache
from tests.factories import given_order, given_procurement, given_product, given_supplier, product
from tests.integration.services.conftest import count, undelivered


def test_create_read_update_delete(api):
    supplier = given_supplier(api)
    made = api.post("/api/products", product(supplier["id"], price_sell=9_999_999))
    assert made.status == 201
    assert made.json["supplier"] == supplier
    path = f"/api/products/{made.json['id']}"
    assert api.get(path).json == made.json

    changed = api.put(path, product(supplier["id"], price_sell=0.07))
    assert changed.status == 200
    assert changed.json["price_sell"] == 0.07
    assert api.get(path).json == changed.json

    assert api.delete(path).status == 204
    assert api.get(path).status == 404
    assert api.delete(path).status == 404
    assert count("products") == 0


def test_events_are_flat_and_say_who_they_are_about(api):
    made = given_product(api)
    _, event = undelivered()[-1]
    assert event["event_type"] == "product_created"
    assert event["product_id"] == made["id"]
    assert "supplier" not in event
    assert {"event_id", "occurred_at", "trace_id", "price_sell", "version"} <= set(event)


def test_code_is_unique_by_case(api):
    given_product(api, product_code="85123A")
    given_product(api, product_code="85123a")
    answer = api.post("/api/products", product(given_supplier(api)["id"], product_code="85123A"))
    assert (answer.status, answer.json["code"]) == (409, "product_code_taken")
    assert answer.json["errors"][0]["field"] == "product_code"


def test_several_are_found_by_their_codes(api):
    for code in ("K-1", "K-2", "k-2", "K-3"):
        given_product(api, product_code=code)
    found = api.get("/api/products?product_codes=K-2,%20K-3,nowhere").json
    assert ({p["product_code"] for p in found["products"]}, found["total"]) == ({"K-2", "K-3"}, 2)


def test_update_to_a_code_that_is_taken_is_refused_and_changes_nothing(api):
    given_product(api, product_code="A")
    other = given_product(api, product_code="B")
    answer = api.put(f"/api/products/{other['id']}", product(other["supplier_id"], product_code="A"))
    assert (answer.status, answer.json["code"]) == (409, "product_code_taken")
    assert api.get(f"/api/products/{other['id']}").json == other


def test_update_to_a_supplier_that_does_not_exist_is_refused(api):
    made = given_product(api)
    answer = api.put(f"/api/products/{made['id']}", product(999_999))
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "supplier_id")


def test_product_of_an_unknown_supplier_is_refused(api):
    answer = api.post("/api/products", product(12345))
    assert answer.status == 422
    assert answer.json["code"] == "supplier_not_found"
    assert answer.json["errors"][0]["field"] == "supplier_id"
    assert count("products") == count("outbox") == 0


def test_supplier_deleted_behind_the_cache_is_noticed_by_the_foreign_key(api):
    ghost = {"id": 4711, "version": 1, "name": "Ghost", "city": "x", "address": "x", "contact_person": "x"}
    EntityCache("supplier").put([ghost])
    answer = api.post("/api/products", product(ghost["id"]))
    assert (answer.status, answer.json["code"]) == (422, "supplier_not_found")
    assert count("products") == 0


@pytest.mark.parametrize("use", [given_procurement, given_order, None])
def test_product_that_moved_or_was_traded_cannot_be_deleted(api, use):
    made = given_product(api, stock=5)
    if use:
        use(api, made)
    answer = api.delete(f"/api/products/{made['id']}")
    assert (answer.status, answer.json["code"]) == (409, "product_in_use")


def test_product_that_never_moved_takes_its_empty_storage_along(api, deliver):
    made = given_product(api)
    deliver()
    assert count("storages") == 1
    assert api.delete(f"/api/products/{made['id']}").status == 204
    assert count("storages") == 0
    deliver()


def test_list_filters_searches_and_carries_suppliers(api):
    lamp = given_product(api, name="Red lamp", category="lamps", product_code="L-1")
    chair = given_product(api, name="Chair", category="chairs", product_code="LAMP-2")
    assert api.get("/api/products?q=lamp").json["products"] == [lamp, chair]
    assert api.get("/api/products?category=chairs").json["products"] == [chair]
    assert api.get("/api/products?product_code=L-1").json["products"] == [lamp]
    assert api.get("/api/products?product_code=l-1").json["products"] == []
    assert api.get(f"/api/products?supplier_id={chair['supplier_id']}").json["products"] == [chair]
    assert api.get(f"/api/products?supplier_id={'9' * 40}").json["products"] == []


def test_changed_supplier_shows_in_the_product_and_every_list_at_once(api):
    made = given_product(api)
    assert api.get("/api/products").json["products"][0]["supplier"]["name"] != "Renamed"
    api.put(f"/api/suppliers/{made['supplier_id']}", {"name": "Renamed", "city": "x", "address": "x", "contact_person": "x"})
    assert api.get("/api/products").json["products"][0]["supplier"]["name"] == "Renamed"
    assert api.get(f"/api/products/{made['id']}").json["supplier"]["name"] == "Renamed"
