"""Whatever is sent, the answer is a 4xx that names what is wrong, and nothing is stored."""

import pytest

from tests.e2e.client import Clerk, product_fields

_BODIES = {
    "not json": "{",
    "not an object": "[1, 2]",
    "empty": "",
    "null": "null",
    "nan": '{"name": NaN}',
    "infinity": '{"name": Infinity}',
    "huge number": '{"name": 1e999999}',
    "huge integer": '{"name": ' + "9" * 5000 + "}",
    "deeply nested": "[" * 50_000,
    "lone surrogate": '{"name": "\\ud800"}',
    "nul": '{"name": "\\u0000"}',
    "emoji alone": '{"🎁": "🎁"}',
    "sql": '{"name": "\'; DROP TABLE products; --"}',
    "wrong types": '{"name": 5, "quantity": "many", "supplier_id": "1 OR 1=1", "product_id": true, "username": [], "password": {}}',
    "negative": '{"supplier_id": 1, "product_id": 1, "customer_id": 1, "quantity": -1}',
    "binary": b"\xff\xfe\x00\x01",
}
_TARGETS = [
    ("POST", "/api/auth/register"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/suppliers"),
    ("PUT", "/api/suppliers/{supplier}"),
    ("POST", "/api/customers"),
    ("PUT", "/api/customers/{customer}"),
    ("POST", "/api/products"),
    ("PUT", "/api/products/{product}"),
    ("POST", "/api/inventory"),
    ("PUT", "/api/inventory/{storage}"),
    ("POST", "/api/procurements"),
    ("POST", "/api/orders"),
]


@pytest.fixture(scope="module")
def world(system):
    """Someone with one of everything."""
    clerk = Clerk(system.gateway_url)
    product = clerk.stocked_product(10)
    storage = clerk.get(f"/api/inventory/product/{product['id']}")
    return clerk, {
        "supplier": product["supplier_id"],
        "customer": clerk.customer()["id"],
        "product": product["id"],
        "storage": storage["id"],
    }


def _everything(clerk):
    plurals = ("suppliers", "customers", "products", "procurements", "orders", "inventory")
    return {plural: clerk.get(f"/api/{plural}")["total"] for plural in plurals}


@pytest.mark.parametrize(("method", "path"), _TARGETS)
def test_malformed_bodies_are_refused_and_nothing_is_stored(world, method, path):
    clerk, ids = world
    before = _everything(clerk)
    for kind, body in _BODIES.items():
        answer = clerk.http.request(method, path.format(**ids), content=body, headers={"content-type": "application/json"})
        # A login that is well-formed and wrong is 401; signing in too often is 429.
        assert 400 <= answer.status_code < 500, f"{kind}: {answer.status_code} {answer.text[:300]}"
        assert answer.headers["content-type"] == "application/problem+json", kind
        if answer.status_code in {400, 422}:
            assert answer.json()["errors"][0]["field"], kind
    assert _everything(clerk) == before


def test_ten_megabytes_are_too_many(world):
    clerk, _ = world
    answer = clerk.http.post("/api/products", content=b'{"name": "' + b"x" * 11_000_000 + b'"}')
    assert answer.status_code == 413
    assert answer.json()["code"] == "payload_too_large"


def test_a_name_of_nine_megabytes_names_the_field(world):
    clerk, ids = world
    answer = clerk.http.post("/api/products", json=product_fields(ids["supplier"]) | {"name": "x" * 5_000_000})
    assert answer.status_code in {413, 422}


def test_a_body_is_json_whatever_its_content_type_says(world):
    clerk, _ = world
    body = b'{"name": "Plain curl & Sons", "city": "Riga", "address": "a=b", "contact_person": "c"}'
    answer = clerk.http.post("/api/suppliers", content=body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 201, answer.text
    assert answer.json()["name"] == "Plain curl & Sons"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/products?limit=501", "limit"),
        ("/api/products?start=-1", "start"),
        ("/api/products?sort=password", "sort"),
        ("/api/products?colour=red", "colour"),
        ("/api/products/first", "product_id"),
        ("/api/orders?since=yesterday", "since"),
        ("/api/orders?status=lost", "status"),
    ],
)
def test_unfit_parameters_are_named(world, path, field):
    clerk, _ = world
    answer = clerk.http.get(path)
    assert answer.status_code == 422
    assert field in answer.json()["detail"]
