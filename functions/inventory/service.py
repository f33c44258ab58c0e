"""What people ask and do about stock. Stock itself is never served from a cache: see docs/adr."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from common.db import in_transaction, transaction, utc_now
from common.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from common.events import new_event_id
from common.fields import as_json_moment, as_json_number
from common.paging import Page, page_document
from common.services import Directory
from inventory import repository
from inventory.models import LOW_STOCK, Storage
from inventory.schemas import (
    AlertOut,
    AlertQuery,
    InventoryStatistics,
    MomentQuery,
    MovementOut,
    MovementQuery,
    ReconcileOut,
    ReconcileQuery,
    StockChange,
    StockCorrection,
    StorageIn,
    StorageOut,
    StorageQuery,
)
from inventory.stock import StockBook

products = Directory("product", "products")


# Longer than any transaction lives: a movement that is older than this has been committed or never will be.
_UNSETTLED = timedelta(minutes=1)


def get_storage(storage_id: int, query: MomentQuery) -> dict[str, Any]:
    """A storage. Raises NotFoundError, or InvalidError for a moment to come."""
    moment = _past(query.as_of)

    def read(session: Session) -> list[dict[str, Any]]:
        return _documents(session, [_found(f"storage {storage_id}", repository.get(session, storage_id))], moment)

    return _with_products(in_transaction(read))[0]


def get_storage_of_product(product_id: int, query: MomentQuery) -> dict[str, Any]:
    """The storage of a product. Raises NotFoundError, or InvalidError for a moment to come."""
    moment = _past(query.as_of)

    def read(session: Session) -> list[dict[str, Any]]:
        return _documents(session, [_found(f"storage of product {product_id}", repository.of_product(session, product_id))], moment)

    return _with_products(in_transaction(read))[0]


def list_storages(query: StorageQuery) -> dict[str, Any]:
    """A page of storages; `q` searches their products. Raises InvalidError for a moment to come."""
    moment = _past(query.as_of)

    def read(session: Session) -> tuple[list[dict[str, Any]], Page]:
        page = repository.page(session, query)
        return _documents(session, page.rows, moment), page

    documents, page = in_transaction(read)
    return page_document("inventory", _with_products(documents), page, query)


def open_storage(session: Session, new: StorageIn) -> dict[str, Any]:
    """The opening stock of a product. Raises InvalidError for an unknown product, ConflictError once the product has moved."""
    try:
        book = StockBook(session, [new.product_id])
    except repository.UnknownProductError as error:
        raise InvalidError.of_field("product_id", str(error), code="product_not_found") from error
    storage = book.storage(new.product_id)
    if repository.has_any_movement(session, new.product_id):
        raise ConflictError(
            f"product {new.product_id} already has stock; change it with PUT /api/inventory/{storage.id}",
            code="storage_exists",
            storage_id=storage.id,
        )
    book.change_by_hand(new.product_id, new.quantity, "opening", new_event_id(), None)
    book.write()
    return _document(storage)


def change_storage(session: Session, storage_id: int, change: StockChange) -> dict[str, Any]:
    """Change stock by hand. Raises NotFoundError, or ConflictError where it would fall below zero."""
    product_id = _found(f"storage {storage_id}", repository.get(session, storage_id)).product_id
    book = StockBook(session, [product_id])
    _change(book, product_id, change)
    book.write()
    return _document(book.storage(product_id))


def correct_stock(session: Session, corrections: Sequence[StockCorrection]) -> list[dict[str, Any]]:
    """Change the stock of many products by hand, one change after the other; each with its outcome."""
    product_ids = {correction.product_id for correction in corrections}
    unknown: frozenset[int] = frozenset()
    try:
        book = StockBook(session, product_ids)
    except repository.UnknownProductError as error:
        unknown = error.product_ids
        book = StockBook(session, product_ids - unknown)
    rows = [_correct(book, unknown, correction) for correction in corrections]
    book.write()
    return rows


def list_movements(query: MovementQuery) -> dict[str, Any]:
    """A page of the ledger."""
    with transaction() as session:
        page = repository.movements(session, query)
    return page_document("movements", [MovementOut.model_validate(m).document() for m in page.rows], page, query)


def list_movements_of_product(product_id: int, query: MovementQuery) -> dict[str, Any]:
    """A page of a product's ledger. Raises NotFoundError for a product without a storage."""
    with transaction() as session:
        _found(f"storage of product {product_id}", repository.of_product(session, product_id))
    return list_movements(query)


def statistics() -> dict[str, Any]:
    """How much there is of everything, and what it is worth."""
    with transaction() as session:
        found = repository.statistics(session)
    if found is None:
        # By itself, so that nobody waits for more than this.
        in_transaction(repository.sum_up_stock)
        with transaction() as session:
            found = repository.statistics_read_off(session)
    return InventoryStatistics.model_validate(found).document()


def list_alerts(query: AlertQuery) -> dict[str, Any]:
    """A page of alerts."""
    with transaction() as session:
        page = repository.alerts(session, query)
    return page_document("alerts", [AlertOut.model_validate(alert).document() for alert in page.rows], page, query)


def reconcile(query: ReconcileQuery) -> dict[str, Any]:
    """Each product's stock against the sum of its movements, and how many products do not match."""
    # By itself: whoever finds so much to add that the rest takes too long leaves the next one less of it.
    in_transaction(repository.sum_up_settled)
    with transaction() as session:
        rows, total, mismatched = repository.reconcile(session, query)
        documents = [ReconcileOut.model_validate(row).document() for row in rows]
    return {
        "reconciled": mismatched == 0,
        "mismatched": mismatched,
        "products": documents,
        "start": query.start,
        "limit": query.limit,
        "count": len(documents),
        "total": total,
    }


def _correct(book: StockBook, unknown: frozenset[int], correction: StockCorrection) -> dict[str, Any]:
    product_id = correction.product_id
    outcome = {"product_id": product_id, "outcome": "refused", "quantity": None, "code": None, "detail": None}
    if product_id in unknown:
        return outcome | {"code": "product_not_found", "detail": f"there is no product {product_id}"}
    try:
        _change(book, product_id, correction)
    except ConflictError as error:
        return outcome | {"code": error.code, "detail": error.detail}
    return outcome | {"outcome": "moved", "quantity": as_json_number(book.storage(product_id).quantity)}


def _change(book: StockBook, product_id: int, change: StockChange) -> None:
    """Change stock by hand. Raises ConflictError where it would fall below zero."""
    storage = book.storage(product_id)
    delta = change.delta if change.delta is not None else (change.quantity or Decimal(0)) - storage.quantity
    if storage.quantity + delta < 0:
        raise ConflictError(
            f"only {as_json_number(storage.quantity)} in stock",
            code="insufficient_stock",
            available=as_json_number(storage.quantity),
        )
    book.change_by_hand(product_id, delta, change.reason, new_event_id(), change.reference)


def _past(moment: datetime | None) -> datetime | None:
    if moment is not None and moment > utc_now():
        raise InvalidError.of_field("as_of", "lies in the future", code="moment_in_the_future")
    return moment


def _documents(session: Session, storages: Iterable[Storage], moment: datetime | None) -> list[dict[str, Any]]:
    """Storages as they are, or as they were at a moment."""
    documents = [_document(storage) | {"as_of": None} for storage in storages]
    if moment is None:
        return documents
    ids = [document["product_id"] for document in documents]
    if utc_now() - moment < _UNSETTLED:
        repository.settle(session, ids)
    quantities = repository.quantities_at(session, ids, moment)
    then = {"version": None, "low_since": None, "as_of": as_json_moment(moment)}
    return [
        document | then | {"quantity": as_json_number(quantity), "low": quantity < LOW_STOCK}
        for document in documents
        for quantity in (quantities[document["product_id"]],)
    ]


def _with_products(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ids = [document["product_id"] for document in documents]
    try:
        found = products.find_many(ids)
    except UnavailableError:
        found = products.cached(ids)
    # The product service adds suppliers to its answers, the cache does not: here nobody wants them.
    shown = {product_id: {name: value for name, value in product.items() if name != "supplier"} for product_id, product in found.items()}
    return [document | {"product": shown.get(document["product_id"])} for document in documents]


def _document(storage: Storage) -> dict[str, Any]:
    return StorageOut.model_validate(storage).document()


def _found(what: str, storage: Storage | None) -> Storage:
    if storage is None:
        raise NotFoundError(f"there is no {what}", code="storage_not_found")
    return storage
