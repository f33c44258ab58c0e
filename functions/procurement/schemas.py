"""Requests, responses, and the event `procurement_stock_in`."""

from typing import ClassVar

from common.fields import Id, Moment, Money, Number, Payload, Quantity, Shape, UtcMoment
from common.paging import ListQuery
from common.statistics import PeriodQuery


class ProcurementIn(Payload):
    """A procurement as clients write it; `unit_price` is the product's buying price unless given."""

    supplier_id: Id
    product_id: Id
    quantity: Quantity
    unit_price: Money | None = None


class ProcurementOut(Shape):
    """A procurement as everybody reads it; `total_cost` is the server's."""

    id: int
    supplier_id: int
    product_id: int
    quantity: Number
    unit_price: Money
    total_cost: Number
    timestamp: UtcMoment
    supplier_name: str
    product_code: str
    product_name: str
    # It never changes; the cache compares versions all the same.
    version: int = 1


class StockIn(Shape):
    """The fields of the event `procurement_stock_in`."""

    procurement_id: int
    product_id: int
    quantity: Number


class StatisticsQuery(PeriodQuery):
    """The period, and whose procurements."""

    supplier_id: int | None = None


class ProcurementQuery(ListQuery):
    """What the list of procurements can be narrowed and sorted by; `since` and `until` bound the timestamp."""

    sortable: ClassVar[tuple[str, ...]] = ("id", "timestamp", "quantity", "total_cost")

    product_id: int | None = None
    supplier_id: int | None = None
    since: Moment | None = None
    until: Moment | None = None
