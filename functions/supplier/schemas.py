"""Requests and responses. The events (`supplier_created`, `_updated`, `_deleted`) carry `SupplierOut` with `id` as `supplier_id`."""

from typing import ClassVar

from common.fields import Payload, Shape, text
from common.paging import IdList, ListQuery


class SupplierIn(Payload):
    """A supplier as clients write it."""

    name: text(200)
    city: text(100)
    address: text(300)
    contact_person: text(200)


class SupplierOut(Shape):
    """A supplier as everybody reads it; `version` counts its changes."""

    id: int
    name: str
    city: str
    address: str
    contact_person: str
    version: int


class SupplierQuery(ListQuery):
    """What the list of suppliers can be narrowed and sorted by."""

    sortable: ClassVar[tuple[str, ...]] = ("id", "name", "city", "contact_person")

    name: str | None = None
    city: str | None = None
    ids: IdList | None = None
