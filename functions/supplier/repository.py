"""The only SQL of this service."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.paging import read_page
from supplier.models import Supplier
from supplier.schemas import SupplierQuery


def get(session: Session, supplier_id: int, *, for_update: bool = False) -> Supplier | None:
    """A supplier, locked if it is to be changed."""
    return session.get(Supplier, supplier_id, with_for_update=for_update or None)


def lock_many(session: Session, supplier_ids: Iterable[int]) -> dict[int, Supplier]:
    """Those of the suppliers that there are, by id, locked in ascending order."""
    rows = select(Supplier).where(Supplier.id.in_(sorted(supplier_ids))).order_by(Supplier.id).with_for_update()
    return {supplier.id: supplier for supplier in session.scalars(rows)}


def write(session: Session, suppliers: Iterable[Supplier]) -> None:
    """New suppliers get their ids, changed ones their new fields."""
    session.add_all(suppliers)
    session.flush()


def add(session: Session, fields: dict[str, Any]) -> Supplier:
    """A new supplier, with its id."""
    supplier = Supplier(**fields)
    session.add(supplier)
    session.flush()
    return supplier


def delete(session: Session, supplier: Supplier) -> None:
    """Delete a supplier. Raises IntegrityError where something points to it."""
    session.delete(supplier)
    session.flush()


def page(session: Session, query: SupplierQuery) -> tuple[list[Supplier], int]:
    """A page of suppliers and how many there are on all pages."""
    rows = select(Supplier)
    if query.ids is not None:
        rows = rows.where(Supplier.id.in_(query.ids))
    if query.name is not None:
        rows = rows.where(Supplier.name == query.name)
    if query.city is not None:
        rows = rows.where(Supplier.city == query.city)
    columns = {name: getattr(Supplier, name) for name in query.sortable}
    return read_page(session, rows, query, columns=columns, searched=(Supplier.name, Supplier.city, Supplier.contact_person))


def latest(session: Session, limit: int) -> list[Supplier]:
    """The suppliers that were added last."""
    return list(session.scalars(select(Supplier).order_by(Supplier.id.desc()).limit(limit)))
