"""Deals summed up by half hours as they settle, so that what a period came to need not be read off each of its deals: see docs/adr.

Whoever asks adds what has settled since (as for `common.positions`), and reads what is younger from the deals themselves, so that
the answer is of this moment, whatever was summed before. Who changes a deal that may have been summed corrects its sum in the same
transaction, under a lock that keeps off who sums: see `Sums.changed`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil, floor
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, Subquery, and_, func, literal, select, text, update
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from common import positions

SLOT_SECONDS = 1800
# A sum that changes with every transaction is kept in so many parts, lest they all wait for one row.
PARTS = 16
# So many deals are summed up at a time.
_SUMMED_AT_ONCE = 10_000
_FIGURES = ("count", "quantity", "value")


@dataclass(frozen=True)
class Change:
    """What a deal was told apart by, and is now; `deal` has its id, its timestamp, and what it is of."""

    deal: Any
    before: str
    now: str


@dataclass(frozen=True)
class Sums:
    """The sums of one kind of deal.

    `sums` has `slot` (half hours since 1970), the columns by which deals are told `apart`, and their figures; the one row of
    `mark` says up to which deal they are summed up. `index` is over the deals' timestamp, and has all that is summed.
    """

    deal: Any
    sums: Any
    mark: Any
    index: str
    apart: tuple[str, ...] = ()

    def add_settled(self, session: Session) -> None:
        """Sum up what has settled, a bounded part of it, unless somebody else is at it."""
        name = str(self.sums.__tablename__)
        settled = positions.settled(session, name, self.deal.__tablename__)
        mark = select(self.mark.deal_id).filter_by(id=1)
        done = session.scalar(mark if settled is None else mark.with_for_update())
        if done is None:
            # Nothing is summed up before it has been there for a while, so that whoever changes a deal meets it.
            session.execute(insert(self.mark).prefix_with("IGNORE").values(id=1, deal_id=0))
            positions.look_again(session, name, self.deal.__tablename__)
        elif settled is not None and self._add(session, done, settled):
            positions.look_again(session, name, self.deal.__tablename__)

    def changed(self, session: Session, changes: Iterable[Change]) -> None:
        """Correct the sums by deals that the session has locked and changes, as far as they are in them.

        Nobody sums up until the commit: what is read there is either before this or after it.
        """
        up_to = session.scalar(select(self.mark.deal_id).filter_by(id=1).with_for_update(read=True)) or 0
        corrections: dict[tuple[int, str], list[Any]] = defaultdict(lambda: [0, Decimal(0), Decimal(0)])
        for change in changes:
            deal = change.deal
            if deal.id <= up_to:
                slot = int(deal.timestamp.timestamp() // SLOT_SECONDS)
                for apart, sign in ((change.before, -1), (change.now, 1)):
                    found = corrections[slot, apart]
                    for place, figure in enumerate((1, deal.quantity, deal.total_cost)):
                        found[place] += sign * figure
        if corrections:
            names = ("slot", *self.apart, *_FIGURES)
            rows = [dict(zip(names, (*key, *figures), strict=True)) for key, figures in sorted(corrections.items())]
            session.execute(self._adding(insert(self.sums).values(rows)))

    def within(self, since: datetime, until: datetime, numbered: Callable[[ColumnElement[int]], ColumnElement[int]]) -> Subquery | None:
        """Figures that add up to the period's, by the `number` that `numbered` gives a half hour, and by what deals are told apart.

        None where the period has no whole half hour.
        """
        first, end = ceil(since.timestamp() / SLOT_SECONDS), floor(until.timestamp() / SLOT_SECONDS)
        if first >= end:
            return None
        deal, up_to = self.deal, self._up_to()
        begin, rest = (datetime.fromtimestamp(slot * SLOT_SECONDS, UTC) for slot in (first, end))
        sums, number = self.sums, numbered(self.sums.slot).label("number")
        apart = [getattr(sums, name) for name in self.apart]
        figures = (func.sum(getattr(sums, name)).label(name) for name in _FIGURES)
        # Added up before they are put together with others: there are as many as the period has half hours.
        summed = select(number, *apart, *figures).where(sums.slot >= first, sums.slot < end).group_by(text("number"), *apart)
        return (
            select(summed.subquery())
            .union_all(
                self._deals("PRIMARY", and_(deal.id > up_to, deal.timestamp >= since, deal.timestamp < until), numbered),
                self._deals(self.index, and_(deal.id <= up_to, deal.timestamp >= since, deal.timestamp < begin), numbered),
                self._deals(self.index, and_(deal.id <= up_to, deal.timestamp >= rest, deal.timestamp < until), numbered),
            )
            .subquery()
        )

    def _add(self, session: Session, done: int, settled: int) -> bool:
        """Sum up deals behind `done`. Returns whether all that had settled are."""
        deal = self.deal
        more = select(deal.id).where(deal.id > done, deal.id <= settled).order_by(deal.id)
        up_to = session.scalar(more.offset(_SUMMED_AT_ONCE - 1).limit(1)) or settled
        if up_to > done:
            deals = self._deals("PRIMARY", and_(deal.id > done, deal.id <= up_to), lambda slot: slot).subquery()
            keys = [deals.c.number.label("slot"), *(deals.c[name] for name in self.apart)]
            summed = select(*keys, *(func.sum(deals.c[name]).label(name) for name in _FIGURES)).group_by(*keys).order_by(*keys)
            # Read first and then written: INSERT ... SELECT locks what it reads, against those who wait for the mark.
            rows = [dict(row) for row in session.execute(summed).mappings()]
            session.connection().execute(self._adding(insert(self.sums)), rows)
            session.execute(update(self.mark).filter_by(id=1).values(deal_id=up_to).execution_options(synchronize_session=False))
        return bool(up_to >= settled)

    def _adding(self, statement: Any) -> Any:
        return statement.on_duplicate_key_update({name: getattr(self.sums, name) + statement.inserted[name] for name in _FIGURES})

    def _deals(
        self, index: str, condition: ColumnElement[bool], numbered: Callable[[ColumnElement[int]], ColumnElement[int]]
    ) -> Select[Any]:
        """Deals one by one, in the columns of their sums."""
        deal = self.deal
        slot = func.floor(func.timestampdiff(text("SECOND"), text("'1970-01-01'"), deal.timestamp) / SLOT_SECONDS)
        apart = (getattr(deal, name) for name in self.apart)
        columns = (numbered(slot).label("number"), *apart, literal(1).label("count"), deal.quantity, deal.total_cost.label("value"))
        return select(*columns).with_hint(deal, f"FORCE INDEX ({index})").where(condition)

    def _up_to(self) -> ScalarSelect[int]:
        return select(func.coalesce(func.max(self.mark.deal_id), 0)).scalar_subquery()
