"""The rules of suppliers."""

from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.cache import WARM_ENTITIES, EntityCache, Gone, WarmUp
from common.db import after_commit, is_still_referenced, transaction
from common.errors import ConflictError, NotFoundError
from common.events import emit, entity_fields
from common.paging import page_document
from supplier import repository
from supplier.models import Supplier
from supplier.schemas import SupplierIn, SupplierOut, SupplierQuery

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
            suppliers, total = repository.page(session, query)
        return page_document("suppliers", [_document(s) for s in suppliers], total, query)

    return _CACHE.listed(query.model_dump(), load)


def create_supplier(session: Session, new: SupplierIn) -> dict[str, Any]:
    """A new supplier, told to the other services."""
    return _changed(session, "supplier_created", repository.add(session, new.model_dump()))


def update_supplier(session: Session, supplier_id: int, new: SupplierIn) -> dict[str, Any]:
    """The supplier with new fields. Raises NotFoundError."""
    supplier = _found(supplier_id, repository.get(session, supplier_id, for_update=True))
    for name, value in new.model_dump().items():
        setattr(supplier, name, value)
    supplier.version += 1
    session.flush()
    return _changed(session, "supplier_updated", supplier)


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
    after_commit(session, lambda: _CACHE.bury(supplier_id, document["version"]))
    after_commit(session, _CACHE.void_lists)
    emit(session, "supplier_deleted", entity_fields("supplier", document))


def _changed(session: Session, event_type: str, supplier: Supplier) -> dict[str, Any]:
    document = _document(supplier)
    after_commit(session, lambda: _CACHE.put([document], insist=True))
    after_commit(session, _CACHE.void_lists)
    emit(session, event_type, entity_fields("supplier", document))
    return document


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
