"""The rules of products."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.cache import WARM_ENTITIES, EntityCache, Gone, WarmUp
from common.db import is_duplicate, is_missing_reference, is_still_referenced, transaction
from common.errors import ConflictError, InvalidError, NotFoundError, ProblemError, UnavailableError
from common.events import emit, entity_fields
from common.importing import done, refused
from common.paging import page_document
from common.services import Directory
from product import repository
from product.models import Product
from product.schemas import ProductIn, ProductOut, ProductQuery, ProductRow

_CACHE = EntityCache("product")
suppliers = Directory("supplier", "suppliers")


def get_product(product_id: int) -> dict[str, Any]:
    """A product with its supplier. Raises NotFoundError."""
    held = _CACHE.get(product_id)
    if isinstance(held, Gone):
        raise _not_found(product_id)
    if held is None:
        with transaction() as session:
            held = _document(_found(product_id, repository.get(session, product_id)))
        _CACHE.put([held])
    return _with_suppliers([held])[0]


def list_products(query: ProductQuery) -> dict[str, Any]:
    """A page of products with their suppliers. Suppliers are put in afterwards, so a list outlives a change of a supplier."""

    def load() -> dict[str, Any]:
        with transaction() as session:
            found = repository.page(session, query)
        documents = [_document(p) for p in found.rows]
        if query.ids is not None:
            # Another service asks for what the cache did not know.
            _CACHE.put(documents)
        return page_document("products", documents, found, query)

    page = _CACHE.listed(query.model_dump(), load)
    return page | {"products": _with_suppliers(page["products"])}


def create_product(session: Session, new: ProductIn) -> dict[str, Any]:
    """A new product, told to the other services.

    Raises InvalidError for a supplier that does not exist, ConflictError for a code that is taken.
    """
    supplier = _supplier(new.supplier_id)
    try:
        product = repository.add(session, new.model_dump())
    except IntegrityError as error:
        raise _refusal(error, new) from error
    return _changed(session, "product_created", product) | {"supplier": supplier}


def update_product(session: Session, product_id: int, new: ProductIn) -> dict[str, Any]:
    """The product with new fields. Raises NotFoundError, and as `create_product` does."""
    supplier = _supplier(new.supplier_id)
    product = _found(product_id, repository.get(session, product_id, for_update=True))
    _update(product, new.model_dump())
    try:
        repository.write(session, [product])
    except IntegrityError as error:
        raise _refusal(error, new) from error
    return _changed(session, "product_updated", product) | {"supplier": supplier}


def import_products(session: Session, rows: Sequence[ProductRow]) -> list[dict[str, Any]]:
    """Products of codes that are new, and new fields for those that exist; each row with its outcome.

    Raises ConflictError where one of the codes was taken, or one of the suppliers deleted, in the same moment: then nothing is done.
    """
    known = repository.lock_codes(session, (row.product_code for row in rows))
    new = {row.product_code for row in rows} - known.keys()
    there = suppliers.find_many(row.supplier_id for row in rows)
    taken: list[Product | dict[str, Any]] = []
    for row in rows:
        if row.supplier_id not in there:
            taken.append(refused("supplier_not_found", f"there is no supplier {row.supplier_id}"))
        elif row.product_code in new:
            new.remove(row.product_code)
            taken.append(Product(**row.model_dump(exclude={"key"})))
        elif row.product_code in known:
            product = known.pop(row.product_code)
            _update(product, row.model_dump(exclude={"key"}))
            taken.append(product)
        else:
            taken.append(refused("product_code_taken", f"an earlier row is about {row.product_code}"))
    products = [product for product in taken if isinstance(product, Product)]
    # What was there has an id.
    words: list[Literal["created", "updated"]] = ["updated" if product.id else "created" for product in products]
    try:
        repository.write(session, products)
    except IntegrityError as error:
        raise ConflictError("somebody else changed some of these in the same moment", code="import_conflict") from error
    _all_changed(session, [(f"product_{word}", product) for word, product in zip(words, products, strict=True)])
    outcomes = (done(word, product.id) for word, product in zip(words, products, strict=True))
    return [next(outcomes) if isinstance(row, Product) else row for row in taken]


def delete_product(session: Session, product_id: int) -> None:
    """Forget a product that never moved. Raises NotFoundError, or ConflictError once it has a movement, order or procurement."""
    product = _found(product_id, repository.get(session, product_id, for_update=True))
    document = _document(product) | {"version": product.version + 1}
    try:
        repository.delete(session, product)
    except IntegrityError as error:
        if is_still_referenced(error):
            raise ConflictError("the product has stock movements, orders or procurements", code="product_in_use") from error
        raise
    _CACHE.follow_deletion(session, product_id, document["version"])
    emit(session, "product_deleted", entity_fields("product", document))


def _update(product: Product, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        setattr(product, name, value)
    product.version += 1


def _changed(session: Session, event_type: str, product: Product) -> dict[str, Any]:
    return _all_changed(session, [(event_type, product)])[0]


def _all_changed(session: Session, changes: Sequence[tuple[str, Product]]) -> list[dict[str, Any]]:
    """Tell of products, each by its event, and cache them once all is committed."""
    documents = [_document(product) for _, product in changes]
    _CACHE.follow(session, documents)
    for (event_type, _), document in zip(changes, documents, strict=True):
        emit(session, event_type, entity_fields("product", document))
    return documents


def _supplier(supplier_id: int) -> dict[str, Any]:
    supplier = suppliers.find(supplier_id)
    if supplier is None:
        raise InvalidError.of_field("supplier_id", f"there is no supplier {supplier_id}", code="supplier_not_found")
    return supplier


def _with_suppliers(documents: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The products with their `supplier` objects; with null where the supplier service cannot be asked and the cache does not know."""
    products = list(documents)
    try:
        found = suppliers.find_many(product["supplier_id"] for product in products)
    except UnavailableError:
        found = suppliers.cached(product["supplier_id"] for product in products)
    return [product | {"supplier": found.get(product["supplier_id"])} for product in products]


def _refusal(error: IntegrityError, new: ProductIn) -> ProblemError:
    if is_duplicate(error):
        message = f"product code {new.product_code} is taken"
        return ConflictError(message, code="product_code_taken", errors=[{"field": "product_code", "message": message}])
    if is_missing_reference(error):
        return InvalidError.of_field("supplier_id", f"there is no supplier {new.supplier_id}", code="supplier_not_found")
    return ConflictError("the database refused the product")


def _document(product: Product) -> dict[str, Any]:
    return ProductOut.model_validate(product).document()


def _found(product_id: int, product: Product | None) -> Product:
    if product is None:
        raise _not_found(product_id)
    return product


def _not_found(product_id: int) -> NotFoundError:
    return NotFoundError(f"there is no product {product_id}", code="product_not_found")


def _load_cache() -> int:
    with transaction() as session:
        documents = [_document(p) for p in repository.latest(session, WARM_ENTITIES)]
    _CACHE.put(documents)
    list_products(ProductQuery())
    return len(documents)


warm_up = WarmUp("product", _load_cache)
