"""What a period of deals (orders, procurements) came to: over time, and by product."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.db import utc_now
from common.fields import Number, Payload, Shape, UtcMoment

MAX_BUCKETS = 1000
# Buckets of the period that nobody has bounded: with the one that has just begun.
_DEFAULT_BUCKETS = {"day": 30, "hour": 24}


class PeriodQuery(Payload):
    """The period asked about, `until` excluded; days and hours begin where the clocks are `utc_offset` minutes ahead of UTC."""

    since: UtcMoment | None = None
    until: UtcMoment | None = None
    by: Literal["day", "hour"] = "day"
    utc_offset: Annotated[int, Field(ge=-14 * 60, le=14 * 60)] = 0
    top: Annotated[int, Field(ge=1, le=50)] = 10
    product_id: int | None = None

    @model_validator(mode="after")
    def _bounded(self) -> "PeriodQuery":
        # What "now" is, is decided once.
        self.until = self.until or utc_now()
        self.since, until = self.period()
        if self.since >= until:
            raise ValueError("since must be before until")
        if (until - self.since) / _bucket(self.by) > MAX_BUCKETS:
            raise ValueError(f"the period has more than {MAX_BUCKETS} {self.by}s")
        return self

    def period(self) -> tuple[datetime, datetime]:
        """Since when, until when."""
        until = self.until or utc_now()
        return self.since or self._beginning(until) - _bucket(self.by) * (_DEFAULT_BUCKETS[self.by] - 1), until

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


def over_time(session: Session, deals: Select[Any], moment: InstrumentedAttribute[datetime], query: PeriodQuery) -> list[dict[str, Any]]:
    """`deals` (which selects figures) by day or hour, those without any deal as well."""
    seconds, offset = int(_bucket(query.by).total_seconds()), query.utc_offset * 60
    # Numbered from the epoch, where 1970-01-01 00:00 is by those clocks.
    number = func.floor((func.timestampdiff(text("SECOND"), text("'1970-01-01'"), moment) + offset) / seconds)
    found = {int(row.number): row for row in session.execute(deals.add_columns(number.label("number")).group_by(text("number")))}
    since, until = query.period()
    first = (int(since.timestamp()) + offset) // seconds
    last = (int((until - timedelta(microseconds=1)).timestamp()) + offset) // seconds
    return [
        {"start": datetime.fromtimestamp(n * seconds - offset, since.tzinfo), **_figures_of(found.get(n))} for n in range(first, last + 1)
    ]


def top_products(session: Session, deals: Select[Any], deal: Any, by: str, limit: int) -> list[dict[str, Any]]:
    """The products with the most `value` or `quantity` in `deals` (which selects figures)."""
    ranked = deals.add_columns(deal.product_id, func.max(deal.id).label("latest"))
    rows = session.execute(ranked.group_by(deal.product_id).order_by(text(f"{by} DESC"), deal.product_id).limit(limit)).all()
    named = select(deal.product_id, deal.product_code, deal.product_name).where(deal.id.in_([row.latest for row in rows]))
    names: Mapping[int, Any] = {row.product_id: row for row in session.execute(named)}
    return [
        {
            "product_id": row.product_id,
            "product_code": names[row.product_id].product_code,
            "product_name": names[row.product_id].product_name,
            **_figures_of(row),
        }
        for row in rows
    ]


def total(buckets: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The sum of figures."""
    rows = list(buckets)
    return {
        "count": sum(row["count"] for row in rows),
        "quantity": sum((row["quantity"] for row in rows), Decimal(0)),
        "value": sum((row["value"] for row in rows), Decimal(0)),
    }


def _figures_of(row: Any) -> dict[str, Any]:
    if row is None:
        return {"count": 0, "quantity": Decimal(0), "value": Decimal(0)}
    return {"count": row.count, "quantity": Decimal(row.quantity), "value": Decimal(row.value)}


def _bucket(by: str) -> timedelta:
    return timedelta(hours=1) if by == "hour" else timedelta(days=1)
