"""What all storages come to is kept beside them: it says what they say, whatever moved them and whenever it began to be kept."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest
from sqlalchemy import text

from common import positions
from common.db import before_commit, transaction
from inventory import repository, service
from inventory.schemas import StockChange
from tests.factories import given_customer, given_procurement, given_product
from tests.gateway import acting_as
from tests.integration.services.conftest import count, wait_until_somebody_waits_for_a_row

FIGURES = ("storages", "quantity", "value", "low", "empty")


@pytest.fixture
def _settled_at_once(monkeypatch):
    monkeypatch.setattr(positions, "SETTLED_AFTER", timedelta(0))


def ask(api):
    found = api.get("/api/inventory/statistics").json
    return {name: found[name] for name in FIGURES}


def read_off(api):
    """The same in plain Python, storage by storage."""
    storages = api.get("/api/inventory?limit=500").json["inventory"]
    with transaction() as session:
        prices = {row.product_id: row.price_buy for row in session.execute(text("SELECT product_id, price_buy FROM storages"))}
    quantities = {storage["product_id"]: Decimal(str(storage["quantity"])) for storage in storages}
    return {
        "storages": len(storages),
        "quantity": float(sum(quantities.values())),
        "value": float(sum(quantity * prices[product_id] for product_id, quantity in quantities.items())),
        "low": sum(storage["low"] for storage in storages),
        "empty": sum(not storage["quantity"] for storage in storages),
    }


def path_of(api, product):
    storage = api.get(f"/api/inventory/product/{product['id']}").json
    return f"/api/inventory/{storage['id']}"


def begin_to_sum_up(api):
    """The first to ask finds no sums, the second makes them."""
    for _ in range(2):
        ask(api)
    assert count("stock_summed") == 1


class Trade:
    """What may happen to stock, one thing after the other."""

    def __init__(self, api, deliver, draw):
        self.api, self.deliver, self.draw = api, deliver, draw
        self.customer = given_customer(api)
        self.products = [given_product(api, stock=draw.choice([0, 0.5, 9.5, 10, 40]), price_buy=1.35) for _ in range(5)]
        self.orders = []
        deliver()

    def step(self):
        happens = (self.buy, self.sell, self.sell, self.cancel, self.price, self.count, self.correct, self.list_another)
        self.draw.choice(happens)(self.draw.choice(self.products))

    def buy(self, product):
        given_procurement(self.api, product, self.draw.choice([0.25, 3, 30]))

    def sell(self, product):
        order = {"customer_id": self.customer["id"], "product_id": product["id"], "quantity": self.draw.choice([1, 4])}
        answer = self.api.post("/api/orders", order)
        self.orders += [answer.json["id"]] if answer.status == 201 else []

    def cancel(self, _product):
        if self.orders:
            self.api.post(f"/api/orders/{self.draw.choice(self.orders)}/cancel")

    def price(self, product):
        same = {name: value for name, value in product.items() if name not in {"id", "version", "supplier"}}
        assert self.api.put(f"/api/products/{product['id']}", {**same, "price_buy": self.draw.choice([0, 1.1, 2.35])}).status == 200

    def count(self, product):
        assert self.api.put(path_of(self.api, product), {"quantity": self.draw.choice([0, 9.999, 10, 12])}).status == 200

    def correct(self, product):
        self.api.put(path_of(self.api, product), {"delta": self.draw.choice([-1, 2.5, -50])})

    def list_another(self, _product):
        unmoved = given_product(self.api)
        self.deliver()
        if self.draw.random() < 0.5:
            assert self.api.request("DELETE", f"/api/products/{unmoved['id']}").status == 204


@pytest.mark.usefixtures("_settled_at_once")
@pytest.mark.parametrize("begun_after", [0, 25])
def test_figures_are_those_of_the_storages_whatever_moves_them(api, deliver, begun_after):
    draw = Random(begun_after)
    trade = Trade(api, deliver, draw)
    for step in range(60):
        if step == begun_after:
            begin_to_sum_up(api)
        trade.step()
        if draw.random() < 0.7:
            deliver()
            assert ask(api) == read_off(api), step
    deliver()
    with transaction() as session:
        assert session.execute(text("SELECT COUNT(*) FROM stock_sums WHERE quantity <> 0")).scalar()
    assert ask(api) == read_off(api)


def test_sums_are_not_believed_before_whoever_knew_nothing_of_them_has_ended(api):
    given_product(api, stock=3)
    for _ in range(3):
        assert ask(api)["quantity"] == 3
    assert count("stock_summed") == 0


@pytest.mark.usefixtures("_settled_at_once")
def test_what_is_rolled_back_was_never_summed_up(api):
    product = given_product(api, stock=12)
    begin_to_sum_up(api)
    before = ask(api)

    def change_and_fail():
        with acting_as("inventory"), transaction() as session:
            service.change_storage(session, repository.of_product(session, product["id"]).id, StockChange(delta=-5))
            before_commit(session, lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    assert ask(api) == before == read_off(api)


@pytest.mark.usefixtures("_settled_at_once")
def test_who_begins_to_sum_up_waits_for_whoever_has_corrected_sums_and_leaves_others_their_correction(api):
    """One has changed stock and the sums, one stock only; both before the sums are made, which neither sees."""
    first, second = given_product(api, stock=5), given_product(api, stock=7)
    ask(api)

    def sum_up():
        with acting_as("inventory"), transaction() as session:
            repository.sum_up_stock(session)

    with ThreadPoolExecutor(1) as thread, acting_as("inventory"), transaction() as slow:
        service.change_storage(slow, repository.of_product(slow, second["id"]).id, StockChange(delta=4))
        with transaction() as quick:
            service.change_storage(quick, repository.of_product(quick, first["id"]).id, StockChange(delta=1))
            for action in quick.info.pop("before_commit"):
                action()
            summing = thread.submit(sum_up)
            wait_until_somebody_waits_for_a_row()
        summing.result(60)
        with transaction() as session:
            assert session.execute(text("SELECT SUM(quantity) FROM stock_sums")).scalar() == 13
    assert ask(api)["quantity"] == 17
    assert ask(api) == read_off(api)
