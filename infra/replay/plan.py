"""What a file asks for: its products, customers and opening stock, and the lines to drive."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from infra.replay.lines import Line, Reported

if TYPE_CHECKING:
    from collections.abc import Iterable

Value = TypeVar("Value")

WALK_IN = "Walk-in customer"
UNKNOWN_CITY = "Unknown"
# The most that one procurement may bring in.
LARGEST_PROCUREMENT = Decimal(1_000_000)


@dataclass(frozen=True)
class ProductWanted:
    """A product of the file. The file knows no buying price, so the selling price stands for both."""

    code: str
    name: str
    price: Decimal
    sold: Decimal
    comes_back: bool

    @property
    def procurements(self) -> list[Decimal]:
        """What to buy so that every line of the file can be sold."""
        whole, rest = divmod(self.sold, LARGEST_PROCUREMENT)
        return [LARGEST_PROCUREMENT] * int(whole) + ([rest] if rest else [])


@dataclass(frozen=True)
class CustomerWanted:
    """A customer of the file; `key` is its id there, empty for the walk-in customer."""

    key: str
    name: str
    city: str


@dataclass
class Plan:
    """Every line of the file, in exactly one of `sales`, `returns` and `reported`."""

    lines: int = 0
    sales: list[Line] = field(default_factory=list)
    returns: list[Line] = field(default_factory=list)
    reported: list[Reported] = field(default_factory=list)
    products: dict[str, ProductWanted] = field(default_factory=dict)
    customers: dict[str, CustomerWanted] = field(default_factory=dict)

    @property
    def to_drive(self) -> list[Line]:
        """Sales and returns in the order of the file."""
        return sorted([*self.sales, *self.returns], key=lambda line: line.number)


def plan(lines: Iterable[Line | Reported]) -> Plan:
    """Sort the lines into their buckets, and say what must be there before they can be driven."""
    made = Plan()
    for line in lines:
        made.lines += 1
        if isinstance(line, Reported):
            made.reported.append(line)
        elif line.is_return:
            made.returns.append(line)
        else:
            made.sales.append(line)
    made.products = _products(made)
    made.customers = _customers(made.to_drive)
    return made


def _products(made: Plan) -> dict[str, ProductWanted]:
    names: dict[str, Counter[str]] = {}
    prices: dict[str, Counter[Decimal]] = {}
    for line in made.to_drive:
        names.setdefault(line.stock_code, Counter())[line.description] += bool(line.description)
        prices.setdefault(line.stock_code, Counter())[line.unit_price] += 1
    totals: dict[str, Decimal] = {}
    for line in made.sales:
        totals[line.stock_code] = totals.get(line.stock_code, Decimal(0)) + line.quantity
    coming_back = {line.stock_code for line in made.returns}
    return {
        code: ProductWanted(
            code=code,
            name=_most_used(names[code]) or code,
            price=_most_used(prices[code]),
            sold=totals.get(code, Decimal(0)),
            comes_back=code in coming_back,
        )
        for code in names
    }


def _customers(lines: Iterable[Line]) -> dict[str, CustomerWanted]:
    cities: dict[str, Counter[str]] = {}
    for line in lines:
        cities.setdefault(line.customer_id, Counter())[line.country or UNKNOWN_CITY] += 1
    return {
        key: CustomerWanted(key=key, name=f"Customer {key}" if key else WALK_IN, city=_most_used(counted))
        for key, counted in cities.items()
    }


def _most_used(counted: Counter[Value]) -> Value:
    """The most frequent; of those alike the one that comes first in the file, so that a second run says the same."""
    return counted.most_common(1)[0][0]
