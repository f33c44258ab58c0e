"""The short form of `make chaos`: a few faults over a few hundred operations; and the proof that its verdict can be a bad one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.invariants import violations
from tests.chaos.plan import make_plan
from tests.chaos.run import gathered, run
from tests.chaos.verdict import verdict

if TYPE_CHECKING:
    from tests.chaos.run import Outcome
    from tests.chaos.system import ChaosSystem

pytestmark = pytest.mark.timeout(900)  # what is waited for in it has limits of its own

# One of each sort that takes no longer than it must; `make chaos` has them all.
KINDS = (
    "kill bridge",
    "kill redis",
    "kill mariadb",
    "crash function",
    "crash consumer",
    "cut database answers",
    "deliver again",
    "bad messages",
    "poison event",
)


@pytest.fixture(scope="module")
def outcome(attacked: ChaosSystem) -> Outcome:
    plan = make_plan(7, 100, len(KINDS), kinds=KINDS, clients=4)
    # On a machine that is busy with other things, as far as it comes.
    return run(attacked, plan, lambda _: None, seconds=15, at_least=4)


def test_same_seed_is_the_same_plan():
    plans = [make_plan(seed, 300, 20, kinds=KINDS) for seed in (1, 1, 2)]
    assert plans[0] == plans[1]
    assert plans[0].digest == plans[1].digest
    assert plans[0].digest != plans[2].digest
    assert {fault.kind for fault in plans[0].faults} == set(KINDS)


def test_whatever_breaks_nothing_is_lost_doubled_or_invented(outcome: Outcome):
    document = verdict(outcome, {})
    assert outcome.violations == []
    assert (document["lost"], document["doubled"], document["invented"], document["clean"]) == (0, 0, 0, True)
    assert document["operations"]["answered"] >= 10
    assert document["faults"]["made"] >= 2


_ORDER = "customer_id, product_id, quantity, total_cost, timestamp, customer_name, product_code, product_name, status"
# What is done to the database -> what must be found.
CORRUPTIONS = {
    "a movement is dropped": ("DELETE FROM stock_movements WHERE reason = 'order' ORDER BY id LIMIT 1", "lost"),
    "a movement is doubled": (
        (
            "INSERT INTO stock_movements (product_id, delta, balance_after, reason, event_id, reference, trace_id, created_at)"
            " SELECT product_id, delta, balance_after, reason, UUID(), reference, trace_id, created_at FROM stock_movements"
            " WHERE reason = 'order' ORDER BY id LIMIT 1"
        ),
        "doubled",
    ),
    "stock is altered": ("UPDATE storages SET quantity = quantity + 1 ORDER BY id LIMIT 1", "lost"),
    "an order is lost": ("DELETE FROM orders ORDER BY id DESC LIMIT 1", "lost"),
    "an order is invented": (
        f"INSERT INTO orders ({_ORDER}, unit_price) SELECT {_ORDER}, 99999.99 FROM orders ORDER BY id LIMIT 1",
        "invented",
    ),
    "an order is doubled": (
        f"INSERT INTO orders ({_ORDER}, unit_price) SELECT {_ORDER}, unit_price FROM orders ORDER BY id LIMIT 1",
        "doubled",
    ),
    "an order is undecided": ("UPDATE orders SET status = 'pending' ORDER BY id LIMIT 1", "undecided"),
    "an event is doubled": (
        (
            "INSERT INTO outbox (event_id, channel, payload, trace_id, created_at, delivered_at)"
            " SELECT UUID(), channel, payload, trace_id, created_at, delivered_at FROM outbox"
            " WHERE channel = 'order_stock_out' ORDER BY id LIMIT 1"
        ),
        "doubled",
    ),
    "an event is undelivered": ("UPDATE outbox SET delivered_at = NULL ORDER BY id DESC LIMIT 1", "undelivered"),
    "a note of an event is lost": (
        "DELETE FROM processed_events WHERE consumer = 'inventory' AND event_id IN (SELECT event_id FROM stock_movements) LIMIT 1",
        "lost",
    ),
    "a healthy event is a dead letter": (
        (
            "INSERT INTO dead_letters (consumer, event_id, channel, payload, reason, attempts, failed_at)"
            " SELECT 'inventory', event_id, channel, payload, 'none', 5, created_at FROM outbox WHERE channel = 'order_stock_out' LIMIT 1"
        ),
        "dead",
    ),
    "the stock's figures are altered": ("UPDATE stock_sums SET enough = enough + 1 LIMIT 1", "sum"),
    "an order is summed up that is not there": (
        "INSERT INTO order_sums (slot, status, count, quantity, value) VALUES (1, 'confirmed', 1, 1, 1)",
        "sum",
    ),
    "an edit is lost": ("UPDATE products SET name = 'another' ORDER BY id LIMIT 1", "stale"),
}


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_what_is_done_to_the_database_is_found(outcome: Outcome, attacked: ChaosSystem, corruption: str):
    statement, expected = CORRUPTIONS[corruption]
    with attacked.database(autocommit=False) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SET foreign_key_checks = 0")
            assert cursor.execute(statement) == 1
        found = violations(gathered(outcome.facts, connection))
        connection.rollback()
    assert expected in {violation.what for violation in found}
