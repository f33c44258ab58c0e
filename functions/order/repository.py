"""The only SQL of this service."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.paging import read_page
from common.statistics import figures, over_time, top_products
from order.models import Order
from order.schemas import SOLD, OrderQuery, StatisticsQuery


def get(session: Session, order_id: int, *, for_update: bool = False) -> Order | None:
    """An order, locked if it is to be changed."""
    return session.get(Order, order_id, with_for_update=for_update or None)


def add(session: Session, fields: dict[str, Any]) -> Order:
    """A new order, with its id. Raises IntegrityError when its customer or product is not there (any more)."""
    order = Order(**fields)
    session.add(order)
    session.flush()
    return order


def page(session: Session, query: OrderQuery) -> tuple[list[Order], int]:
    """A page of orders and how many there are on all pages."""
    rows = select(Order)
    if query.product_id is not None:
        rows = rows.where(Order.product_id == query.product_id)
    if query.customer_id is not None:
        rows = rows.where(Order.customer_id == query.customer_id)
    if query.status is not None:
        rows = rows.where(Order.status == query.status)
    if query.since is not None:
        rows = rows.where(Order.timestamp >= query.since)
    if query.until is not None:
        rows = rows.where(Order.timestamp < query.until)
    columns = {name: getattr(Order, name) for name in query.sortable}
    return read_page(session, rows, query, columns=columns, searched=(Order.product_name, Order.product_code, Order.customer_name))


def latest(session: Session, limit: int) -> list[Order]:
    """The orders that were made last."""
    return list(session.scalars(select(Order).order_by(Order.id.desc()).limit(limit)))


def statistics(session: Session, query: StatisticsQuery) -> dict[str, Any]:
    """What was ordered in the period: by status, and what was sold over time and by product."""
    since, until = query.period()
    rows = select(*figures(Order)).where(Order.timestamp >= since, Order.timestamp < until)
    if query.product_id is not None:
        rows = rows.where(Order.product_id == query.product_id)
    if query.customer_id is not None:
        rows = rows.where(Order.customer_id == query.customer_id)
    sold = rows.where(Order.status.in_(SOLD))
    return {
        "by_status": [dict(row._mapping) for row in session.execute(rows.add_columns(Order.status).group_by(Order.status))],  # noqa: SLF001
        "over_time": over_time(session, sold, Order.timestamp, query),
        "top_by_value": top_products(session, sold, Order, "value", query.top),
        "top_by_quantity": top_products(session, sold, Order, "quantity", query.top),
    }
