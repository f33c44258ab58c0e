"""Requests and responses. The events (`customer_created`, `_updated`, `_deleted`) carry `CustomerOut` with `id` as `customer_id`."""

from typing import Annotated, ClassVar

from common.fields import Id, Payload, Personal, Shape, text
from common.importing import KeyedRow, Rows
from common.paging import IdList, ListQuery


class CustomerIn(Payload):
    """A customer as clients write it."""

    name: text(200)
    city: text(100)
    address: text(300)
    contact_person: text(200)


class CustomerRow(CustomerIn, KeyedRow):
    """A row of an import: the customer of that id with new fields, or a new one."""

    id: Id | None = None


class CustomerImport(Payload):
    """Many customers at once."""

    customers: Annotated[list[CustomerRow], Rows]


class CustomerOut(Shape):
    """A customer as everybody reads it; `version` counts its changes."""

    id: int
    name: Personal
    city: str
    address: Personal
    contact_person: Personal
    version: int


class CustomerQuery(ListQuery):
    """What the list of customers can be narrowed and sorted by."""

    sortable: ClassVar[tuple[str, ...]] = ("id", "name", "city", "contact_person")

    name: str | None = None
    city: str | None = None
    ids: IdList | None = None
