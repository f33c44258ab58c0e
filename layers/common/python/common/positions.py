"""Where one is in a long list: how many rows there are, and which row is the n-th, without counting them all each time.

A table's rows are in order of their ids. Of every thousandth row it is noted how many there are up to it; what came later is
counted. Writers know nothing of this: notes are made by whoever reads, once they can no longer become wrong. Rows get their ids
before their transactions are committed, so a row may appear below others, but not below one that was seen a minute ago. Where
rows can be deleted, the deletion corrects the notes behind them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnClause, Label, String, TableClause, column, delete, func, select, table, update
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from common.db import Base, UtcDateTime, utc_now

STEP = 1000
# Longer than any transaction lives: a row that is not there by then will not come.
SETTLED_AFTER = timedelta(seconds=60)
# Of a table that has none yet, so many notes are made at a time.
_NOTES_AT_ONCE = 50


class ListPosition(Base):
    """Up to and including the row with this id, a table has `position` rows."""

    __tablename__ = "list_positions"

    list: Mapped[str] = mapped_column(String(40), primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)


class ListHorizon(Base):
    """The newest row of a table at some moment; whoever changes the table's notes locks this row."""

    __tablename__ = "list_horizons"

    list: Mapped[str] = mapped_column(String(40), primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True)
class Place:
    """Begin behind the row with this id, and pass over so many more."""

    after: int
    skip: int


def count(session: Session, name: str) -> int:
    """How many rows a table has, exactly, as far as this session sees."""
    noted, since = session.execute(select(*counting(name))).one()
    return counted(session, name, noted, since)


def counting(name: str) -> tuple[Label[int], Label[int]]:
    """What to select, among other things, to have `counted` tell how many rows a table has."""
    rows, row_id = _rows(name)
    up_to, noted = (
        select(func.coalesce(func.max(noted_), 0)).where(ListPosition.list == name).scalar_subquery()
        for noted_ in (ListPosition.id, ListPosition.position)
    )
    later = select(func.count()).select_from(rows).where(row_id > up_to).scalar_subquery()
    return noted.label("noted"), later.label("since")


def counted(session: Session, name: str, noted: int, since: int) -> int:
    """How many rows a table has, by what was selected."""
    if since > 2 * STEP:
        _note_settled(session, name)
    return int(noted + since)


def place_of(session: Session, name: str, position: int) -> Place:
    """Where the rows from `position` (counted from 0) on begin, in ascending order of ids."""
    noted = select(ListPosition.id, ListPosition.position).filter_by(list=name).where(ListPosition.position <= position)
    found = session.execute(noted.order_by(ListPosition.position.desc()).limit(1)).one_or_none()
    return Place(found.id, position - found.position) if found else Place(0, position)


def note_deleted(session: Session, name: str, row_id: int) -> None:
    """Correct the notes behind a row that this transaction deletes."""
    _lock(session, name)
    behind = update(ListPosition).filter_by(list=name).where(ListPosition.id >= row_id)
    session.execute(behind.values(position=ListPosition.position - 1).execution_options(synchronize_session=False))


def note_anew(session: Session, name: str) -> None:
    """Forget what was noted, and note all there is: for those who know that nobody else is writing."""
    forget(session, name)
    _note_up_to(session, name, _newest(session, name), at_once=None)


def forget(session: Session, name: str) -> None:
    """Forget what was noted: it is noted anew, which costs the next readers a little."""
    _lock(session, name)
    session.execute(delete(ListPosition).filter_by(list=name))


def settled(session: Session, name: str, of: str) -> int | None:
    """Up to which id the rows of the table `of` have settled, for whoever makes notes called `name`: nobody else does until the commit.

    None where nothing has settled since, or somebody else is at it.
    """
    mine = select(ListHorizon).filter_by(list=name)
    horizon = session.scalars(mine.with_for_update(skip_locked=True).execution_options(populate_existing=True)).one_or_none()
    if horizon is not None:
        now = utc_now()
        if horizon.seen_at > now + SETTLED_AFTER:  # a clock was set back since
            look_again(session, name, of)
        return horizon.id if horizon.seen_at <= now - SETTLED_AFTER else None
    if session.scalar(select(ListHorizon.id).filter_by(list=name)) is None:
        seen = insert(ListHorizon).prefix_with("IGNORE")
        session.execute(seen.values(list=name, id=_newest(session, of), seen_at=utc_now()))
    return None


def look_again(session: Session, name: str, of: str) -> None:
    """All that had settled is noted: what there is now will have settled in a while."""
    seen = update(ListHorizon).filter_by(list=name).values(id=_newest(session, of), seen_at=utc_now())
    session.execute(seen.execution_options(synchronize_session=False))


def _rows(name: str) -> tuple[TableClause, ColumnClause[int]]:
    row_id: ColumnClause[int] = column("id")
    return table(name, row_id), row_id


def _newest(session: Session, name: str) -> int:
    rows, row_id = _rows(name)
    return session.scalar(select(func.coalesce(func.max(row_id), 0)).select_from(rows)) or 0


def _lock(session: Session, name: str) -> None:
    row = {"list": name, "id": 0, "seen_at": utc_now()}
    session.execute(insert(ListHorizon).values(row).on_duplicate_key_update(list=name))


def _note_settled(session: Session, name: str) -> None:
    """Note what has settled since it was looked at last, unless somebody else is at it."""
    up_to = settled(session, name, name)
    if up_to is not None and _note_up_to(session, name, up_to, at_once=_NOTES_AT_ONCE):
        look_again(session, name, name)


def _note_up_to(session: Session, name: str, up_to: int, *, at_once: int | None) -> bool:
    """Make notes, under the lock. Returns whether all have been made."""
    rows, row_id = _rows(name)
    last = select(ListPosition.id, ListPosition.position).filter_by(list=name).order_by(ListPosition.id.desc()).limit(1)
    found = session.execute(last).one_or_none()
    after, position = (found.id, found.position) if found else (0, 0)
    made: list[dict[str, Any]] = []
    while len(made) != at_once:
        thousandth = select(row_id).select_from(rows).where(row_id > after, row_id <= up_to).order_by(row_id).offset(STEP - 1).limit(1)
        next_id = session.scalar(thousandth)
        if next_id is None:
            break
        after, position = next_id, position + STEP
        made.append({"list": name, "id": after, "position": position})
    if made:
        session.execute(insert(ListPosition), made)
    return len(made) != at_once
