"""The only SQL of this service."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from common import positions, search
from common.lists import Source, among, by, equal, read_page
from common.paging import Page
from product.models import Product
from product.schemas import ProductQuery

_LISTED = Source(
    Product,
    {
        "product_code": by("uq_products_product_code", Product.product_code),
        **{name: by(f"ix_products_{name}", getattr(Product, name)) for name in ("name", "category", "price_buy", "price_sell")},
    },
)


def get(session: Session, product_id: int, *, for_update: bool = False) -> Product | None:
    """A product, locked if it is to be changed."""
    return session.get(Product, product_id, with_for_update=for_update or None)


def lock_codes(session: Session, codes: Iterable[str]) -> dict[str, Product]:
    """The products of these codes that there are, by code, locked in ascending order of their ids."""
    rows = select(Product).where(Product.product_code.in_(sorted(set(codes)))).order_by(Product.id).with_for_update()
    return {product.product_code: product for product in session.scalars(rows)}


def write(session: Session, products: Sequence[Product]) -> None:
    """New products get their ids, changed ones their new fields. Raises IntegrityError as `add` does."""
    session.add_all(products)
    session.flush()
    _note_words(session, products)


def add(session: Session, fields: dict[str, Any]) -> Product:
    """A new product, with its id. Raises IntegrityError for a code that is taken or a supplier that is not there."""
    product = Product(**fields)
    session.add(product)
    session.flush()
    _note_words(session, [product], new=True)
    return product


def delete(session: Session, product: Product) -> None:
    """Delete a product. Raises IntegrityError where something points to it."""
    session.delete(product)
    session.flush()
    search.forget_words(session, "product", product.id)
    positions.note_deleted(session, "products", product.id)


def page(session: Session, query: ProductQuery) -> Page:
    """A page of products."""
    narrowings = [
        *among(Product.id, query.ids, "PRIMARY"),
        *equal(Product.product_code, query.product_code, "uq_products_product_code", few=True),
        *among(Product.product_code, query.product_codes, "uq_products_product_code"),
        *equal(Product.category, query.category, "ix_products_category"),
        *equal(Product.supplier_id, query.supplier_id, "ix_products_supplier_id"),
        *search.narrowings(session, query.q, Product, {"product": (Product.id, "PRIMARY")}),
    ]
    return read_page(session, _LISTED, query, narrowings)


def latest(session: Session, limit: int) -> list[Product]:
    """The products that were added last."""
    return list(session.scalars(select(Product).order_by(Product.id.desc()).limit(limit)))


def _note_words(session: Session, products: Iterable[Product], *, new: bool = False) -> None:
    search.note_words(session, "product", {p.id: (p.name, p.product_code) for p in products}, new=new)
