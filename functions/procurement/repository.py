"""The only SQL of this service."""

from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from common import search
from common.foremost import Bounds
from common.lists import Narrowing, Source, by, equal, read_page, within
from common.paging import Page
from common.statistics import figures, in_buckets, over_time, top_products
from common.sums import Sums
from procurement.models import Procurement, ProcurementProductSum, ProcurementProductSummed, ProcurementSum, ProcurementSummed
from procurement.schemas import ProcurementQuery, StatisticsQuery

_LISTED = Source(
    Procurement, {name: by(f"ix_procurements_{name}", getattr(Procurement, name)) for name in ("timestamp", "quantity", "total_cost")}
)
SUMS = Sums(Procurement, ProcurementSum, ProcurementSummed, "ix_procurements_statistics")
_BOUNDS = Bounds(Procurement, ProcurementProductSum, ProcurementProductSummed, "ix_procurements_product_statistics")


def get(session: Session, procurement_id: int) -> Procurement | None:
    """A procurement."""
    return session.get(Procurement, procurement_id)


def add(session: Session, fields: dict[str, Any]) -> Procurement:
    """A new procurement, with its id. Raises IntegrityError when its supplier or product is not there (any more)."""
    procurement = Procurement(**fields)
    session.add(procurement)
    session.flush()
    return procurement


def page(session: Session, query: ProcurementQuery) -> Page:
    """A page of procurements. Those of a period come by the clock: by id they are sorted by the timestamp, too."""
    named = {
        "product": (Procurement.product_id, "ix_procurements_product_id"),
        "supplier": (Procurement.supplier_id, "ix_procurements_supplier_id"),
    }
    narrowings = [
        *equal(Procurement.product_id, query.product_id, "ix_procurements_product_id"),
        *equal(Procurement.supplier_id, query.supplier_id, "ix_procurements_supplier_id"),
        *search.narrowings(session, query.q, Procurement, named, former=True),
    ]
    period = within(Procurement.timestamp, query.since, query.until)
    if period:
        covered = ("quantity", "total_cost")
        narrowings.append(
            Narrowing(and_(*period), "ix_procurements_timestamp", order="timestamp", covering="ix_procurements_statistics", covered=covered)
        )
    by_id = query.sort in {"id", "-id"}
    return read_page(session, _LISTED, query, narrowings, sort="timestamp" if by_id and period else None)


def latest(session: Session, limit: int) -> list[Procurement]:
    """The procurements that were made last."""
    return list(session.scalars(select(Procurement).order_by(Procurement.id.desc()).limit(limit)))


def sum_up(session: Session) -> None:
    """Sum up what has settled."""
    _BOUNDS.add_settled(session)
    SUMS.add_settled(session)


def statistics(session: Session, query: StatisticsQuery) -> dict[str, Any]:
    """What was procured in the period: over time, and the foremost products."""
    since, until = query.period()
    rows = select(*figures(Procurement)).where(Procurement.timestamp >= since, Procurement.timestamp < until)
    if query.product_id is not None:
        rows = rows.where(Procurement.product_id == query.product_id)
    if query.supplier_id is not None:
        rows = rows.where(Procurement.supplier_id == query.supplier_id)
    of_all = query.product_id is None and query.supplier_id is None
    found = in_buckets(session, rows, Procurement.timestamp, query, sums=SUMS if of_all else None)
    return {
        "over_time": over_time(found, query),
        **top_products(session, rows, Procurement, query, number=sum(row.count for row in found), bounds=_BOUNDS if of_all else None),
    }
