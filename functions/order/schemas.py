"""Requests, responses, and the events `order_stock_out` and `order_cancelled`."""

from typing import ClassVar, Literal

from common.fields import Id, Moment, Money, Number, Payload, Personal, Quantity, Shape, UtcMoment
from common.paging import ListQuery
from common.statistics import Figures, PeriodQuery, PeriodStatistics

Status = Literal["pending", "confirmed", "rejected", "cancelled"]
# What counts as sold: what is taken, and what is not yet refused.
SOLD: tuple[Status, ...] = ("pending", "confirmed")


class OrderIn(Payload):
    """An order as clients write it; `unit_price` is the product's selling price unless given."""

    customer_id: Id
    product_id: Id
    quantity: Quantity
    unit_price: Money | None = None


class OrderOut(Shape):
    """An order as everybody reads it; `total_cost` is the server's."""

    id: int
    customer_id: int
    product_id: int
    quantity: Number
    unit_price: Money
    total_cost: Number
    timestamp: UtcMoment
    customer_name: Personal
    product_code: str
    product_name: str
    status: Status
    status_reason: str | None
    version: int


class OrderStock(Shape):
    """The fields of the events `order_stock_out` and `order_cancelled`."""

    order_id: int
    product_id: int
    quantity: Number


class StatusFigures(Figures):
    """The orders of one status."""

    status: Status


class OrderStatistics(PeriodStatistics):
    """What was sold in the period (orders pending and confirmed), and what became of all its orders."""

    by_status: list[StatusFigures]


class StatisticsQuery(PeriodQuery):
    """The period, and whose orders."""

    customer_id: int | None = None


class OrderQuery(ListQuery):
    """What the list of orders can be narrowed and sorted by; `since` and `until` bound the timestamp."""

    sortable: ClassVar[tuple[str, ...]] = ("id", "timestamp", "quantity", "total_cost", "status")

    product_id: int | None = None
    customer_id: int | None = None
    status: Status | None = None
    since: Moment | None = None
    until: Moment | None = None
