"""The rules of suppliers."""

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
from supplier import repository
from supplier.models import Supplier
from supplier.schemas import SupplierIn, SupplierOut, SupplierQuery, SupplierRow

_CACHE = EntityCache("supplier")


def get_supplier(supplier_id: int) -> dict[str, Any]:
    """A supplier. Raises NotFoundError."""
    held = _CACHE.get(supplier_id)
    if isinstance(held, Gone):
        raise _not_found(supplier_id)
    if held is not None:
        return held
    with transaction() as session:
        document = _document(_found(supplier_id, repository.get(session, supplier_id)))
    _CACHE.put([document])
    return document


def list_suppliers(query: SupplierQuery) -> dict[str, Any]:
    """A page of suppliers."""

    def load() -> dict[str, Any]:
        with transaction() as session:
            page = repository.page(session, query)
        documents = [_document(s) for s in page.rows]
        if query.ids is not None:
            # Another service asks for what the cache did not know.
            _CACHE.put(documents)
        return page_document("suppliers", documents, page, query)

    return _CACHE.listed(query.model_dump(), load)


def create_supplier(session: Session, new: SupplierIn) -> dict[str, Any]:
    """A new supplier, told to the other services."""
    return _changed(session, "supplier_created", repository.add(session, new.model_dump()))


def update_supplier(session: Session, supplier_id: int, new: SupplierIn) -> dict[str, Any]:
    """The supplier with new fields. Raises NotFoundError."""
    supplier = _found(supplier_id, repository.get(session, supplier_id, for_update=True))
    _update(supplier, new.model_dump())
    repository.write(session, [supplier])
    return _changed(session, "supplier_updated", supplier)


def import_suppliers(session: Session, rows: Sequence[SupplierRow]) -> list[dict[str, Any]]:
    """New suppliers, and new fields for those that rows name by their ids; each row with its outcome."""
    known = repository.lock_many(session, [row.id for row in rows if row.id])
    taken = [_take(known, row) for row in rows]
    repository.write(session, [supplier for supplier in taken if supplier])
    words = ["created" if row.id is None else "updated" for row in rows]
    _all_changed(session, [(f"supplier_{word}", supplier) for word, supplier in zip(words, taken, strict=True) if supplier])
    return [
        done(word, supplier.id) if supplier else refused("supplier_not_found", f"there is no supplier {row.id}, or an earlier row names it")
        for row, word, supplier in zip(rows, words, taken, strict=True)
    ]


def delete_supplier(session: Session, supplier_id: int) -> None:
    """Forget a supplier. Raises NotFoundError, or ConflictError while products or procurements name it."""
    supplier = _found(supplier_id, repository.get(session, supplier_id, for_update=True))
    document = _document(supplier) | {"version": supplier.version + 1}
    try:
        repository.delete(session, supplier)
    except IntegrityError as error:
        if is_still_referenced(error):
            raise ConflictError("products or procurements still name this supplier", code="supplier_in_use") from error
        raise
    _CACHE.follow_deletion(session, supplier_id, document["version"])
    emit(session, "supplier_deleted", entity_fields("supplier", document))


def _take(known: dict[int, Supplier], row: SupplierRow) -> Supplier | None:
    """The supplier that a row makes or changes; None where there is none, or a row before was about it."""
    fields = row.model_dump(exclude={"id", "key"})
    if row.id is None:
        return Supplier(**fields)
    supplier = known.pop(row.id, None)
    if supplier:
        _update(supplier, fields)
    return supplier


def _update(supplier: Supplier, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        setattr(supplier, name, value)
    supplier.version += 1


def _changed(session: Session, event_type: str, supplier: Supplier) -> dict[str, Any]:
    return _all_changed(session, [(event_type, supplier)])[0]


def _all_changed(session: Session, changes: Sequence[tuple[str, Supplier]]) -> list[dict[str, Any]]:
    """Tell of suppliers, each by its event, and cache them once all is committed."""
    documents = [_document(supplier) for _, supplier in changes]
    _CACHE.follow(session, documents)
    for (event_type, _), document in zip(changes, documents, strict=True):
        emit(session, event_type, entity_fields("supplier", document))
    return documents


def _document(supplier: Supplier) -> dict[str, Any]:
    return SupplierOut.model_validate(supplier).document()


def _found(supplier_id: int, supplier: Supplier | None) -> Supplier:
    if supplier is None:
        raise _not_found(supplier_id)
    return supplier


def _not_found(supplier_id: int) -> NotFoundError:
    return NotFoundError(f"there is no supplier {supplier_id}", code="supplier_not_found")


def _load_cache() -> int:
    with transaction() as session:
        documents = [_document(s) for s in repository.latest(session, WARM_ENTITIES)]
    _CACHE.put(documents)
    list_suppliers(SupplierQuery())
    return len(documents)


warm_up = WarmUp("supplier", _load_cache)
