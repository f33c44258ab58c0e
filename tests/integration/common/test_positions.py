"""A list's length and its n-th row are right whatever was noted of them, and whoever writes meanwhile."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from common import positions
from common.db import get_engine, transaction, utc_now
from tests.integration.services.conftest import count

NAME = "suppliers"


@pytest.fixture(autouse=True)
def short_steps(clean, monkeypatch):
    """A note for every tenth row, of what was there at the look before."""
    monkeypatch.setattr(positions, "STEP", 10)
    monkeypatch.setattr(positions, "SETTLED_AFTER", timedelta(0))


def add(session, number, *ids):
    rows = [{"id": row_id} for row_id in ids] or [{"id": None}] * number
    session.execute(text("INSERT INTO suppliers (id, name, city, address, contact_person) VALUES (:id, 'n', 'c', 'a', 'p')"), rows)


def given(number, *ids):
    with transaction() as session:
        add(session, number, *ids)


def counted():
    with transaction() as session:
        return positions.count(session, NAME)


def at(position):
    """The row found by its position."""
    with transaction() as session:
        place = positions.place_of(session, NAME, position)
        after = {"after": place.after, "skip": place.skip}
        return session.scalar(text("SELECT id FROM suppliers WHERE id > :after ORDER BY id LIMIT 1 OFFSET :skip"), after)


def statements():
    with transaction() as session:
        return session.execute(text("SELECT id, position FROM list_positions WHERE list = :list ORDER BY id"), {"list": NAME}).all()


def test_what_is_counted_is_what_there_is_before_and_after_notes_are_made():
    given(45)
    assert [counted() for _ in range(4)] == [45] * 4
    assert len(statements()) == 4
    given(7)
    assert counted() == 52
    ids = [at(position) for position in range(52)]
    with transaction() as session:
        assert ids == list(session.scalars(text("SELECT id FROM suppliers ORDER BY id")))


def test_of_much_that_was_counted_before_little_is_read():
    given(500)
    for _ in range(3):
        counted()
    with transaction() as session:
        session.execute(text("FLUSH STATUS"))
        assert positions.count(session, NAME) == 500
        positions.place_of(session, NAME, 300)
        assert sum(int(value) for _, value in session.execute(text("SHOW SESSION STATUS LIKE 'Handler_read%'"))) < 30


def test_nothing_is_noted_above_a_row_that_is_still_to_come():
    given(50)
    with Session(get_engine()) as slow, slow.begin():
        add(slow, 1)
        given(50)
        assert counted() == 100
        # What was just seen has to settle; meanwhile the row below the newest fifty may yet be committed.
        settling = positions.SETTLED_AFTER
        positions.SETTLED_AFTER = timedelta(seconds=60)
        try:
            assert [counted() for _ in range(3)] == [100] * 3
        finally:
            positions.SETTLED_AFTER = settling
    assert [counted() for _ in range(3)] == [101] * 3


def test_what_was_seen_long_ago_has_settled_and_what_was_seen_just_now_has_not(monkeypatch):
    monkeypatch.setattr(positions, "SETTLED_AFTER", timedelta(seconds=60))
    given(50)
    counted()
    counted()
    assert statements() == []
    with transaction() as session:
        session.execute(text("UPDATE list_horizons SET seen_at = :at"), {"at": (utc_now() - timedelta(seconds=61)).replace(tzinfo=None)})
    given(30)
    counted()
    assert [position for _, position in statements()] == [10, 20, 30, 40, 50]


def test_notes_are_made_again_soon_after_a_clock_was_set_back(monkeypatch):
    def seen(ago):
        with transaction() as session:
            session.execute(text("UPDATE list_horizons SET seen_at = :at"), {"at": (utc_now() - ago).replace(tzinfo=None)})

    monkeypatch.setattr(positions, "SETTLED_AFTER", timedelta(seconds=60))
    given(50)
    counted()
    seen(timedelta(hours=-3))
    assert counted() == 50
    assert statements() == [], "when that was, nobody knows"
    with transaction() as session:
        looked = session.scalar(text("SELECT seen_at FROM list_horizons WHERE list = :list"), {"list": NAME})
    assert abs(utc_now().replace(tzinfo=None) - looked) < timedelta(seconds=30)
    seen(timedelta(seconds=61))
    counted()
    assert [position for _, position in statements()] == [10, 20, 30, 40, 50]


def test_a_deletion_moves_those_behind_it(api):
    given(60)
    for _ in range(3):
        counted()
    with transaction() as session:
        first, middle = (
            session.scalar(text("SELECT id FROM suppliers ORDER BY id LIMIT 1 OFFSET :skip"), {"skip": skip}) for skip in (0, 30)
        )
    for row_id in (first, middle):
        assert api.delete(f"/api/suppliers/{row_id}").status == 204
    assert counted() == count("suppliers") == 58
    with transaction() as session:
        assert [at(position) for position in range(58)] == list(session.scalars(text("SELECT id FROM suppliers ORDER BY id")))


def test_who_makes_notes_waits_for_nobody():
    given(50)
    counted()
    with Session(get_engine()) as other, other.begin():
        other.execute(text("SELECT * FROM list_horizons FOR UPDATE"))
        assert counted() == 50
    assert counted() == 50


def test_all_is_noted_at_once_for_those_who_know_that_nobody_writes():
    given(1234)
    with transaction() as session:
        positions.note_anew(session, NAME)
    assert len(statements()) == 123
    assert counted() == 1234


def test_forgotten_notes_are_made_anew():
    given(50)
    for _ in range(3):
        counted()
    with transaction() as session:
        positions.forget(session, NAME)
        session.execute(text("DELETE FROM suppliers ORDER BY id LIMIT 7"))
    assert [counted() for _ in range(3)] == [43] * 3
    assert statements()
