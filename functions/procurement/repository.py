"""The only SQL of this service."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.paging import read_page
from common.statistics import figures, in_buckets, over_time, top_products
from procurement.models import Procurement
from procurement.schemas import ProcurementQuery, StatisticsQuery


def get(session: Session, procurement_id: int) -> Procurement | None:
    """A procurement."""
    return session.get(Procurement, procurement_id)


def add(session: Session, fields: dict[str, Any]) -> Procurement:
    """A new procurement, with its id. Raises IntegrityError when its supplier or product is not there (any more)."""
    procurement = Procurement(**fields)
    session.add(procurement)
    session.flush()
    return procurement


def page(session: Session, query: ProcurementQuery) -> tuple[list[Procurement], int]:
    """A page of procurements and how many there are on all pages."""
    rows = select(Procurement)
    if query.product_id is not None:
        rows = rows.where(Procurement.product_id == query.product_id)
    if query.supplier_id is not None:
        rows = rows.where(Procurement.supplier_id == query.supplier_id)
    if query.since is not None:
        rows = rows.where(Procurement.timestamp >= query.since)
    if query.until is not None:
        rows = rows.where(Procurement.timestamp < query.until)
    columns = {name: getattr(Procurement, name) for name in query.sortable}
    searched = (Procurement.product_name, Procurement.product_code, Procurement.supplier_name)
    return read_page(session, rows, query, columns=columns, searched=searched)


def latest(session: Session, limit: int) -> list[Procurement]:
    """The procurements that were made last."""
    return list(session.scalars(select(Procurement).order_by(Procurement.id.desc()).limit(limit)))


def statistics(session: Session, query: StatisticsQuery) -> dict[str, Any]:
    """What was procured in the period: over time, and the foremost products."""
    since, until = query.period()
    rows = select(*figures(Procurement)).where(Procurement.timestamp >= since, Procurement.timestamp < until)
    if query.product_id is not None:
        rows = rows.where(Procurement.product_id == query.product_id)
    if query.supplier_id is not None:
        rows = rows.where(Procurement.supplier_id == query.supplier_id)
    return {
        "over_time": over_time(in_buckets(session, rows, Procurement.timestamp, query), query),
        "top_by_value": top_products(session, rows, Procurement, "value", query.top),
        "top_by_quantity": top_products(session, rows, Procurement, "quantity", query.top),
    }
