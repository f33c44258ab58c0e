"""The only SQL of this service."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from common import positions, search
from common.lists import Source, among, by, equal, read_page
from common.paging import Page
from supplier.models import Supplier
from supplier.schemas import SupplierQuery

_LISTED = Source(Supplier, {name: by(f"ix_suppliers_{name}", getattr(Supplier, name)) for name in ("name", "city", "contact_person")})


def get(session: Session, supplier_id: int, *, for_update: bool = False) -> Supplier | None:
    """A supplier, locked if it is to be changed."""
    return session.get(Supplier, supplier_id, with_for_update=for_update or None)


def lock_many(session: Session, supplier_ids: Iterable[int]) -> dict[int, Supplier]:
    """Those of the suppliers that there are, by id, locked in ascending order."""
    rows = select(Supplier).where(Supplier.id.in_(sorted(supplier_ids))).order_by(Supplier.id).with_for_update()
    return {supplier.id: supplier for supplier in session.scalars(rows)}


def write(session: Session, suppliers: Sequence[Supplier]) -> None:
    """New suppliers get their ids, changed ones their new fields."""
    session.add_all(suppliers)
    session.flush()
    _note_words(session, suppliers)


def add(session: Session, fields: dict[str, Any]) -> Supplier:
    """A new supplier, with its id."""
    supplier = Supplier(**fields)
    session.add(supplier)
    session.flush()
    _note_words(session, [supplier], new=True)
    return supplier


def delete(session: Session, supplier: Supplier) -> None:
    """Delete a supplier. Raises IntegrityError where something points to it."""
    session.delete(supplier)
    session.flush()
    search.forget_words(session, "supplier", supplier.id)
    positions.note_deleted(session, "suppliers", supplier.id)


def page(session: Session, query: SupplierQuery) -> Page:
    """A page of suppliers."""
    narrowings = [
        *among(Supplier.id, query.ids, "PRIMARY"),
        *equal(Supplier.name, query.name, "ix_suppliers_name"),
        *equal(Supplier.city, query.city, "ix_suppliers_city"),
        *search.narrowings(session, query.q, Supplier, {"supplier": (Supplier.id, "PRIMARY")}),
    ]
    return read_page(session, _LISTED, query, narrowings)


def latest(session: Session, limit: int) -> list[Supplier]:
    """The suppliers that were added last."""
    return list(session.scalars(select(Supplier).order_by(Supplier.id.desc()).limit(limit)))


def _note_words(session: Session, suppliers: Iterable[Supplier], *, new: bool = False) -> None:
    search.note_words(session, "supplier", {s.id: (s.name, s.city, s.contact_person) for s in suppliers}, new=new)
