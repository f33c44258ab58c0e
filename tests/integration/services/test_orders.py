"""The life of an order: born pending, decided by inventory's event, cancelled by a person, in whatever order that is heard."""

import pytest

from common.cache import EntityCache
from tests.factories import event, given_customer, given_order, given_product
from tests.integration.services.conftest import count, hand_over, mark_delivered, movements_of, undelivered


@pytest.fixture
def product(api, deliver):
    made = given_product(api, stock=40)
    deliver()
    return made


def status_of(api, order):
    return api.get(f"/api/orders/{order['id']}").json["status"]


def cancel(api, order):
    return api.post(f"/api/orders/{order['id']}/cancel")


def test_order_is_confirmed_and_takes_its_stock(api, product, deliver, stock_of):
    order = given_order(api, product, 10)
    assert (order["status"], order["unit_price"], order["total_cost"]) == ("pending", 2.5, 25)
    deliver()
    confirmed = api.get(f"/api/orders/{order['id']}").json
    assert (confirmed["status"], confirmed["version"]) == ("confirmed", 2)
    assert api.get("/api/orders?status=confirmed").json["orders"] == [confirmed]
    assert stock_of(product) == 30
    assert movements_of(api, product)[-1]["reference"] == f"order:{order['id']}"


def test_trace_runs_from_the_request_to_the_last_consumer(api, product, deliver):
    body = {"customer_id": given_customer(api)["id"], "product_id": product["id"], "quantity": 1}
    mark_delivered()
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    answer = api.post("/api/orders", body, headers={"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"})
    assert answer.headers["x-trace-id"] == trace_id
    assert {event["trace_id"] for event in deliver()} == {trace_id}
    assert movements_of(api, product)[-1]["trace_id"] == trace_id


def test_order_of_more_than_there_is_is_refused_at_once(api, product, stock_of):
    body = {"customer_id": given_customer(api)["id"], "product_id": product["id"], "quantity": 100}
    answer = api.post("/api/orders", body)
    assert (answer.status, answer.json["code"], answer.json["available"], answer.json["requested"]) == (409, "insufficient_stock", 40, 100)
    assert "40" in answer.json["detail"]
    assert count("orders") == 0
    assert stock_of(product) == 40


def test_order_is_rejected_when_stock_ran_out_meanwhile(api, product, deliver, stock_of):
    first, second = given_order(api, product, 30), given_order(api, product, 30)
    deliver()
    assert [status_of(api, o) for o in (first, second)] == ["confirmed", "rejected"]
    assert api.get(f"/api/orders/{second['id']}").json["status_reason"] == "only 10 of 30 in stock"
    assert stock_of(product) == 10


def test_order_of_a_product_without_a_storage_is_refused(api):
    product = given_product(api)
    answer = api.post("/api/orders", {"customer_id": given_customer(api)["id"], "product_id": product["id"], "quantity": 1})
    assert (answer.status, answer.json["available"]) == (409, 0)


class TestCancel:
    def test_before_the_decision_takes_nothing(self, api, product, deliver, stock_of):
        order = given_order(api, product, 5)
        assert cancel(api, order).json["status"] == "cancelled"
        deliver()
        assert status_of(api, order) == "cancelled"
        assert stock_of(product) == 40

    def test_after_the_decision_returns_the_stock(self, api, product, deliver, stock_of):
        order = given_order(api, product, 5)
        deliver()
        assert stock_of(product) == 35
        cancel(api, order)
        deliver()
        assert status_of(api, order) == "cancelled"
        assert stock_of(product) == 40

    @pytest.mark.parametrize("reverse", [False, True])
    def test_while_inventory_decides_in_either_order(self, api, product, deliver, stock_of, reverse):
        order = given_order(api, product, 5)
        cancel(api, order)
        events = [e for _, e in undelivered() if e["event_type"].startswith("order_")]
        for one in reversed(events) if reverse else events:
            assert hand_over("inventory", one) == []
        deliver()
        assert status_of(api, order) == "cancelled"
        assert stock_of(product) == 40

    @pytest.mark.parametrize("reverse", [False, True])
    def test_of_an_order_that_would_be_rejected_invents_no_stock(self, api, product, deliver, stock_of, reverse):
        given_order(api, product, 40)
        late = given_order(api, product, 40)
        cancel(api, late)
        events = [e for _, e in undelivered() if e["event_type"].startswith("order_")]
        assert hand_over("inventory", events[0]) == []
        for one in reversed(events[1:]) if reverse else events[1:]:
            assert hand_over("inventory", one) == []
        deliver()
        assert status_of(api, late) == "cancelled"
        assert stock_of(product) == 0

    def test_twice_is_as_good_as_once(self, api, product, deliver, stock_of):
        order = given_order(api, product, 5)
        deliver()
        first = cancel(api, order)
        second = cancel(api, order)
        assert (first.status, second.status) == (200, 200)
        assert first.json == second.json
        deliver()
        assert stock_of(product) == 40

    def test_of_a_rejected_order_is_refused(self, api, product, deliver):
        given_order(api, product, 40)
        order = given_order(api, product, 40)
        deliver()
        answer = cancel(api, order)
        assert (answer.status, answer.json["code"]) == (409, "order_rejected")
        assert status_of(api, order) == "rejected"

    def test_of_an_unknown_order_is_not_found(self, api):
        assert api.post("/api/orders/1/cancel").status == 404

    @pytest.mark.parametrize("body", ["{", "[]", "null!", '{"colour": "red"}'])
    def test_with_a_body_that_says_something_is_refused(self, api, product, body):
        order = given_order(api, product, 5)
        answer = api.post(f"/api/orders/{order['id']}/cancel", body)
        assert 400 <= answer.status < 500
        assert answer.json["errors"]
        assert status_of(api, order) == "pending"

    @pytest.mark.parametrize("body", ["", "{}"])
    def test_with_an_empty_body_is_fine(self, api, product, body):
        order = given_order(api, product, 5)
        assert api.post(f"/api/orders/{order['id']}/cancel", body).status == 200


def test_late_decision_does_not_undo_another(api, product, deliver):
    order = given_order(api, product, 5)
    deliver()
    rejected = event("order_rejected", order_id=order["id"], product_id=product["id"], quantity=5, available=0)
    assert hand_over("order", rejected) == []
    assert status_of(api, order) == "confirmed"


def test_lists_by_product_customer_and_status(api, product, deliver):
    customer = given_customer(api)
    orders = [given_order(api, product, 1, customer_id=customer["id"]) for _ in range(3)]
    given_order(api, product)
    assert api.get(f"/api/orders/customer/{customer['id']}").json["orders"] == orders
    assert api.get(f"/api/orders/product/{product['id']}").json["total"] == 4
    assert api.get("/api/orders?status=pending&limit=2").json["total"] == 4
    deliver()
    assert api.get("/api/orders?status=pending").json["total"] == 0
    assert api.get(f"/api/orders?q={customer['name'].replace(' ', '%20')}&sort=-id").json["orders"][0]["id"] == orders[2]["id"]
    assert api.get("/api/orders?status=lost").json["errors"][0]["field"] == "status"


@pytest.mark.parametrize("missing", ["customer_id", "product_id"])
def test_unknown_customer_or_product_is_refused_and_named(api, product, missing):
    body = {"customer_id": given_customer(api)["id"], "product_id": product["id"], "quantity": 1} | {missing: 999_999}
    answer = api.post("/api/orders", body)
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, missing)
    assert count("orders") == 0


def test_customer_deleted_meanwhile_is_refused(api, product):
    customer = given_customer(api)
    assert api.delete(f"/api/customers/{customer['id']}").status == 204
    answer = api.post("/api/orders", {"customer_id": customer["id"], "product_id": product["id"], "quantity": 1})
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "customer_id")


def test_customer_deleted_behind_the_cache_is_noticed_by_the_foreign_key(api, product):
    EntityCache("customer").put([{"id": 4711, "version": 1, "name": "Ghost"}])
    answer = api.post("/api/orders", {"customer_id": 4711, "product_id": product["id"], "quantity": 1})
    assert (answer.status, answer.json["code"]) == (422, "reference_not_found")
    assert count("orders") == 0
