"""The foremost products of a period, found without reading off all of its deals: see docs/adr.

What products come to in blocks of thirty days is summed up as deals settle, whatever becomes of the deals: no product can come to
more than that in a part of a block. So whoever asks begins with the foremost of each block, reads off what they came to in the
period itself, and has found those of the period once nobody else can have come to as much.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, Select, and_, func, literal, select, text, union_all
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from common import positions
from common.lists import count_up_to

BLOCK_SECONDS = 30 * 86400
MEASURES = ("value", "quantity")
# So many are looked at of all blocks together, and if that does not tell, so many; of each block no fewer than the last.
_LOOKED_AT = (1500, 6000)
_LEAST_DEPTH = 40
# Of a part of its blocks that is smaller than one in so many, they tell too little.
_MOST_AROUND = 6
# Reading off more products than this, or as many deals that are not summed up, is no better than reading off the whole period.
MOST_READ_OFF = 1000
MOST_RECENT = 5000
# So many deals are summed up at a time.
_SUMMED_AT_ONCE = 2000
# Each look finds who else may be among the foremost; as a rule the second finds nobody.
_LOOKS = 5

_Lists = dict[tuple[str, int], dict[int, Decimal]]
"""By measure and block: the foremost products, and what they come to."""


@dataclass(frozen=True)
class Bounds:
    """What products come to at most, by one kind of deal.

    `sums` has the `block` (thirty days, since 1970), the product and the measures; the one row of `mark` says up to which deal they
    are summed up. `index` is over the deals' product and timestamp, and has all that is summed.
    """

    deal: Any
    sums: Any
    mark: Any
    index: str

    def add_settled(self, session: Session) -> None:
        """Sum up what has settled, a bounded part of it, unless somebody else is at it."""
        name, table = str(self.sums.__tablename__), str(self.deal.__tablename__)
        settled = positions.settled(session, name, table)
        if settled is None:
            return
        done = session.scalar(select(self.mark.deal_id).filter_by(id=1)) or 0
        more = select(self.deal.id).where(self.deal.id > done, self.deal.id <= settled).order_by(self.deal.id)
        up_to = session.scalar(more.offset(_SUMMED_AT_ONCE - 1).limit(1)) or settled
        if up_to > done:
            self._add(session, done, up_to)
        if up_to >= settled:
            positions.look_again(session, name, table)

    def foremost(self, session: Session, deals: Select[Any], since: datetime, until: datetime, limit: int) -> Sequence[Row[Any]] | None:
        """Among others, the products that have most in `deals`, which are those of the period (and select figures), by either measure.

        None where it is as well to read off all of them.
        """
        blocks = range(*(int(moment.timestamp() // BLOCK_SECONDS) + last for last, moment in enumerate((since, until))))
        if (until - since).total_seconds() < len(blocks) * BLOCK_SECONDS / _MOST_AROUND:
            return None
        up_to, recent = session.execute(self._summed_up_to()).one()
        if recent > MOST_RECENT:
            return None
        for looked_at in _LOOKED_AT:
            depth = max(_LEAST_DEPTH, looked_at // len(blocks))
            look = _Look(self, deals, up_to, limit, self._lists(session, blocks, depth), depth)
            if (found := look.foremost(session)) is not None:
                return found
        return None

    def read_off(self, deals: Select[Any], product_ids: Sequence[int], up_to: int) -> Select[Any]:
        """What these products have in `deals`, and, `listed` being 0, what others have in those that are not summed up."""
        deal = self.deal
        columns = (deal.product_id, func.max(deal.id).label("latest"))
        own = deals.add_columns(*columns, literal(1).label("listed")).where(deal.product_id.in_(product_ids))
        others = deals.add_columns(*columns, literal(0).label("listed")).where(deal.id > up_to, deal.product_id.not_in(product_ids))
        return select(
            union_all(
                own.with_hint(deal, f"FORCE INDEX ({self.index})").group_by(deal.product_id),
                others.with_hint(deal, "FORCE INDEX (PRIMARY)").group_by(deal.product_id),
            ).subquery()
        )

    def _summed_up_to(self) -> Select[Any]:
        up_to = select(func.coalesce(func.max(self.mark.deal_id), 0)).scalar_subquery()
        return select(up_to, count_up_to(MOST_RECENT + 1, select(self.deal.id).where(self.deal.id > up_to)))

    def _lists(self, session: Session, blocks: Sequence[int], depth: int) -> _Lists:
        """Each as one text: thousands of products come in it in the time in which a hundred come as rows."""
        sums = self.sums
        texts = []
        for measure in MEASURES:
            amount = getattr(sums, measure)
            index = f"FORCE INDEX (ix_{sums.__tablename__}_block_{measure})"
            for block in blocks:
                listed = select(sums.product_id, amount.label("amount")).with_hint(sums, index).where(sums.block == block)
                its = listed.order_by(amount.desc()).limit(depth).subquery()
                text_ = func.group_concat(its.c.product_id, ":", its.c.amount).label("listed")
                texts.append(select(literal(measure).label("measure"), literal(block).label("block"), text_))
        rows = session.execute(union_all(*texts)).all()
        return {(row.measure, row.block): _amounts(row.listed) for row in rows if row.listed is not None}

    def _add(self, session: Session, done: int, up_to: int) -> None:
        deal, sums = self.deal, self.sums
        block = func.floor(func.timestampdiff(text("SECOND"), text("'1970-01-01'"), deal.timestamp) / BLOCK_SECONDS).label("block")
        figures = (func.sum(deal.quantity).label("quantity"), func.sum(deal.total_cost).label("value"))
        of_deals = select(block, deal.product_id, *figures).with_hint(deal, "FORCE INDEX (PRIMARY)")
        summed = of_deals.where(and_(deal.id > done, deal.id <= up_to)).group_by(block, deal.product_id)
        # In the order of their key, as everybody writes them.
        rows = [dict(row) for row in session.execute(summed.order_by(block, deal.product_id)).mappings()]
        added = insert(sums)
        more = {name: getattr(sums, name) + added.inserted[name] for name in MEASURES}
        session.connection().execute(added.on_duplicate_key_update(more), rows)
        noted = insert(self.mark).values(id=1, deal_id=up_to)
        session.execute(noted.on_duplicate_key_update(deal_id=noted.inserted.deal_id))


def _amounts(listed: str) -> dict[int, Decimal]:
    pairs = (each.split(":") for each in listed.split(","))
    return {int(product_id): Decimal(amount) for product_id, amount in pairs}


class _Look:
    """Who may be among the foremost, by the foremost of each block."""

    def __init__(self, bounds: Bounds, deals: Select[Any], up_to: int, limit: int, listed: _Lists, depth: int) -> None:
        self._bounds, self._deals, self._up_to, self._limit = bounds, deals, up_to, limit
        # Who is not in a block's list has no more there than its last, and nothing if the list has all.
        last = {key: min(amounts.values()) if len(amounts) >= depth else Decimal(0) for key, amounts in listed.items()}
        self._rest = {measure: sum((last[key] for key in last if key[0] == measure), Decimal(0)) for measure in MEASURES}
        self._complete = {measure: all(len(its) < depth for key, its in listed.items() if key[0] == measure) for measure in MEASURES}
        self._most: dict[str, dict[int, Decimal]] = {}
        self._ranked: dict[str, list[int]] = {}
        for measure, rest in self._rest.items():
            most: dict[int, Decimal] = {}
            for key, amounts in listed.items():
                if key[0] == measure:
                    for product_id, amount in amounts.items():
                        most[product_id] = most.get(product_id, rest) + amount - last[key]
            self._most[measure], self._ranked[measure] = most, sorted(most, key=most.__getitem__, reverse=True)

    def foremost(self, session: Session) -> Sequence[Row[Any]] | None:
        """Those who are, and some who are not; None where it cannot be told by these lists."""
        chosen = {product_id for ranked in self._ranked.values() for product_id in ranked[: 2 * self._limit]}
        for _ in range(_LOOKS):
            if not chosen or len(chosen) > MOST_READ_OFF:
                return None
            # In one statement, so of one moment, whatever was seen before.
            rows = session.execute(self._bounds.read_off(self._deals, sorted(chosen), self._up_to)).all()
            found = [row for row in rows if row.listed]
            recent = {row.product_id: row for row in rows if not row.listed}
            least = {measure: self._least(found, measure) for measure in MEASURES}
            if any(not self._complete[measure] and self._rest[measure] >= least[measure] for measure in MEASURES):
                return None
            missing = set(self._missing(chosen, recent, least))
            if not missing:
                return found
            chosen |= missing
        return None

    def _least(self, found: Sequence[Row[Any]], measure: str) -> Decimal:
        """What one has to have to be among the foremost."""
        amounts = sorted((getattr(row, measure) for row in found), reverse=True)
        return Decimal(amounts[self._limit - 1]) if len(amounts) >= self._limit else Decimal(0)

    def _missing(self, chosen: set[int], recent: dict[int, Row[Any]], least: dict[str, Decimal]) -> Iterator[int]:
        for measure, most in self._most.items():
            enough = least[measure]
            may = itertools.takewhile(lambda product_id: most[product_id] >= enough, self._ranked[measure])  # noqa: B023 (used at once)
            yield from (product_id for product_id in may if product_id not in chosen)
            for product_id, row in recent.items():
                if product_id not in chosen and most.get(product_id, self._rest[measure]) + getattr(row, measure) >= enough:
                    yield product_id
