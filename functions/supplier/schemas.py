"""Requests and responses. The events (`supplier_created`, `_updated`, `_deleted`) carry `SupplierOut` with `id` as `supplier_id`."""

from typing import Annotated, ClassVar

from common.fields import Id, Payload, Personal, Shape, text
from common.importing import KeyedRow, Rows
from common.paging import IdList, ListQuery


class SupplierIn(Payload):
    """A supplier as clients write it."""

    name: text(200)
    city: text(100)
    address: text(300)
    contact_person: text(200)


class SupplierRow(SupplierIn, KeyedRow):
    """A row of an import: the supplier of that id with new fields, or a new one."""

    id: Id | None = None


class SupplierImport(Payload):
    """Many suppliers at once."""

    suppliers: Annotated[list[SupplierRow], Rows]


class SupplierOut(Shape):
    """A supplier as everybody reads it; `version` counts its changes."""

    id: int
    name: str
    city: str
    address: str
    contact_person: Personal
    version: int


class SupplierQuery(ListQuery):
    """What the list of suppliers can be narrowed and sorted by."""

    sortable: ClassVar[tuple[str, ...]] = ("id", "name", "city", "contact_person")

    name: str | None = None
    city: str | None = None
    ids: IdList | None = None
