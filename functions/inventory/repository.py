"""The only SQL of this service."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, case, func, select, update
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session, aliased
from sqlalchemy.orm import attributes as orm_attributes

from common.db import utc_now
from common.observability import current_trace_id
from common.paging import read_page
from inventory.models import LOW_STOCK, StockAlert, StockMovement, Storage
from inventory.schemas import AlertQuery, MovementQuery, ReconcileQuery, StorageQuery


class NotEnoughStockError(Exception):
    """The database's own condition refused to take more than there is."""


def get(session: Session, storage_id: int) -> Storage | None:
    """A storage."""
    return session.get(Storage, storage_id)


def get_for_update(session: Session, storage_id: int) -> Storage | None:
    """A storage, locked."""
    return session.get(Storage, storage_id, with_for_update=True, populate_existing=True)


def of_product(session: Session, product_id: int) -> Storage | None:
    """The storage of a product."""
    return session.scalars(select(Storage).filter_by(product_id=product_id)).one_or_none()


def lock_storage(session: Session, product_id: int) -> Storage:
    """The storage of a product, locked, and made if it is not there yet. Raises IntegrityError for a product that does not exist."""
    wanted = select(Storage).filter_by(product_id=product_id).with_for_update().execution_options(populate_existing=True)
    storage = session.scalars(wanted).one_or_none()
    if storage is None:
        add_storage(session, product_id)
        storage = session.scalars(wanted).one()
    return storage


def add_storage(session: Session, product_id: int) -> None:
    """An empty storage, unless there is one. Raises IntegrityError for a product that does not exist."""
    statement = insert(Storage).values(product_id=product_id, quantity=0, version=0, price_buy=0, product_version=0)
    session.execute(statement.on_duplicate_key_update(product_id=product_id))


def set_price(session: Session, product_id: int, price_buy: Decimal, product_version: int) -> None:
    """Note what the product costs, unless a newer version of the product was heard of before."""
    session.execute(
        update(Storage)
        .where(Storage.product_id == product_id, Storage.product_version < product_version)
        .values(price_buy=price_buy, product_version=product_version)
        .execution_options(synchronize_session=False)
    )


def statistics(session: Session) -> Row[Any]:
    """All storages in figures."""
    return session.execute(
        select(
            func.count().label("storages"),
            func.coalesce(func.sum(Storage.quantity), 0).label("quantity"),
            func.coalesce(func.sum(Storage.quantity * Storage.price_buy), 0).label("value"),
            func.coalesce(func.sum(case((Storage.quantity < LOW_STOCK, 1), else_=0)), 0).label("low"),
            func.coalesce(func.sum(case((Storage.quantity == 0, 1), else_=0)), 0).label("empty"),
        )
    ).one()


def change_quantity(session: Session, storage: Storage, delta: Decimal) -> Decimal:
    """The quantity after adding `delta`. Raises NotEnoughStockError rather than go below zero, whatever the caller believed."""
    changed = session.execute(
        update(Storage)
        .where(Storage.id == storage.id, Storage.quantity + delta >= 0)
        .values(quantity=Storage.quantity + delta, version=Storage.version + 1)
        .execution_options(synchronize_session=False)
    )
    if changed.rowcount != 1:
        raise NotEnoughStockError(f"product {storage.product_id}: {storage.quantity} is less than {-delta}")
    _believe(storage, quantity=storage.quantity + delta, version=storage.version + 1)
    return storage.quantity


def set_low_since(session: Session, storage: Storage, moment: datetime | None) -> None:
    """Note since when the storage is low, or that it is not."""
    session.execute(update(Storage).where(Storage.id == storage.id).values(low_since=moment).execution_options(synchronize_session=False))
    _believe(storage, low_since=moment)


def _believe(storage: Storage, **values: Any) -> None:
    """Let the object in memory say what the locked row now holds, without another round trip."""
    for name, value in values.items():
        orm_attributes.set_committed_value(storage, name, value)


def add_movement(session: Session, storage: Storage, delta: Decimal, reason: str, event_id: str, reference: str | None) -> None:
    """Write the ledger: the change that made the storage what it is now."""
    session.add(
        StockMovement(
            product_id=storage.product_id,
            delta=delta,
            balance_after=storage.quantity,
            reason=reason,
            event_id=event_id,
            reference=reference,
            trace_id=current_trace_id(),
            created_at=utc_now(),
        )
    )
    session.flush()


def has_movement(session: Session, reference: str, reason: str) -> bool:
    """Whether the ledger has a movement of that kind."""
    return session.scalar(select(StockMovement.id).filter_by(reference=reference, reason=reason).limit(1)) is not None


def has_any_movement(session: Session, product_id: int) -> bool:
    """Whether the product ever moved."""
    return session.scalar(select(StockMovement.id).filter_by(product_id=product_id).limit(1)) is not None


def page(session: Session, query: StorageQuery, product_ids: Iterable[int] | None) -> tuple[list[Storage], int]:
    """A page of storages (of these products, where given) and how many there are on all pages."""
    rows = select(Storage)
    if product_ids is not None:
        rows = rows.where(Storage.product_id.in_(list(product_ids)))
    if query.product_id is not None:
        rows = rows.where(Storage.product_id == query.product_id)
    if query.product_ids is not None:
        rows = rows.where(Storage.product_id.in_(query.product_ids))
    if query.low is not None:
        rows = rows.where(Storage.quantity < LOW_STOCK if query.low else Storage.quantity >= LOW_STOCK)
    columns = {name: getattr(Storage, name) for name in query.sortable}
    return read_page(session, rows, query.model_copy(update={"q": None}), columns=columns)


def movements(session: Session, query: MovementQuery) -> tuple[list[StockMovement], int]:
    """A page of the ledger."""
    rows = select(StockMovement)
    if query.product_id is not None:
        rows = rows.filter_by(product_id=query.product_id)
    if query.event_ids is not None:
        rows = rows.where(StockMovement.event_id.in_(query.event_ids))
    if query.reason is not None:
        rows = rows.filter_by(reason=query.reason)
    return read_page(session, rows, query, columns={"id": StockMovement.id}, searched=(StockMovement.reference,))


def add_alert(session: Session, fields: dict[str, Any]) -> None:
    """Write the alert log; the same crossing is written once."""
    session.execute(insert(StockAlert).values(**fields).prefix_with("IGNORE"))


def alerts(session: Session, query: AlertQuery) -> tuple[list[tuple[StockAlert, datetime | None]], int]:
    """A page of falls below the threshold, each with the moment it was cleared, if it was."""
    later = aliased(StockAlert)
    cleared_at = (
        select(func.min(later.occurred_at))
        .where(later.product_id == StockAlert.product_id, later.kind == "stock_recovered", later.stock_version > StockAlert.stock_version)
        .scalar_subquery()
    )
    rows = select(StockAlert).where(StockAlert.kind == "low_stock")
    if query.product_id is not None:
        rows = rows.where(StockAlert.product_id == query.product_id)
    if query.status != "all":
        rows = rows.where(cleared_at.is_(None) if query.status == "active" else cleared_at.is_not(None))
    found, total = read_page(session, rows, query, columns={"id": StockAlert.id})
    moments = {
        row.id: row.cleared_at
        for row in session.execute(select(StockAlert.id, cleared_at.label("cleared_at")).where(StockAlert.id.in_([a.id for a in found])))
    }
    return [(alert, moments[alert.id]) for alert in found], total


def reconcile(session: Session, query: ReconcileQuery) -> tuple[list[Row[Any]], int, int]:
    """Stock against ledger: a page of products, how many products there are (of those asked for), and how many do not match."""
    movement = StockMovement

    def by(*reasons: str) -> Any:
        return func.coalesce(func.sum(case((movement.reason.in_(reasons), movement.delta), else_=0)), 0)

    ledger = (
        select(
            movement.product_id,
            func.sum(movement.delta).label("movements"),
            by("opening").label("opening"),
            by("procurement").label("procured"),
            (-by("order")).label("ordered"),
            by("cancellation").label("cancelled"),
            by("return").label("returned"),
            by("correction", "damage", "count").label("corrected"),
        )
        .group_by(movement.product_id)
        .subquery()
    )
    parts = [func.coalesce(ledger.c[name], 0).label(name) for name in _LEDGER_PARTS]
    difference = (Storage.quantity - func.coalesce(ledger.c.movements, 0)).label("difference")
    rows = select(Storage.product_id, Storage.quantity, difference, *parts).outerjoin(ledger, ledger.c.product_id == Storage.product_id)
    everything = rows.subquery()
    mismatched = session.scalar(select(func.count()).select_from(everything).where(everything.c.difference != 0)) or 0
    wanted = select(everything)
    if query.mismatched:
        wanted = wanted.where(everything.c.difference != 0)
    total = mismatched if query.mismatched else session.scalar(select(func.count()).select_from(Storage)) or 0
    page_rows = session.execute(wanted.order_by(everything.c.product_id).offset(query.start).limit(query.limit)).all()
    return list(page_rows), total, mismatched


_LEDGER_PARTS = ("movements", "opening", "procured", "ordered", "cancelled", "returned", "corrected")
