"""A batch costs a handful of statements, however many events it has."""

from contextlib import contextmanager

import pytest
import sqlalchemy

from tests.factories import given_customer, given_order, given_product
from tests.integration.services.conftest import hand_over, mark_delivered, undelivered


@contextmanager
def counted():
    """The statements sent to the database meanwhile."""
    statements = []

    def note(_connection, _cursor, statement, *_):
        statements.append(statement)

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)


def heard(channel):
    return [event for name, event in undelivered() if name == channel]


@pytest.mark.parametrize(("name", "channel"), [("inventory", "order_stock_out"), ("order", "order_status")])
def test_forty_events_cost_no_more_statements_than_four(api, deliver, name, channel):
    customer = given_customer(api)
    products = [given_product(api, stock=1000) for _ in range(4)]
    deliver()
    costs = []
    for orders in (4, 40):
        for number in range(orders):
            given_order(api, products[number % len(products)], 1, customer_id=customer["id"])
        if name == "order":
            hand_over("inventory", *heard("order_stock_out"))
        events = heard(channel)
        assert len(events) == orders
        with counted() as statements:
            assert hand_over(name, *events) == []
        costs.append(len(statements))
        mark_delivered()
    assert costs[0] == costs[1]
    assert costs[1] < 12
