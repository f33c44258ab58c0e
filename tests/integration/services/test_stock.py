"""How stock moves: by events, by hand, under concurrency, and never otherwise."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from common import positions
from common.db import transaction
from inventory import repository
from tests.factories import event, given_order, given_procurement, given_product
from tests.gateway import consumer
from tests.integration.services.conftest import count, hand_over, mark_delivered, movements_of, undelivered


def storage_path(api, product):
    storage = api.get(f"/api/inventory/product/{product['id']}").json
    return f"/api/inventory/{storage['id']}"


class TestByHand:
    def test_opening_stock_is_written_once(self, api, stock_of):
        product = given_product(api)
        opened = api.post("/api/inventory", {"product_id": product["id"], "quantity": 12.5})
        assert opened.status == 201
        assert api.get(opened.headers["location"]).json["quantity"] == 12.5
        again = api.post("/api/inventory", {"product_id": product["id"], "quantity": 1})
        assert (again.status, again.json["code"]) == (409, "storage_exists")
        assert stock_of(product) == 12.5

    def test_opening_stock_of_an_unknown_product_is_refused(self, api):
        answer = api.post("/api/inventory", {"product_id": 999, "quantity": 1})
        assert (answer.status, answer.json["errors"][0]["field"]) == (422, "product_id")
        assert count("storages") == count("stock_movements") == 0

    def test_change_by_quantity_and_by_delta_writes_movements(self, api, stock_of):
        product = given_product(api, stock=10)
        path = storage_path(api, product)
        assert api.put(path, {"quantity": 7, "reason": "count", "reference": "yearly count"}).json["quantity"] == 7
        assert api.put(path, {"delta": 2.5, "reason": "return"}).json["quantity"] == 9.5
        assert api.put(path, {"delta": -0.5, "reason": "damage"}).json["quantity"] == 9
        assert stock_of(product) == 9
        assert [(m["delta"], m["balance_after"], m["reason"]) for m in movements_of(api, product)] == [
            (10, 10, "opening"),
            (-3, 7, "count"),
            (2.5, 9.5, "return"),
            (-0.5, 9, "damage"),
        ]
        assert api.get(f"/api/inventory/product/{product['id']}/movements?reason=count").json["movements"][0]["reference"] == "yearly count"

    def test_stock_never_falls_below_zero(self, api, stock_of):
        product = given_product(api, stock=5)
        answer = api.put(storage_path(api, product), {"delta": -6})
        assert (answer.status, answer.json["code"], answer.json["available"]) == (409, "insufficient_stock", 5)
        assert stock_of(product) == 5

    def test_delta_counts_once_per_idempotency_key(self, api, stock_of):
        product = given_product(api, stock=5)
        path = storage_path(api, product)
        answers = [api.put(path, {"delta": -1}, headers={"Idempotency-Key": "k"}) for _ in range(3)]
        assert [a.json for a in answers] == [answers[0].json] * 3
        assert [a.headers.get("idempotency-replayed") for a in answers] == [None, "true", "true"]
        assert stock_of(product) == 4

    def test_unknown_storage_is_not_found(self, api):
        assert api.get("/api/inventory/9").status == api.put("/api/inventory/9", {"delta": 1}).status == 404
        assert api.get("/api/inventory/product/9").status == api.get("/api/inventory/product/9/movements").status == 404

    def test_lists_carry_products_and_narrow(self, api):
        lamp = given_product(api, stock=3, name="Red lamp")
        chair = given_product(api, stock=30, name="Chair")
        listed = api.get("/api/inventory?sort=-quantity").json["inventory"]
        assert [(s["product"]["name"], s["low"]) for s in listed] == [("Chair", False), ("Red lamp", True)]
        assert [s["product_id"] for s in api.get("/api/inventory?low=true").json["inventory"]] == [lamp["id"]]
        assert [s["product_id"] for s in api.get("/api/inventory?low=false").json["inventory"]] == [chair["id"]]
        assert [s["product_id"] for s in api.get("/api/inventory?q=chair").json["inventory"]] == [chair["id"]]
        assert api.get("/api/inventory?q=sofa").json["total"] == 0
        assert api.get(f"/api/inventory?product_id={lamp['id']}").json["total"] == 1


class TestByEvents:
    def test_new_product_has_an_empty_storage(self, api, deliver, stock_of):
        product = given_product(api)
        assert api.get(f"/api/inventory/product/{product['id']}").status == 404
        deliver()
        assert stock_of(product) == 0

    @pytest.mark.parametrize("times", [5])
    def test_same_event_counts_once(self, api, stock_of, times):
        product = given_product(api)
        mark_delivered()
        given_procurement(api, product, 7)
        (_, stock_in) = undelivered()[0]
        for _ in range(times):
            assert hand_over("inventory", stock_in) == []
        assert hand_over("inventory", *[stock_in] * times) == []
        assert stock_of(product) == 7
        assert len(movements_of(api, product)) == 1

    def test_same_event_counts_once_when_delivered_five_times_at_once(self, api, stock_of):
        product = given_product(api)
        mark_delivered()
        for _ in range(5):
            given_procurement(api, product, 1)
        events = [e for _, e in undelivered()]
        with ThreadPoolExecutor(10) as threads:
            failures = list(threads.map(lambda batch: hand_over("inventory", *batch), [events, events[::-1]] * 5))
        assert failures == [[]] * 10
        assert stock_of(product) == 5

    def test_events_in_any_order_give_the_same_stock(self, api, stock_of):
        product = given_product(api, stock=100)
        customer = given_order(api, product, 1)["customer_id"]
        mark_delivered()
        given_procurement(api, product, 20)
        given_procurement(api, product, 3)
        kept = given_order(api, product, 10, customer_id=customer)
        cancelled = given_order(api, product, 5, customer_id=customer)
        api.post(f"/api/orders/{cancelled['id']}/cancel")
        events = [e for _, e in undelivered()]
        assert len(events) == 5
        mark_delivered()
        for order in itertools.islice(itertools.permutations(events), 0, 120, 17):
            before = stock_of(product)
            copies = [e | {"event_id": event("x")["event_id"]} for e in order]
            renamed = [c | ({"order_id": c["order_id"] + before * 1000} if "order_id" in c else {}) for c in copies]
            for one in renamed:
                assert hand_over("inventory", one) == []
            assert stock_of(product) == before + 20 + 3 - 10
        assert kept["status"] == "pending"

    def test_poison_event_fails_alone(self, api, stock_of):
        product = given_product(api)
        mark_delivered()
        given_procurement(api, product, 7)
        given_procurement(api, product, 8)
        good = [e for _, e in undelivered()]
        poison = [
            event("procurement_stock_in", product_id=product["id"], quantity="many", procurement_id=1),
            event("procurement_stock_in", product_id=product["id"], quantity=-5, procurement_id=1),
            event("procurement_stock_in", product_id=999_999, quantity=5, procurement_id=1),
            event("procurement_stock_in", quantity=5, procurement_id=1),
            event("supplier_created", product_id=product["id"]),
            event("no_such_event", product_id=product["id"]),
        ]
        failed = hand_over("inventory", good[0], *poison, good[1])
        assert [f["itemIdentifier"] for f in failed] == [e["event_id"] for e in poison]
        assert all(f["reason"] for f in failed)
        assert stock_of(product) == 15
        assert hand_over("inventory", good[0], good[1]) == []
        assert stock_of(product) == 15

    def test_event_without_an_id_fails_alone(self, api, stock_of):
        product = given_product(api)
        mark_delivered()
        given_procurement(api, product, 7)
        assert len(hand_over("inventory", {"event_type": "procurement_stock_in", "product_id": product["id"]}, undelivered()[0][1])) == 1
        assert stock_of(product) == 7

    def test_payload_that_is_no_batch_is_refused(self, api):
        for payload in ({}, {"events": None}, {"Records": []}, {"events": ["?"]}):
            with pytest.raises(ValueError, match="events"):
                consumer("inventory")(payload, None)


class TestLastUnit:
    def test_of_fifty_orders_exactly_one_is_confirmed(self, api, deliver, stock_of):
        product = given_product(api, stock=1)
        customer = given_order(api, given_product(api, stock=1))["customer_id"]
        deliver()
        orders = [given_order(api, product, 1, customer_id=customer) for _ in range(50)]
        events = [e for _, e in undelivered()]
        assert len(events) == 50
        with ThreadPoolExecutor(50) as threads:
            failures = list(threads.map(lambda e: hand_over("inventory", e), events))
        assert failures == [[]] * 50
        deliver()
        statuses = [api.get(f"/api/orders/{order['id']}").json["status"] for order in orders]
        assert sorted(statuses) == ["confirmed"] + ["rejected"] * 49
        assert stock_of(product) == 0
        assert api.post("/api/orders", {"customer_id": customer, "product_id": product["id"], "quantity": 1}).status == 409

    def test_batches_over_the_same_products_in_opposite_order_both_succeed(self, api, deliver, stock_of):
        products = [given_product(api, stock=1000) for _ in range(4)]
        customer = given_order(api, products[0])["customer_id"]
        deliver()
        before = [stock_of(p) for p in products]
        for _ in range(10):
            for product in products:
                given_order(api, product, 1, customer_id=customer)
        events = [e for _, e in undelivered()]
        batches = [events[i::8] if i % 2 else events[i::8][::-1] for i in range(8)]
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(lambda batch: hand_over("inventory", *batch), batches)) == [[]] * 8
        deliver()
        assert [stock_of(p) for p in products] == [quantity - 10 for quantity in before]
        assert api.get("/api/orders?status=confirmed").json["total"] == 41


class TestAlerts:
    def alerts(self, api, status="all"):
        return api.get(f"/api/inventory/alerts?status={status}").json["alerts"]

    def test_fires_once_per_crossing_names_its_cause_and_clears(self, api, deliver):
        product = given_product(api, stock=12)
        order = given_order(api, product, 3)
        cause = undelivered()[-1][1]["event_id"]
        deliver()
        (alert,) = self.alerts(api, "active")
        assert (alert["product_id"], alert["quantity"], alert["threshold"], alert["cleared_at"]) == (product["id"], 9, 10, None)
        assert alert["cause_event_id"] == cause
        assert api.get(f"/api/inventory/product/{product['id']}").json["low_since"] is not None

        given_order(api, product, 3, customer_id=order["customer_id"])
        deliver()
        assert self.alerts(api) == [alert]

        given_procurement(api, product, 4)
        deliver()
        assert self.alerts(api, "active") == []
        (cleared,) = self.alerts(api, "cleared")
        assert cleared["id"] == alert["id"]
        assert cleared["cleared_at"] > cleared["occurred_at"]
        assert api.get(f"/api/inventory/product/{product['id']}").json["low_since"] is None

        given_order(api, product, 1, customer_id=order["customer_id"])
        deliver()
        assert len(self.alerts(api, "active")) == 1
        assert len(self.alerts(api)) == 2

    def test_alerts_are_the_same_in_whatever_order_they_are_heard(self, api, deliver):
        product = given_product(api, stock=12)
        deliver()
        path = storage_path(api, product)
        for quantity in (5, 15, 4, 20, 3):
            api.put(path, {"quantity": quantity})
        crossings = [e for channel, e in undelivered() if channel == "inventory_alert"]
        assert [e["event_type"] for e in crossings] == ["low_stock", "stock_recovered"] * 2 + ["low_stock"]
        for one in crossings[::-1]:
            assert hand_over("inventory", one) == []
        falls = sorted(self.alerts(api), key=lambda alert: -alert["quantity"])
        assert [(a["quantity"], a["cleared_at"] is None) for a in falls] == [(5, False), (4, False), (3, True)]

    def test_product_that_was_never_above_the_threshold_does_not_alarm(self, api, deliver):
        given_product(api, stock=4)
        deliver()
        assert self.alerts(api) == []

    def test_unfit_status_is_named(self, api):
        assert api.get("/api/inventory/alerts?status=red").json["errors"][0]["field"] == "status"


class TestReconcile:
    def test_adds_up_per_product_and_reason(self, api, deliver):
        product = given_product(api)
        given_procurement(api, product, 50)
        deliver()
        customer = given_order(api, product, 10)["customer_id"]
        cancelled = given_order(api, product, 4, customer_id=customer)
        deliver()
        api.post(f"/api/orders/{cancelled['id']}/cancel")
        deliver()
        api.put(storage_path(api, product), {"delta": 2, "reason": "return"})
        api.put(storage_path(api, product), {"delta": -1, "reason": "damage"})
        answer = api.get("/api/inventory/reconcile").json
        assert (answer["reconciled"], answer["mismatched"], answer["total"]) == (True, 0, 1)
        (row,) = answer["products"]
        assert row == {
            "product_id": product["id"], "quantity": 41, "movements": 41, "difference": 0, "opening": 0,
            "procured": 50, "ordered": 14, "cancelled": 4, "returned": 2, "corrected": -1,
        }  # fmt: skip

    def test_finds_stock_that_was_changed_behind_the_ledger(self, api):
        good, bad = given_product(api, stock=5), given_product(api, stock=5)
        with transaction() as session:
            session.execute(text("UPDATE storages SET quantity = 6 WHERE product_id = :id"), {"id": bad["id"]})
        answer = api.get("/api/inventory/reconcile?mismatched=true").json
        assert (answer["reconciled"], answer["mismatched"], answer["total"]) == (False, 1, 1)
        assert [(row["product_id"], row["difference"]) for row in answer["products"]] == [(bad["id"], 1)]
        assert api.get("/api/inventory/reconcile").json["total"] == 2
        assert good["id"] != bad["id"]

    def test_is_the_same_however_much_of_the_ledger_was_summed_up_before(self, api, deliver, monkeypatch):
        monkeypatch.setattr(positions, "SETTLED_AFTER", timedelta(0))
        monkeypatch.setattr(repository, "_SUMMED_AT_ONCE", 3)
        product, other = given_product(api, stock=5), given_product(api, stock=7)
        for delta in (1, 2, 3, -4):
            api.put(storage_path(api, product), {"delta": delta})
        seen = [api.get("/api/inventory/reconcile").json for _ in range(5)]
        assert count("ledger_sums") == 2
        assert all(answer == seen[0] for answer in seen)
        assert [(row["quantity"], row["opening"], row["corrected"]) for row in seen[0]["products"]] == [(7, 5, 2), (7, 7, 0)]
        api.put(storage_path(api, other), {"delta": -2, "reason": "damage"})
        changed = [api.get("/api/inventory/reconcile").json for _ in range(3)]
        assert [(row["quantity"], row["movements"], row["corrected"]) for row in changed[-1]["products"]] == [(7, 7, 2), (5, 5, -2)]
        assert all(answer == changed[0] for answer in changed)
        assert changed[0]["reconciled"]

    @pytest.mark.parametrize("unfit", ["start=-1", "start=99999999999999999999999", "limit=501", "mismatched=perhaps"])
    def test_unfit_parameter_is_named(self, api, unfit):
        answer = api.get(f"/api/inventory/reconcile?{unfit}")
        assert (answer.status, answer.json["errors"][0]["field"]) == (422, unfit.split("=")[0])
