"""The only SQL of this service."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.paging import read_page
from customer.models import Customer
from customer.schemas import CustomerQuery


def get(session: Session, customer_id: int, *, for_update: bool = False) -> Customer | None:
    """A customer, locked if it is to be changed."""
    return session.get(Customer, customer_id, with_for_update=for_update or None)


def lock_many(session: Session, customer_ids: Iterable[int]) -> dict[int, Customer]:
    """Those of the customers that there are, by id, locked in ascending order."""
    rows = select(Customer).where(Customer.id.in_(sorted(customer_ids))).order_by(Customer.id).with_for_update()
    return {customer.id: customer for customer in session.scalars(rows)}


def write(session: Session, customers: Iterable[Customer]) -> None:
    """New customers get their ids, changed ones their new fields."""
    session.add_all(customers)
    session.flush()


def add(session: Session, fields: dict[str, Any]) -> Customer:
    """A new customer, with its id."""
    customer = Customer(**fields)
    session.add(customer)
    session.flush()
    return customer


def delete(session: Session, customer: Customer) -> None:
    """Delete a customer. Raises IntegrityError where something points to it."""
    session.delete(customer)
    session.flush()


def page(session: Session, query: CustomerQuery) -> tuple[list[Customer], int]:
    """A page of customers and how many there are on all pages."""
    rows = select(Customer)
    if query.ids is not None:
        rows = rows.where(Customer.id.in_(query.ids))
    if query.name is not None:
        rows = rows.where(Customer.name == query.name)
    if query.city is not None:
        rows = rows.where(Customer.city == query.city)
    columns = {name: getattr(Customer, name) for name in query.sortable}
    return read_page(session, rows, query, columns=columns, searched=(Customer.name, Customer.city, Customer.contact_person))


def latest(session: Session, limit: int) -> list[Customer]:
    """The customers that were added last."""
    return list(session.scalars(select(Customer).order_by(Customer.id.desc()).limit(limit)))
