"""Creating once, however often the client asks."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from common.idempotency import Attempt
from common.identity import Role
from supplier import service
from supplier.schemas import SupplierIn
from tests.factories import given_customer, given_product, given_supplier, party, product, registration
from tests.gateway import signed_in
from tests.integration.services.conftest import count


def _bodies(api):
    made = given_product(api, stock=50)
    customer = given_customer(api)
    return {
        "/api/auth/register": (registration(), "users"),
        "/api/suppliers": (party(), "suppliers"),
        "/api/customers": (party(), "customers"),
        "/api/products": (product(made["supplier_id"]), "products"),
        "/api/inventory": ({"product_id": given_product(api)["id"], "quantity": 3}, "storages"),
        "/api/procurements": ({"supplier_id": made["supplier_id"], "product_id": made["id"], "quantity": 3}, "procurements"),
        "/api/orders": ({"customer_id": customer["id"], "product_id": made["id"], "quantity": 3}, "orders"),
    }


PATHS = ("auth/register", "suppliers", "customers", "products", "inventory", "procurements", "orders")


@pytest.mark.parametrize("path", [f"/api/{path}" for path in PATHS])
def test_every_creating_post_honours_the_key(api, path):
    body, table = _bodies(api)[path]
    before, told_before = count(table), count("outbox")
    first = api.post(path, body, headers={"Idempotency-Key": "abc"})
    told = count("outbox")
    second = api.post(path, body, headers={"Idempotency-Key": "abc"})
    assert (first.status, second.status) == (201, 201)
    assert first.json == second.json
    assert first.headers.get("location") == second.headers.get("location")
    assert second.headers["idempotency-replayed"] == "true"
    assert count(table) == before + 1
    assert count("outbox") == told >= told_before


def test_key_of_another_payload_is_refused(api):
    api.post("/api/suppliers", party(), headers={"Idempotency-Key": "abc"})
    answer = api.post("/api/suppliers", party(), headers={"Idempotency-Key": "abc"})
    assert (answer.status, answer.json["code"]) == (422, "idempotency_key_reused")
    assert count("suppliers") == 1


def test_key_is_the_users_own_and_the_routes_own(api):
    body = party()
    api.post("/api/suppliers", body, headers={"Idempotency-Key": "abc"})
    api.post("/api/customers", body, headers={"Idempotency-Key": "abc"})
    api.user = signed_in(Role.CLERK, user_id=2)
    api.post("/api/suppliers", body, headers={"Idempotency-Key": "abc"})
    assert (count("suppliers"), count("customers")) == (2, 1)


def test_refused_attempt_may_be_repeated(api):
    supplier = given_supplier(api)
    body = product(supplier["id"], product_code="X")
    api.post("/api/products", body)
    assert api.post("/api/products", body, headers={"Idempotency-Key": "k"}).status == 409
    api.delete(f"/api/products/{api.get('/api/products').json['products'][0]['id']}")
    assert api.post("/api/products", body, headers={"Idempotency-Key": "k"}).status == 201


@pytest.mark.parametrize("key", ["", "x" * 201, "ключ", "a\tb", " ", "a ", " a"])
def test_unusable_key_is_refused(api, key):
    answer = api.post("/api/suppliers", party(), headers={"Idempotency-Key": key})
    assert (answer.status, answer.json["code"]) == (400, "idempotency_key_malformed")
    assert count("suppliers") == 0


def test_of_twenty_at_once_one_creates_and_the_others_hear_of_it(clean):
    new = SupplierIn(**party())
    attempt = Attempt(scope="1 POST /api/suppliers", key="abc", payload=b"same")
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: attempt.run(lambda session: service.create_supplier(session, new)), range(20)))
    assert count("suppliers") == count("outbox") == 1
    assert len({document["id"] for document, _ in answers}) == 1
    assert sorted(replayed for _, replayed in answers) == [False] + [True] * 19
