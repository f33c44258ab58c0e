"""The only SQL of this service."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from common import positions, search
from common.lists import Source, among, by, equal, read_page
from common.paging import Page
from customer.models import Customer
from customer.schemas import CustomerQuery

_LISTED = Source(Customer, {name: by(f"ix_customers_{name}", getattr(Customer, name)) for name in ("name", "city", "contact_person")})


def get(session: Session, customer_id: int, *, for_update: bool = False) -> Customer | None:
    """A customer, locked if it is to be changed."""
    return session.get(Customer, customer_id, with_for_update=for_update or None)


def lock_many(session: Session, customer_ids: Iterable[int]) -> dict[int, Customer]:
    """Those of the customers that there are, by id, locked in ascending order."""
    rows = select(Customer).where(Customer.id.in_(sorted(customer_ids))).order_by(Customer.id).with_for_update()
    return {customer.id: customer for customer in session.scalars(rows)}


def write(session: Session, customers: Sequence[Customer]) -> None:
    """New customers get their ids, changed ones their new fields."""
    session.add_all(customers)
    session.flush()
    _note_words(session, customers)


def add(session: Session, fields: dict[str, Any]) -> Customer:
    """A new customer, with its id."""
    customer = Customer(**fields)
    session.add(customer)
    session.flush()
    _note_words(session, [customer], new=True)
    return customer


def delete(session: Session, customer: Customer) -> None:
    """Delete a customer. Raises IntegrityError where something points to it."""
    session.delete(customer)
    session.flush()
    search.forget_words(session, "customer", customer.id)
    positions.note_deleted(session, "customers", customer.id)


def page(session: Session, query: CustomerQuery) -> Page:
    """A page of customers."""
    narrowings = [
        *among(Customer.id, query.ids, "PRIMARY"),
        *equal(Customer.name, query.name, "ix_customers_name"),
        *equal(Customer.city, query.city, "ix_customers_city"),
        *search.narrowings(session, query.q, Customer, {"customer": (Customer.id, "PRIMARY")}),
    ]
    return read_page(session, _LISTED, query, narrowings)


def latest(session: Session, limit: int) -> list[Customer]:
    """The customers that were added last."""
    return list(session.scalars(select(Customer).order_by(Customer.id.desc()).limit(limit)))


def _note_words(session: Session, customers: Iterable[Customer], *, new: bool = False) -> None:
    search.note_words(session, "customer", {c.id: (c.name, c.city, c.contact_person) for c in customers}, new=new)
