"""What a period of deals (orders, procurements) came to: over time, and by product."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, model_validator
from sqlalchemy import ColumnElement, Row, Select, func, or_, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.db import utc_now
from common.fields import Moment, Number, Payload, Shape, UtcMoment
from common.foremost import MEASURES, Bounds
from common.sums import SLOT_SECONDS, Sums

MAX_BUCKETS = 1000
# Years of which every clock on Earth can tell the days.
_YEARS = range(1970, 9999)
# So many deals are read off as quickly as anything else tells which products are foremost.
_READ_OFF = 5000
# Buckets of the period that nobody has bounded: with the one that has just begun.
_DEFAULT_BUCKETS = {"day": 30, "hour": 24}


class PeriodQuery(Payload):
    """The period asked about, `until` excluded; days and hours begin where the clocks are `utc_offset` minutes ahead of UTC."""

    since: Moment | None = None
    until: Moment | None = None
    by: Literal["day", "hour"] = "day"
    utc_offset: Annotated[int, Field(ge=-14 * 60, le=14 * 60)] = 0
    top: Annotated[int, Field(ge=0, le=50)] = 10
    product_id: int | None = None

    _asked_at: datetime = PrivateAttr(default_factory=utc_now)

    @model_validator(mode="after")
    def _bounded(self) -> "PeriodQuery":
        if any(moment is not None and moment.year not in _YEARS for moment in (self.since, self.until)):
            raise ValueError(f"since and until must lie in the years {_YEARS[0]} to {_YEARS[-1]}")
        since, until = self.period()
        if since >= until:
            raise ValueError("since must be before until")
        if (until - since) / _bucket(self.by) > MAX_BUCKETS:
            raise ValueError(f"the period has more than {MAX_BUCKETS} {self.by}s")
        return self

    def period(self) -> tuple[datetime, datetime]:
        """Since when, until when."""
        until = self.until or self._asked_at
        return self.since or self._beginning(until) - _bucket(self.by) * (_DEFAULT_BUCKETS[self.by] - 1), until

    def key(self) -> dict[str, Any]:
        """What the answer is kept under, for as long as no deal is made: one that asks until now is the same as one a moment ago."""
        return {"statistics": self.model_dump(), "since": self.period()[0]}

    def _beginning(self, moment: datetime) -> datetime:
        """When the day or hour of a moment began."""
        offset = timedelta(minutes=self.utc_offset)
        local = (moment + offset).replace(minute=0, second=0, microsecond=0)
        return (local if self.by == "hour" else local.replace(hour=0)) - offset


class Figures(Shape):
    """How many deals, of how much, worth what."""

    count: int
    quantity: Number
    value: Number


class Bucket(Figures):
    """A day or an hour, by the moment it begins."""

    start: UtcMoment


class ProductFigures(Figures):
    """A product's part; code and name as they were in its latest deal."""

    product_id: int
    product_code: str
    product_name: str


class PeriodStatistics(Figures):
    """What the period came to; `over_time` has every day or hour of it."""

    since: UtcMoment
    until: UtcMoment
    by: Literal["day", "hour"]
    over_time: list[Bucket]
    top_by_value: list[ProductFigures]
    top_by_quantity: list[ProductFigures]


def figures(deal: Any) -> tuple[Any, Any, Any]:
    """Count, quantity and value of a table of deals, to select."""
    return (
        func.count().label("count"),
        func.coalesce(func.sum(deal.quantity), 0).label("quantity"),
        func.coalesce(func.sum(deal.total_cost), 0).label("value"),
    )


def in_buckets(
    session: Session,
    deals: Select[Any],
    moment: InstrumentedAttribute[datetime],
    query: PeriodQuery,
    *by: InstrumentedAttribute[Any],
    sums: Sums | None = None,
) -> Sequence[Row[Any]]:
    """`deals` (which selects figures) by the `number` of their day or hour, and by what else they are told apart.

    Where they are all deals of the period, `sums` has most of it ready, unless the asker's hours begin within half hours.
    """

    def numbered(slot: ColumnElement[int]) -> ColumnElement[int]:
        return func.floor((slot * SLOT_SECONDS + query.utc_offset * 60) / _seconds(query))

    summed = sums.within(*query.period(), numbered) if sums is not None and query.utc_offset * 60 % SLOT_SECONDS == 0 else None
    if summed is not None:
        number = summed.c.number
        apart = [summed.c[each.key] for each in by]
        ready = (func.sum(summed.c[name]).label(name) for name in ("count", "quantity", "value"))
        return session.execute(select(number, *apart, *ready).group_by(number, *apart)).all()
    # Numbered from the epoch, where 1970-01-01 00:00 is by the asker's clocks.
    since_epoch = func.timestampdiff(text("SECOND"), text("'1970-01-01'"), moment) + query.utc_offset * 60
    number = func.floor(since_epoch / _seconds(query)).label("number")
    return session.execute(deals.add_columns(number, *by).group_by(text("number"), *by)).all()


def over_time(rows: Iterable[Row[Any]], query: PeriodQuery) -> list[dict[str, Any]]:
    """What `in_buckets` found, for every day or hour of the period."""
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[int(row.number)].append(figures_of(row))
    seconds, offset = _seconds(query), query.utc_offset * 60
    since, until = query.period()
    first = (int(since.timestamp()) + offset) // seconds
    last = (int((until - timedelta(microseconds=1)).timestamp()) + offset) // seconds
    return [{"start": datetime.fromtimestamp(n * seconds - offset, UTC), **total(found[n])} for n in range(first, last + 1)]


def top_products(
    session: Session, deals: Select[Any], deal: Any, query: PeriodQuery, *, number: int, bounds: Bounds | None
) -> dict[str, list[dict[str, Any]]]:
    """The products with the most value, and with the most quantity, in `deals` (which selects figures), of which there are `number`.

    Where they are all deals of the period, and many, `bounds` knows where to look.
    """
    if not query.top:
        return {f"top_by_{measure}": [] for measure in MEASURES}
    many = bounds is not None and number > _READ_OFF
    found = bounds.foremost(session, deals, *query.period(), query.top) if bounds is not None and many else None
    rows = _ranked(session, deals, deal, query.top) if found is None else found
    foremost = {measure: sorted(rows, key=lambda row, by=measure: (-getattr(row, by), row.product_id))[: query.top] for measure in MEASURES}  # type: ignore[misc]
    latest = {row.latest for its in foremost.values() for row in its}
    named = select(deal.product_id, deal.product_code, deal.product_name).where(deal.id.in_(latest))
    names: Mapping[int, Any] = {row.product_id: row for row in session.execute(named)} if latest else {}
    return {
        f"top_by_{measure}": [
            {
                "product_id": row.product_id,
                "product_code": names[row.product_id].product_code,
                "product_name": names[row.product_id].product_name,
                **figures_of(row),
            }
            for row in its
        ]
        for measure, its in foremost.items()
    }


def _ranked(session: Session, deals: Select[Any], deal: Any, limit: int) -> Sequence[Row[Any]]:
    """The foremost by either measure, read off all of the deals at once for both."""
    sums = deals.add_columns(deal.product_id, func.max(deal.id).label("latest")).group_by(deal.product_id).subquery()
    ranks = {by: func.row_number().over(order_by=(sums.c[by].desc(), sums.c.product_id)).label(f"by_{by}") for by in MEASURES}
    ranked = select(sums, *ranks.values()).subquery()
    return session.execute(select(ranked).where(or_(*(ranked.c[f"by_{by}"] <= limit for by in MEASURES)))).all()


def total(buckets: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The sum of figures."""
    rows = list(buckets)
    return {
        "count": sum(row["count"] for row in rows),
        "quantity": sum((row["quantity"] for row in rows), Decimal(0)),
        "value": sum((row["value"] for row in rows), Decimal(0)),
    }


def figures_of(row: Any) -> dict[str, Any]:
    """The figures in a row."""
    return {"count": int(row.count), "quantity": Decimal(row.quantity), "value": Decimal(row.value)}


def _seconds(query: PeriodQuery) -> int:
    return int(_bucket(query.by).total_seconds())


def _bucket(by: str) -> timedelta:
    return timedelta(hours=1) if by == "hour" else timedelta(days=1)
