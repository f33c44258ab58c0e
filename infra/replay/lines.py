"""Reading invoice lines as they are: every line of the file becomes a Line, or is Reported with the reason why not."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from common.fields import Money, Quantity, text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COLUMNS = ("invoice_no", "stock_code", "description", "quantity", "invoiced_at", "unit_price", "customer_id", "country")
# The longest that the system's own fields take, or that fits into a name or a reference built from them.
_LONGEST = {"invoice_no": 64, "stock_code": 64, "description": 255, "customer_id": 100, "country": 100}
_PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)

# What can be wrong with a line; the key is told to scripts, the text to people.
KINDS = {
    "blank": "nothing on the line",
    "unreadable": "not a line of the file's columns",
    "undecodable": "not UTF-8",
    "no_invoice": "no invoice number",
    "no_product": "no stock code",
    "unfit_text": "a text the system cannot keep",
    "unreadable_quantity": "the quantity is no number",
    "zero_quantity": "a quantity of zero",
    "unfit_quantity": "a quantity beyond what the system takes",
    "unreadable_price": "the price is no number",
    "unfit_price": "a price beyond what the system takes",
    "nothing_known": "neither description nor price",
    "write_off": "stock written off: negative, unpriced, and on no credit note",
}


class NotInvoiceLinesError(Exception):
    """The file is not of the form."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that can be replayed: a sale, or with a negative quantity a return."""

    number: int
    invoice_no: str
    stock_code: str
    description: str
    quantity: Decimal
    unit_price: Decimal
    customer_id: str
    country: str

    @property
    def is_return(self) -> bool:
        """Whether goods came back."""
        return self.quantity < 0


@dataclass(frozen=True, slots=True)
class Reported:
    """A line that was not replayed, and why."""

    number: int
    kind: str
    detail: str
    text: str


def read_lines(path: Path, limit: int | None = None) -> Iterator[Line | Reported]:
    """The lines below the header, numbered as an editor numbers them. Raises NotInvoiceLinesError.

    Each physical line is parsed by itself: no field of an invoice line has a line break in it, and so a quotation mark
    that is never closed costs its own line and not the rest of the file.
    """
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        header = _split(file.readline()) or []
        missing = [column for column in COLUMNS if column not in header]
        if missing:
            raise NotInvoiceLinesError(f"{path.name} lacks the column {', '.join(missing)}; its first line must name {', '.join(COLUMNS)}")
        for number, raw in enumerate(file, start=2):
            if limit is not None and number > limit + 1:
                return
            yield classify(number, raw.rstrip("\n"), header)


def classify(number: int, raw: str, header: list[str]) -> Line | Reported:
    """What the line is."""
    fault, found = _fault_or_fields(raw, header)
    if fault is None:
        fault, line = _fault_or_line(number, found)
        if line is not None:
            return line
    kind, detail = fault or ("unreadable", "")
    return Reported(number, kind, detail or KINDS[kind], raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def _fault_or_fields(raw: str, header: list[str]) -> tuple[tuple[str, str] | None, dict[str, str]]:
    if not raw.strip(" ,\t"):
        return ("blank", ""), {}
    if any(0xD800 <= ord(c) <= 0xDFFF for c in raw):
        return ("undecodable", ""), {}
    fields = _split(raw)
    if fields is None:
        return ("unreadable", "a quotation mark is not closed"), {}
    if len(fields) != len(header):
        return ("unreadable", f"{len(fields)} columns instead of {len(header)}"), {}
    found = {name: value.strip() for name, value in zip(header, fields, strict=True) if name in COLUMNS}
    return _fault_of_text(found), found


def _fault_of_text(found: dict[str, str]) -> tuple[str, str] | None:
    if not found["invoice_no"]:
        return "no_invoice", ""
    if not found["stock_code"]:
        return "no_product", ""
    for name, longest in _LONGEST.items():
        reason = _unfit(text(longest), found[name]) if found[name] else None
        if reason:
            return "unfit_text", f"{name}: {reason}"
    return None


def _fault_or_line(number: int, found: dict[str, str]) -> tuple[tuple[str, str] | None, Line | None]:
    quantity, price = _number(found["quantity"]), _number(found["unit_price"])
    fault = _fault_of_numbers(found, quantity, price)
    if fault is not None or quantity is None or price is None:
        return fault, None
    if not price and quantity < 0 and not found["invoice_no"].upper().startswith("C"):
        return ("write_off", ""), None
    line = Line(
        number=number,
        invoice_no=found["invoice_no"],
        stock_code=found["stock_code"],
        description=found["description"],
        quantity=quantity,
        unit_price=price,
        customer_id=found["customer_id"],
        country=found["country"],
    )
    return None, line


def _fault_of_numbers(found: dict[str, str], quantity: Decimal | None, price: Decimal | None) -> tuple[str, str] | None:
    if quantity is None:
        return "unreadable_quantity", f"quantity: {found['quantity']!r}"
    if quantity == 0:
        return "zero_quantity", ""
    if not found["description"] and (price == 0 or not found["unit_price"]):
        return "nothing_known", ""
    if price is None:
        return "unreadable_price", f"unit_price: {found['unit_price']!r}"
    return _fault_of_limits(found, quantity, price)


def _fault_of_limits(found: dict[str, str], quantity: Decimal, price: Decimal) -> tuple[str, str] | None:
    if reason := _unfit(Quantity, abs(quantity)):
        return "unfit_quantity", f"quantity {found['quantity']}: {reason}"
    if reason := _unfit(Money, price):
        return "unfit_price", f"unit_price {found['unit_price']}: {reason}"
    return None


def _number(written: str) -> Decimal | None:
    """The number, without zeros at its end, which would count as decimal places."""
    if not _PLAIN_NUMBER.fullmatch(written) or len(written) > 40:
        return None
    value = Decimal(written)
    return value.quantize(Decimal(1)) if value == value.to_integral_value() and abs(value) < 10**20 else value.normalize()


def _unfit(type_: Any, value: object) -> str | None:
    """Why the services would refuse the value: their own types are asked, so that the limits are known in one place only."""
    try:
        _adapter(type_).validate_python(value)
    except ValidationError as error:
        return str(error.errors(include_url=False)[0]["msg"])
    return None


@cache
def _adapter(type_: Any) -> TypeAdapter[Any]:
    return TypeAdapter(type_)


def _split(raw: str) -> list[str] | None:
    try:
        return [field.strip() for field in next(csv.reader([raw], strict=True), [])]
    except csv.Error:
        return None
