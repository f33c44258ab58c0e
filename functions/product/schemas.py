"""Requests and responses. The events (`product_created`, `_updated`, `_deleted`) carry `ProductOut` with `id` as `product_id`."""

from typing import Annotated, ClassVar

from common.fields import Id, Money, Payload, Personal, Shape, text
from common.importing import KeyedRow, Rows
from common.paging import IdList, ListQuery, TextList


class ProductIn(Payload):
    """A product as clients write it."""

    product_code: text(64)
    name: text(255)
    category: text(100)
    price_buy: Money
    price_sell: Money
    measure_unit: text(20)
    supplier_id: Id


class ProductRow(ProductIn, KeyedRow):
    """A row of an import: the product of that code with new fields, or a new one."""


class ProductImport(Payload):
    """Many products at once."""

    products: Annotated[list[ProductRow], Rows]


class ProductOut(Shape):
    """A product as it is kept and told."""

    id: int
    product_code: str
    name: str
    category: str
    price_buy: Money
    price_sell: Money
    measure_unit: str
    supplier_id: int
    version: int


class ProductSupplier(Shape):
    """A product's supplier, as the supplier service tells it."""

    id: int
    name: str
    city: str
    address: str
    contact_person: Personal
    version: int


class SuppliedProduct(ProductOut):
    """A product as everybody reads it; `supplier` is null where the supplier service cannot be asked and the cache does not know."""

    supplier: ProductSupplier | None


class ProductQuery(ListQuery):
    """What the list of products can be narrowed and sorted by."""

    sortable: ClassVar[tuple[str, ...]] = ("id", "product_code", "name", "category", "price_buy", "price_sell")

    product_code: str | None = None
    product_codes: TextList | None = None
    category: str | None = None
    supplier_id: int | None = None
    ids: IdList | None = None
