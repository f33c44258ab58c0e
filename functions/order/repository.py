"""The only SQL of this service."""

from collections.abc import Iterable, Sequence
from typing import Any, get_args

from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from common import search
from common.foremost import Bounds
from common.lists import Narrowing, Source, by, equal, read_page, within
from common.paging import Page
from common.statistics import figures, figures_of, in_buckets, over_time, top_products, total
from common.sums import Change, Sums
from order.models import Order, OrderProductSum, OrderProductSummed, OrderSum, OrderSummed
from order.schemas import SOLD, OrderQuery, StatisticsQuery, Status

_LISTED = Source(
    Order,
    {
        "status": by("ix_orders_status_timestamp", Order.status, Order.timestamp),
        **{name: by(f"ix_orders_{name}", getattr(Order, name)) for name in ("timestamp", "quantity", "total_cost")},
    },
)
SUMS = Sums(Order, OrderSum, OrderSummed, "ix_orders_statistics", apart=("status",))
_BOUNDS = Bounds(Order, OrderProductSum, OrderProductSummed, "ix_orders_product_statistics")


def get(session: Session, order_id: int) -> Order | None:
    """An order."""
    return session.get(Order, order_id)


def lock(session: Session, order_ids: Iterable[int]) -> dict[int, Order]:
    """Those of the orders that exist, locked in the order of their ids and detached from the session: see `write_statuses`."""
    wanted = select(Order).where(Order.id.in_(list(order_ids))).order_by(Order.id).with_for_update()
    orders = {order.id: order for order in session.scalars(wanted.execution_options(populate_existing=True))}
    for order in orders.values():
        session.expunge(order)
    return orders


def write_statuses(session: Session, changes: Sequence[Change]) -> None:
    """Write status, reason and version of orders that the caller locked, in one statement for each outcome, and correct the sums."""
    outcomes: dict[tuple[str, str | None], list[int]] = {}
    for order in (change.deal for change in changes):
        outcomes.setdefault((order.status, order.status_reason), []).append(order.id)
    if changes:
        SUMS.changed(session, changes)
    for (status, reason), ids in outcomes.items():
        session.execute(
            update(Order)
            .where(Order.id.in_(ids))
            .values(status=status, status_reason=reason, version=Order.version + 1)
            .execution_options(synchronize_session=False)
        )


def add(session: Session, fields: dict[str, Any]) -> Order:
    """A new order, with its id. Raises IntegrityError when its customer or product is not there (any more)."""
    order = Order(**fields)
    session.add(order)
    session.flush()
    return order


def page(session: Session, query: OrderQuery) -> Page:
    """A page of orders. Those of a status or a period come by the clock: by id they are sorted by the timestamp, too."""
    named = {"product": (Order.product_id, "ix_orders_product_id"), "customer": (Order.customer_id, "ix_orders_customer_id")}
    narrowings = [
        *equal(Order.product_id, query.product_id, "ix_orders_product_id"),
        *equal(Order.customer_id, query.customer_id, "ix_orders_customer_id"),
        *search.narrowings(session, query.q, Order, named, former=True),
    ]
    status = [Order.status == query.status] if query.status is not None else []
    clock = [*status, *within(Order.timestamp, query.since, query.until)]
    if clock:
        index = "ix_orders_status_timestamp" if status else "ix_orders_timestamp"
        covered = ("quantity", "total_cost", "status") if len(clock) > len(status) else ()
        narrowings.append(Narrowing(and_(*clock), index, order="timestamp", covering="ix_orders_statistics", covered=covered))
    by_id = query.sort in {"id", "-id"}
    return read_page(session, _LISTED, query, narrowings, sort="timestamp" if by_id and clock else None)


def latest(session: Session, limit: int) -> list[Order]:
    """The orders that were made last."""
    return list(session.scalars(select(Order).order_by(Order.id.desc()).limit(limit)))


def sum_up(session: Session) -> None:
    """Sum up what has settled. What those wait for who change orders is locked last."""
    _BOUNDS.add_settled(session)
    SUMS.add_settled(session)


def statistics(session: Session, query: StatisticsQuery) -> dict[str, Any]:
    """What was ordered in the period: by status, and what was sold over time and by product."""
    since, until = query.period()
    rows = select(*figures(Order)).where(Order.timestamp >= since, Order.timestamp < until)
    if query.product_id is not None:
        rows = rows.where(Order.product_id == query.product_id)
    if query.customer_id is not None:
        rows = rows.where(Order.customer_id == query.customer_id)
    of_all = query.product_id is None and query.customer_id is None
    found = in_buckets(session, rows, Order.timestamp, query, Order.status, sums=SUMS if of_all else None)
    sold = rows.where(Order.status.in_(SOLD))
    return {
        "by_status": [{"status": status, **total(figures_of(row) for row in found if row.status == status)} for status in get_args(Status)],
        "over_time": over_time([row for row in found if row.status in SOLD], query),
        **top_products(session, sold, Order, query, number=sum(row.count for row in found), bounds=_BOUNDS if of_all else None),
    }
