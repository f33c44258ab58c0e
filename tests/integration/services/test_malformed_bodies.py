"""Any malformed body to any POST or PUT: 4xx that names the field, and nothing is stored."""

import json

import pytest

from tests.factories import given_customer, given_product, given_supplier, party, product, registration
from tests.integration.services.conftest import count

TABLES = (
    "users",
    "suppliers",
    "customers",
    "products",
    "storages",
    "stock_movements",
    "procurements",
    "orders",
    "outbox",
    "idempotency_keys",
)

# Raw bodies that are no JSON object; `body` is the field they are named by.
NO_OBJECTS = {
    "empty": "",
    "not json": "name=x",
    "cut off": '{"name": ',
    "array": "[]",
    "null": "null",
    "number": "1",
    "string": '"x"',
    "nan": "NaN",
    "ten thousand deep": "[" * 10_000 + "]" * 10_000,
    "number of 5000 digits": '{"quantity": ' + "9" * 5000 + "}",
    "two documents": "{}{}",
}
# What a field may be given instead of what it should be; as written, so that NaN and the like get through.
UNFIT_NUMBERS = {
    "text": '"12"',
    "empty text": '""',
    "boolean": "true",
    "null": "null",
    "array": "[1]",
    "object": "{}",
    "negative": "-1",
    "nan": "NaN",
    "infinity": "Infinity",
    "minus infinity": "-Infinity",
    "huge": "1e400",
    "absurd exponent": "1e999999999",
    "tiny": "1e-999999999",
    "many digits": "0." + "1" * 4000,
    "emoji": '"🦆"',
    "sql": '"1; DROP TABLE products"',
}
UNFIT_TEXTS = {
    "number": "1",
    "boolean": "false",
    "null": "null",
    "array": '["x"]',
    "object": '{"$ne": ""}',
    "empty": '""',
    "blank": '"   "',
    "too long": json.dumps("x" * 400),
    "too many emoji": json.dumps("🦆" * 400),
    "control character": '"a\\u0000b"',
    "lone surrogate": '"\\ud800"',
    "deep": "[" * 500 + "]" * 500,
}
# Fine as a quantity may be where an id is not, and so on.
UNFIT_IDS = UNFIT_NUMBERS | {"zero": "0", "fraction": "1.5", "beyond 31 bits": "2147483648", "a thousand digits": "9" * 1000}


@pytest.fixture
def requests(api):
    """Method, path and a valid body of everything that takes one."""
    made, supplier, customer = given_product(api, stock=50), given_supplier(api), given_customer(api)
    storage = api.get(f"/api/inventory/product/{made['id']}").json
    return {
        "register": ("POST", "/api/auth/register", registration()),
        "login": ("POST", "/api/auth/login", {"username": "nobody", "password": "correct horse"}),
        "create supplier": ("POST", "/api/suppliers", party()),
        "update supplier": ("PUT", f"/api/suppliers/{supplier['id']}", party()),
        "create customer": ("POST", "/api/customers", party()),
        "update customer": ("PUT", f"/api/customers/{customer['id']}", party()),
        "create product": ("POST", "/api/products", product(supplier["id"])),
        "update product": ("PUT", f"/api/products/{made['id']}", product(supplier["id"])),
        "open storage": ("POST", "/api/inventory", {"product_id": made["id"], "quantity": 3}),
        "set stock": ("PUT", f"/api/inventory/{storage['id']}", {"quantity": 3}),
        "move stock": ("PUT", f"/api/inventory/{storage['id']}", {"delta": 3, "reason": "return", "reference": "x"}),
        "procure": ("POST", "/api/procurements", {"supplier_id": supplier["id"], "product_id": made["id"], "quantity": 3, "unit_price": 1}),
        "order": ("POST", "/api/orders", {"customer_id": customer["id"], "product_id": made["id"], "quantity": 3, "unit_price": 1}),
    }


REQUESTS = (
    "register", "login", "create supplier", "update supplier", "create customer", "update customer", "create product", "update product",
    "open storage", "set stock", "move stock", "procure", "order",
)  # fmt: skip
# Fields that may be left out, or be null, or be negative.
OPTIONAL = {("procure", "unit_price"), ("order", "unit_price"), ("move stock", "reason"), ("move stock", "reference")}
NULLABLE = {("procure", "unit_price"), ("order", "unit_price"), ("move stock", "reference")}
SIGNED = {("move stock", "delta")}
# Nothing is said of the composition of what somebody claims to be called; such a claim is merely wrong.
FREE = {("login", "username"), ("login", "password")}


@pytest.fixture
def refused(api):
    """Sends a raw body and checks that it is refused, naming the field, with nothing stored."""
    before = {}

    def refuse(method, path, raw, field, case):
        before.update(before or {table: count(table) for table in TABLES})
        answer = api.request(method, path, raw, headers={"Idempotency-Key": "k"})
        assert 400 <= answer.status < 500, (case, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        # A body that says neither is refused as a whole.
        named = [error["field"] for error in answer.json["errors"]]
        assert any(
            name == field or name.startswith(f"{field}.") or (path.startswith("/api/inventory/") and name == "body") for name in named
        ), (case, named)
        answer.text.encode()

    yield refuse
    assert {table: count(table) for table in TABLES} == before


@pytest.mark.parametrize("name", REQUESTS)
def test_what_is_no_json_object_is_refused(refused, requests, name):
    method, path, _ = requests[name]
    for case, raw in NO_OBJECTS.items():
        refused(method, path, raw, "body", case)


@pytest.mark.parametrize("name", REQUESTS)
def test_missing_and_unknown_fields_are_named(refused, requests, name):
    method, path, body = requests[name]
    for field in body:
        if (name, field) not in OPTIONAL:
            rest = {other: value for other, value in body.items() if other != field}
            refused(method, path, json.dumps(rest), field, f"without {field}")
    for unknown in ("colour", "id", "version", "total_cost", "🦆", "x" * 5000, "a; DROP TABLE users"):
        refused(method, path, json.dumps(body | {unknown: 1}), unknown, f"with {unknown[:20]}")


@pytest.mark.parametrize("name", REQUESTS)
def test_unfit_values_are_named(refused, requests, name):
    method, path, body = requests[name]
    for field, value in body.items():
        unfit = UNFIT_TEXTS if isinstance(value, str) else UNFIT_IDS if field.endswith("_id") else UNFIT_NUMBERS
        for case, literal in unfit.items():
            if ((name, field) in NULLABLE and case == "null") or ((name, field) in SIGNED and case == "negative"):
                continue
            if (name, field) in FREE and case not in ("number", "boolean", "null", "array", "object", "deep"):
                continue
            raw = json.dumps(body | {field: "@@"}).replace('"@@"', literal)
            refused(method, path, raw, field, f"{field}: {case}")


@pytest.mark.parametrize("name", REQUESTS)
def test_lone_surrogate_as_a_field_name_is_refused(api, requests, name):
    method, path, body = requests[name]
    answer = api.request(method, path, json.dumps(body)[:-1] + ', "\\ud800": 1}')
    assert 400 <= answer.status < 500
    answer.text.encode()


def test_texts_are_kept_as_they_were_written(api):
    odd = {
        "name": "Robert'); DROP TABLE suppliers;-- 🦆",
        "city": "Łódź",
        "address": '<script>alert("x")</script>',
        "contact_person": "'' OR 1=1 %_\\",
    }
    made = api.post("/api/suppliers", odd)
    assert made.status == 201
    assert {name: made.json[name] for name in odd} == odd
    assert api.get(f"/api/suppliers/{made.json['id']}").json == made.json
    assert api.get("/api/suppliers?q=%3B--").json["suppliers"] == [made.json]
