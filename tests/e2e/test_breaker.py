"""A service that fails is left alone, by every environment, and asked again with care."""

import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
import redis

from common.breaker import SECONDS_OPEN
from tests.e2e.client import Clerk, eventually, invocations, product_fields

_FUNCTION = "inventory-supplier"


@pytest.fixture
def failing_supplier(system):
    """The supplier function unable to reach its database; yields what makes it able again."""
    client = boto3.client(
        "lambda", endpoint_url=system.localstack_url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    variables = client.get_function_configuration(FunctionName=_FUNCTION)["Environment"]["Variables"]

    def configure(values):
        client.update_function_configuration(FunctionName=_FUNCTION, Environment={"Variables": values})
        client.get_waiter("function_updated_v2").wait(FunctionName=_FUNCTION, WaiterConfig={"Delay": 1})

    configure(variables | {"DATABASE_PORT": "1"})
    yield lambda: configure(variables)
    configure(variables)


def _forget_suppliers(system):
    client = redis.Redis(port=system.ports.redis)
    for key in client.scan_iter("supplier:*"):
        client.delete(key)


def test_after_five_failures_answers_come_at_once_until_a_probe_succeeds(system, failing_supplier):
    clerk = Clerk(system.gateway_url)
    product = clerk.get("/api/products", limit=1)["products"] or [None]
    assert product[0] is None or product[0]["supplier"] is not None
    _forget_suppliers(system)

    def create(_=None):
        return clerk.http.post("/api/products", json=product_fields(1))

    began = time.monotonic()

    def is_surely_open():
        """Whether its time cannot be over, which begins later than this: on a slow machine what follows may take longer."""
        return time.monotonic() - began < SECONDS_OPEN

    failing = [create() for _ in range(5)]
    assert {a.status_code for a in failing} == {503}
    assert clerk.get("/api/products/health")["breakers"]["supplier"] == "open"

    asked = invocations(system, "supplier")
    with ThreadPoolExecutor(8) as clients:  # so many that several environments answer
        refused = list(clients.map(create, range(24)))
    asked = invocations(system, "supplier") - asked
    if is_surely_open():
        assert asked == 0
    assert {a.status_code for a in refused} == {503}
    assert all(1 <= int(a.headers["retry-after"]) <= 30 for a in refused)
    if product[0]:
        # What can be answered without the supplier is: the documented fallback.
        shown = clerk.get(f"/api/products/{product[0]['id']}")
        assert shown["supplier"] is None
        assert shown["supplier_id"] == product[0]["supplier_id"]

    failing_supplier()  # well again, but nobody asks before the thirty seconds are over
    supplier = clerk.supplier()
    # Who hears of a supplier puts it into the cache, and that would answer.
    eventually(clerk.all_is_heard_of, what="that the supplier's event was consumed")
    _forget_suppliers(system)
    answer = create()
    if is_surely_open():
        assert answer.status_code == 503

    def closed():
        _forget_suppliers(system)  # else the cache would answer, and nobody would have to ask
        answer = clerk.http.post("/api/products", json=product_fields(supplier["id"]))
        return answer if answer.status_code == 201 else None

    eventually(closed, seconds=100, what="the probe's success")
    assert time.monotonic() - began > 25
    assert clerk.get("/api/products/health")["breakers"]["supplier"] == "closed"
