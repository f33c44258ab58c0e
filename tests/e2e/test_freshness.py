"""What was changed is seen by the very next reader, whoever that is."""

from concurrent.futures import ThreadPoolExecutor

from tests.e2e.client import Clerk, unique


def test_a_changed_price_is_seen_at_once_everywhere(system):
    clerk = Clerk(system.gateway_url)
    product = clerk.product(category=unique("category"))
    body = {name: product[name] for name in product if name not in {"id", "version", "supplier"}}
    lists = [
        {"category": product["category"]},
        {"q": product["product_code"]},
        {"supplier_id": product["supplier_id"], "sort": "-price_sell"},
    ]

    def read_all(_):
        clerk.get(f"/api/products/{product['id']}")
        for query in lists:
            clerk.get("/api/products", **query)

    with ThreadPoolExecutor(6) as readers:  # so many that several environments fill the cache while prices change
        for price in range(1, 16):
            reading = [readers.submit(read_all, number) for number in range(6)]
            answer = clerk.http.put(f"/api/products/{product['id']}", json=body | {"price_sell": price})
            assert answer.status_code == 200, answer.text
            assert clerk.get(f"/api/products/{product['id']}")["price_sell"] == price
            for query in lists:
                assert [p["price_sell"] for p in clerk.get("/api/products", **query)["products"]] == [price]
            for future in reading:
                future.result()


def test_a_renamed_supplier_is_seen_in_its_products(system):
    clerk = Clerk(system.gateway_url)
    product = clerk.product()
    supplier = product["supplier"]
    fields = {name: supplier[name] for name in ("city", "address", "contact_person")}
    clerk.get("/api/products", supplier_id=supplier["id"])

    clerk.http.put(f"/api/suppliers/{supplier['id']}", json=fields | {"name": "Renamed"}).raise_for_status()

    assert clerk.get(f"/api/products/{product['id']}")["supplier"]["name"] == "Renamed"
    assert clerk.get("/api/products", supplier_id=supplier["id"])["products"][0]["supplier"]["name"] == "Renamed"


def test_a_deleted_product_is_gone_at_once(system):
    clerk = Clerk(system.gateway_url)
    product = clerk.product()
    clerk.get(f"/api/products/{product['id']}")
    assert clerk.http.delete(f"/api/products/{product['id']}").status_code == 204
    assert clerk.http.get(f"/api/products/{product['id']}").status_code == 404
    assert clerk.get("/api/products", q=product["product_code"])["products"] == []
