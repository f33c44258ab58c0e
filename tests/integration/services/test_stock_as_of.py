"""How much there was at a moment: exactly what the ledger says, for every moment, and for ever the same."""

import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from common.db import transaction
from inventory import stock
from inventory.stock import StockBook
from tests.factories import given_product
from tests.integration.services.conftest import movements_of, wait_until_somebody_waits_for_a_row


def as_of(api, product, moment):
    answer = api.get(f"/api/inventory/product/{product['id']}?as_of={iso(moment)}")
    assert answer.status == 200, answer.text
    return answer.json


def iso(moment):
    return moment.isoformat().replace("+00:00", "Z")


def move(product, *deltas):
    """Move stock by hand, in a transaction for each delta."""
    for delta in deltas:
        with transaction() as session:
            book = StockBook(session, [product["id"]])
            book.change_by_hand(product["id"], Decimal(delta), "correction", stock_event(), None)
            book.write()


def stock_event():
    return f"{time.time_ns()}"


def moments_of(api, product):
    """When each movement was, and what it left."""
    return [(datetime.fromisoformat(m["created_at"]), m["balance_after"]) for m in movements_of(api, product)]


def test_between_any_two_movements_there_was_what_the_first_left(api):
    product, other = given_product(api, stock=20), given_product(api, stock=7)
    move(product, -15, 3, "0.5", -8)
    move(other, 1)
    ledger = moments_of(api, product)
    assert [balance for _, balance in ledger] == [20, 5, 8, 8.5, 0.5]

    assert as_of(api, product, ledger[0][0] - timedelta(microseconds=1))["quantity"] == 0
    for (moment, balance), following in zip(ledger, [*[moment for moment, _ in ledger[1:]], datetime.now(UTC)], strict=True):
        assert as_of(api, product, moment)["quantity"] == balance
        assert as_of(api, product, following - timedelta(microseconds=1))["quantity"] == balance
    then = as_of(api, product, ledger[0][0])
    assert (then["as_of"], then["low"], then["low_since"], then["version"]) == (iso(ledger[0][0]), False, None, None)
    assert then["product"]["product_code"] == product["product_code"]
    storage = api.get(f"/api/inventory/{then['id']}?as_of={iso(ledger[1][0])}").json
    assert (storage["quantity"], storage["low"]) == (5, True)
    now = api.get(f"/api/inventory/{then['id']}").json
    assert (now["quantity"], now["version"], now["as_of"]) == (0.5, 5, None)


def test_the_list_of_a_moment_is_narrowed_and_sorted_by_what_there_was(api):
    low, middle, high = (given_product(api, stock=quantity) for quantity in (5, 20, 40))
    moment = datetime.now(UTC)
    move(low, 100)
    move(high, -39)
    new = given_product(api)

    def listed(query=""):
        answer = api.get(f"/api/inventory?as_of={iso(moment)}{query}").json
        return [(storage["product_id"], storage["quantity"]) for storage in answer["inventory"]], answer["total"]

    then = [(low["id"], 5), (middle["id"], 20), (high["id"], 40)]
    assert listed() == (then, 3)
    assert listed("&sort=-quantity") == (then[::-1], 3)
    assert listed("&low=true") == (then[:1], 1)
    assert listed("&low=false&limit=1&start=1") == (then[2:], 2)
    assert listed(f"&product_ids={high['id']},{low['id']}") == ([then[0], then[2]], 2)
    assert new["id"] not in [product for product, _ in listed()[0]]


@pytest.mark.parametrize(
    "moment",
    ["", "yesterday", "2026-11-24", "1700000000", "20261124T101112Z", "2026-13-01T00:00:00Z", "2026-11-24T10:00:00 02:00"],
)
def test_what_is_no_moment_is_refused_and_said_how_one_is_written(api, moment):
    product = given_product(api)
    for path in (f"/api/inventory/product/{product['id']}", "/api/inventory", "/api/inventory/1"):
        answer = api.get(f"{path}?as_of={moment}")
        assert (answer.status, answer.json["errors"][0]["field"]) == (422, "as_of")
    if moment != "2026-13-01T00:00:00Z":
        assert "2026-11-24T20:43:50.050712Z" in answer.json["detail"]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-12:00"])
def test_a_moment_beyond_the_calendar_is_refused(api, moment):
    answer = api.get(f"/api/inventory?as_of={moment.replace('+', '%2B')}")
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "as_of")


def test_the_future_is_not_told(api):
    product = given_product(api, stock=1)
    for path in (f"/api/inventory/product/{product['id']}", "/api/inventory", "/api/inventory/1"):
        answer = api.get(f"{path}?as_of={iso(datetime.now(UTC) + timedelta(seconds=5))}")
        assert (answer.status, answer.json["code"]) == (422, "moment_in_the_future")


def test_an_offset_is_understood_and_utc_is_meant_without_one(api):
    product = given_product(api, stock=20)
    ((moment, _),) = moments_of(api, product)
    there = moment.astimezone(datetime.fromisoformat("2026-01-01T00:00:00+02:00").tzinfo).isoformat().replace("+", "%2B")
    for written in (there, moment.replace(tzinfo=None).isoformat(), iso(moment)):
        assert api.get(f"/api/inventory/product/{product['id']}?as_of={written}").json["quantity"] == 20


def test_a_clock_that_is_set_back_does_not_change_what_was(api, monkeypatch):
    product = given_product(api, stock=20)
    before = datetime.now(UTC)
    monkeypatch.setattr(stock, "utc_now", lambda: datetime.now(UTC) - timedelta(hours=2))
    move(product, -5, -5)
    monkeypatch.undo()
    move(product, 1)
    ledger = moments_of(api, product)
    assert [moment for moment, _ in ledger] == sorted(moment for moment, _ in ledger)
    # The two that the wrong clock would have put before the opening came with the last that had the right one.
    assert as_of(api, product, before)["quantity"] == 10
    assert as_of(api, product, ledger[-1][0])["quantity"] == 11


def test_an_answer_waits_for_a_movement_that_is_about_to_be_committed_before_its_moment(api):
    product = given_product(api, stock=20)
    told, answers = threading.Event(), []

    def ask(moment):
        answers.append(as_of(api, product, moment)["quantity"])
        told.set()

    with transaction() as session:
        book = StockBook(session, [product["id"]])
        book.change_by_hand(product["id"], Decimal(-5), "correction", stock_event(), None)
        book.write()
        session.flush()
        # The movement is of before this moment, but nobody else can see it yet.
        asking = threading.Thread(target=ask, args=[datetime.now(UTC)])
        asking.start()
        wait_until_somebody_waits_for_a_row()
        assert not told.is_set()
    asking.join(60)
    assert answers == [15]


def test_what_came_later_makes_an_answer_no_dearer(api):
    product = given_product(api, stock=20)
    moment = datetime.now(UTC)
    long_ago = moment - timedelta(days=2)
    with transaction() as session:
        session.execute(text("UPDATE stock_movements SET created_at = :at"), {"at": long_ago.replace(tzinfo=None)})

    def rows_read():
        with transaction() as session:
            session.execute(text("FLUSH STATUS"))
            quantity = stock.repository.quantities_at(session, [product["id"]], moment - timedelta(days=1))[product["id"]]
            assert quantity == 20
            status = session.execute(text("SHOW SESSION STATUS LIKE 'Handler_read%'")).all()
            return sum(int(value) for _, value in status)

    before = rows_read()
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO stock_movements (product_id, delta, balance_after, reason, event_id, trace_id, created_at)"
                " VALUES (:product, 0, 20, 'count', :event, 't', NOW(6))"
            ),
            [{"product": product["id"], "event": f"later-{number}"} for number in range(5000)],
        )
    assert rows_read() <= before < 10
