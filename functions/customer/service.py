"""The rules of customers."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.cache import WARM_ENTITIES, EntityCache, Gone, WarmUp
from common.db import is_still_referenced, transaction
from common.errors import ConflictError, NotFoundError
from common.events import emit, entity_fields
from common.importing import done, refused
from common.paging import page_document
from customer import repository
from customer.models import Customer
from customer.schemas import CustomerIn, CustomerOut, CustomerQuery, CustomerRow

_CACHE = EntityCache("customer")


def get_customer(customer_id: int) -> dict[str, Any]:
    """A customer. Raises NotFoundError."""
    held = _CACHE.get(customer_id)
    if isinstance(held, Gone):
        raise _not_found(customer_id)
    if held is not None:
        return held
    with transaction() as session:
        document = _document(_found(customer_id, repository.get(session, customer_id)))
    _CACHE.put([document])
    return document


def list_customers(query: CustomerQuery) -> dict[str, Any]:
    """A page of customers."""

    def load() -> dict[str, Any]:
        with transaction() as session:
            page = repository.page(session, query)
        documents = [_document(s) for s in page.rows]
        if query.ids is not None:
            # Another service asks for what the cache did not know.
            _CACHE.put(documents)
        return page_document("customers", documents, page, query)

    return _CACHE.listed(query.model_dump(), load)


def create_customer(session: Session, new: CustomerIn) -> dict[str, Any]:
    """A new customer, told to the other services."""
    return _changed(session, "customer_created", repository.add(session, new.model_dump()))


def update_customer(session: Session, customer_id: int, new: CustomerIn) -> dict[str, Any]:
    """The customer with new fields. Raises NotFoundError."""
    customer = _found(customer_id, repository.get(session, customer_id, for_update=True))
    _update(customer, new.model_dump())
    repository.write(session, [customer])
    return _changed(session, "customer_updated", customer)


def import_customers(session: Session, rows: Sequence[CustomerRow]) -> list[dict[str, Any]]:
    """New customers, and new fields for those that rows name by their ids; each row with its outcome."""
    known = repository.lock_many(session, [row.id for row in rows if row.id])
    taken = [_take(known, row) for row in rows]
    repository.write(session, [customer for customer in taken if customer])
    words = ["created" if row.id is None else "updated" for row in rows]
    _all_changed(session, [(f"customer_{word}", customer) for word, customer in zip(words, taken, strict=True) if customer])
    return [
        done(word, customer.id) if customer else refused("customer_not_found", f"there is no customer {row.id}, or an earlier row names it")
        for row, word, customer in zip(rows, words, taken, strict=True)
    ]


def delete_customer(session: Session, customer_id: int) -> None:
    """Forget a customer. Raises NotFoundError, or ConflictError while orders name it."""
    customer = _found(customer_id, repository.get(session, customer_id, for_update=True))
    document = _document(customer) | {"version": customer.version + 1}
    try:
        repository.delete(session, customer)
    except IntegrityError as error:
        if is_still_referenced(error):
            raise ConflictError("orders still name this customer", code="customer_in_use") from error
        raise
    _CACHE.follow_deletion(session, customer_id, document["version"])
    emit(session, "customer_deleted", entity_fields("customer", document))


def _take(known: dict[int, Customer], row: CustomerRow) -> Customer | None:
    """The customer that a row makes or changes; None where there is none, or a row before was about it."""
    fields = row.model_dump(exclude={"id", "key"})
    if row.id is None:
        return Customer(**fields)
    customer = known.pop(row.id, None)
    if customer:
        _update(customer, fields)
    return customer


def _update(customer: Customer, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        setattr(customer, name, value)
    customer.version += 1


def _changed(session: Session, event_type: str, customer: Customer) -> dict[str, Any]:
    return _all_changed(session, [(event_type, customer)])[0]


def _all_changed(session: Session, changes: Sequence[tuple[str, Customer]]) -> list[dict[str, Any]]:
    """Tell of customers, each by its event, and cache them once all is committed."""
    documents = [_document(customer) for _, customer in changes]
    _CACHE.follow(session, documents)
    for (event_type, _), document in zip(changes, documents, strict=True):
        emit(session, event_type, entity_fields("customer", document))
    return documents


def _document(customer: Customer) -> dict[str, Any]:
    return CustomerOut.model_validate(customer).document()


def _found(customer_id: int, customer: Customer | None) -> Customer:
    if customer is None:
        raise _not_found(customer_id)
    return customer


def _not_found(customer_id: int) -> NotFoundError:
    return NotFoundError(f"there is no customer {customer_id}", code="customer_not_found")


def _load_cache() -> int:
    with transaction() as session:
        documents = [_document(s) for s in repository.latest(session, WARM_ENTITIES)]
    _CACHE.put(documents)
    list_customers(CustomerQuery())
    return len(documents)


warm_up = WarmUp("customer", _load_cache)
