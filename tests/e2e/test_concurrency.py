"""Many at the same moment: what only one can have, only one gets."""

from concurrent.futures import ThreadPoolExecutor

from tests.e2e.client import Clerk, eventually


def test_fifty_clients_order_the_last_unit_and_one_gets_it(system):
    clerk = Clerk(system.gateway_url)
    customer, product = clerk.customer(), clerk.stocked_product(1)

    with ThreadPoolExecutor(50) as clients:
        answers = list(clients.map(lambda _: clerk.order(customer, product, 1), range(50)))

    assert {a.status_code for a in answers} <= {201, 409}
    assert {a.json()["code"] for a in answers if a.status_code == 409} <= {"insufficient_stock"}
    decided = [clerk.decided(a.json()["id"]) for a in answers if a.status_code == 201]
    assert sorted(o["status"] for o in decided) == ["confirmed"] + ["rejected"] * (len(decided) - 1)
    assert all("in stock" in o["status_reason"] for o in decided if o["status"] == "rejected")
    assert clerk.stock(product) == 0


def test_the_same_idempotency_key_at_once_makes_one_order(system):
    clerk = Clerk(system.gateway_url)
    customer, product = clerk.customer(), clerk.stocked_product(100)

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: clerk.order(customer, product, 7, **{"idempotency-key": "once"}), range(8)))

    assert {a.status_code for a in answers} == {201}
    assert len({a.json()["id"] for a in answers}) == 1
    assert sum("idempotency-replayed" not in a.headers for a in answers) == 1
    eventually(lambda: clerk.stock(product) == 93, what="a stock of 93")


def test_orders_and_cancellations_of_one_product_at_once_add_up(system):
    clerk = Clerk(system.gateway_url)
    customer, product = clerk.customer(), clerk.stocked_product(500)

    def order_and_perhaps_cancel(number):
        order_id = clerk.order(customer, product, 5).json()["id"]
        if number % 2:
            clerk.http.post(f"/api/orders/{order_id}/cancel").raise_for_status()
        return order_id

    with ThreadPoolExecutor(8) as clients:
        order_ids = list(clients.map(order_and_perhaps_cancel, range(40)))

    statuses = [clerk.decided(order_id)["status"] for order_id in order_ids]
    assert (statuses.count("confirmed"), statuses.count("cancelled")) == (20, 20)
    eventually(lambda: clerk.stock(product) == 400, what="a stock of 400")
