"""The only SQL of this service."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.paging import read_page
from product.models import Product
from product.schemas import ProductQuery


def get(session: Session, product_id: int, *, for_update: bool = False) -> Product | None:
    """A product, locked if it is to be changed."""
    return session.get(Product, product_id, with_for_update=for_update or None)


def lock_codes(session: Session, codes: Iterable[str]) -> dict[str, Product]:
    """The products of these codes that there are, by code, locked in ascending order of their ids."""
    rows = select(Product).where(Product.product_code.in_(sorted(set(codes)))).order_by(Product.id).with_for_update()
    return {product.product_code: product for product in session.scalars(rows)}


def write(session: Session, products: Iterable[Product]) -> None:
    """New products get their ids, changed ones their new fields. Raises IntegrityError as `add` does."""
    session.add_all(products)
    session.flush()


def add(session: Session, fields: dict[str, Any]) -> Product:
    """A new product, with its id. Raises IntegrityError for a code that is taken or a supplier that is not there."""
    product = Product(**fields)
    session.add(product)
    session.flush()
    return product


def delete(session: Session, product: Product) -> None:
    """Delete a product. Raises IntegrityError where something points to it."""
    session.delete(product)
    session.flush()


def page(session: Session, query: ProductQuery) -> tuple[list[Product], int]:
    """A page of products and how many there are on all pages."""
    rows = select(Product)
    if query.ids is not None:
        rows = rows.where(Product.id.in_(query.ids))
    if query.product_code is not None:
        rows = rows.where(Product.product_code == query.product_code)
    if query.category is not None:
        rows = rows.where(Product.category == query.category)
    if query.supplier_id is not None:
        rows = rows.where(Product.supplier_id == query.supplier_id)
    columns = {name: getattr(Product, name) for name in query.sortable}
    return read_page(session, rows, query, columns=columns, searched=(Product.name, Product.product_code))


def latest(session: Session, limit: int) -> list[Product]:
    """The products that were added last."""
    return list(session.scalars(select(Product).order_by(Product.id.desc()).limit(limit)))
