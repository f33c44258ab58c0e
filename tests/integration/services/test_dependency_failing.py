"""The supplier function made to fail: after five failures nobody waits for it, and nobody gets a wrong answer."""

import pytest
from freezegun import freeze_time

from common.breaker import FAILURES_TO_OPEN, SECONDS_OPEN
from common.redis_client import get_redis
from common.services import ATTEMPTS
from tests.factories import given_customer, given_product, given_supplier, product
from tests.integration.services.conftest import begin_anew, count

# A function that dies is asked again before that counts as a failure.
ASKED_BEFORE_OPEN = FAILURES_TO_OPEN * ATTEMPTS


class Failing:
    """A Lambda client in whose hands one function fails; it counts how often that one was asked."""

    def __init__(self, lambda_client, service):
        self._invoke, self._service = lambda_client.invoke, service
        self.asked, self.failing = 0, True

    def invoke(self, FunctionName, Payload):  # noqa: N803
        if FunctionName.endswith(f"-{self._service}"):
            self.asked += 1
            if self.failing:
                return {"FunctionError": "Unhandled", "Payload": _Body(b'{"errorMessage": "made to fail"}')}
        return self._invoke(FunctionName=FunctionName, Payload=Payload)


class _Body:
    def __init__(self, data):
        self.read = lambda: data


@pytest.fixture
def failing(api, lambda_client, monkeypatch):
    def make(service):
        made = Failing(lambda_client, service)
        monkeypatch.setattr(lambda_client, "invoke", made.invoke)
        return made

    return make


@pytest.fixture
def supplier(api):
    """A supplier that the cache does not know, so that its function has to be asked."""
    made = given_supplier(api)
    get_redis().delete(f"supplier:{made['id']}")
    return made


def test_after_five_failures_writes_are_refused_without_asking(api, supplier, failing):
    function = failing("supplier")
    answers = [api.post("/api/products", product(supplier["id"])) for _ in range(FAILURES_TO_OPEN + 3)]
    assert {(a.status, a.json["code"]) for a in answers} == {(503, "dependency_unavailable")}
    assert function.asked == ASKED_BEFORE_OPEN
    assert 1 <= int(answers[-1].headers["retry-after"]) <= SECONDS_OPEN
    assert count("products") == 0


def test_other_environments_do_not_ask_either(api, supplier, failing):
    function = failing("supplier")
    for _ in range(FAILURES_TO_OPEN):
        api.post("/api/products", product(supplier["id"]))
    begin_anew()
    assert api.post("/api/products", product(supplier["id"])).status == 503
    assert function.asked == ASKED_BEFORE_OPEN
    assert api.get("/api/products/health").json["breakers"]["supplier"] == "open"
    assert api.get("/api/products/health").json["status"] == "degraded"


def test_reads_fall_back_to_products_without_the_supplier_nobody_knows(api, failing):
    known, unknown = given_product(api), given_product(api)
    get_redis().delete(f"supplier:{unknown['supplier_id']}")
    failing("supplier")
    for _ in range(FAILURES_TO_OPEN + 1):
        assert api.get(f"/api/products/{unknown['id']}").json == unknown | {"supplier": None}
    assert api.get("/api/products").json["products"] == [known, unknown | {"supplier": None}]


def test_cached_supplier_serves_writes_while_its_function_fails(api, failing):
    made = given_supplier(api)
    function = failing("supplier")
    assert api.post("/api/products", product(made["id"])).status == 201
    assert function.asked == 0


def test_one_probe_goes_through_after_thirty_seconds_and_closes_it(api, supplier, failing):
    function = failing("supplier")
    with freeze_time(tz_offset=0) as clock:
        for _ in range(FAILURES_TO_OPEN + 2):
            api.post("/api/products", product(supplier["id"]))
        function.failing = False
        clock.tick(SECONDS_OPEN - 1)
        assert api.post("/api/products", product(supplier["id"])).status == 503
        clock.tick(2)
        assert api.post("/api/products", product(supplier["id"])).status == 201
        assert function.asked == ASKED_BEFORE_OPEN + 1
    assert api.get("/api/products/health").json["breakers"]["supplier"] == "closed"


def test_answers_of_4xx_do_not_open_it(api, failing):
    function = failing("supplier")
    function.failing = False
    for _ in range(FAILURES_TO_OPEN + 2):
        assert api.post("/api/products", product(999_999)).status == 422
    assert function.asked == FAILURES_TO_OPEN + 2


def test_order_is_taken_when_inventory_cannot_be_asked_and_its_event_decides(api, failing, deliver, stock_of):
    made, customer = given_product(api, stock=5), given_customer(api)
    failing("inventory")
    orders = [api.post("/api/orders", {"customer_id": customer["id"], "product_id": made["id"], "quantity": 4}) for _ in range(2)]
    assert [o.status for o in orders] == [201, 201]
    deliver()
    assert [api.get(f"/api/orders/{o.json['id']}").json["status"] for o in orders] == ["confirmed", "rejected"]
    assert stock_of(made) == 1


def test_stock_is_searched_while_the_product_service_cannot_be_asked(api, failing):
    made = given_product(api, stock=5)
    failing("product")
    found = api.get(f"/api/inventory?q={made['product_code']}").json["inventory"]
    assert [storage["product_id"] for storage in found] == [made["id"]]
