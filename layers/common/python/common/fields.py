"""Types of the fields in requests and responses: what is fit for a column, and how decimals look in JSON."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints

MAX_ID = 2**31 - 1
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
# As the document tells it; unpaired surrogates, which no pattern can name, are no Unicode either.
_NO_CONTROL_CHARACTERS = r"^[^\x00-\x1f\x7f-\x9f]*$"


def storable(text: str) -> str:
    """Text that MySQL can keep and a terminal can show: no lone surrogates, no control characters."""
    if any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) <= 0xDFFF for c in text):
        raise ValueError("must not contain control characters or unpaired surrogates")
    return text


def _number(value: Any) -> Any:
    """A JSON number, rather than a text that looks like one or a boolean."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise ValueError("must be a number")  # noqa: TRY004  # pydantic reports ValueErrors
    return value


def as_json_number(value: Decimal) -> int | float:
    """A decimal as the JSON number that reads back to it (columns hold at most 15 significant digits)."""
    return int(value) if value == value.to_integral_value() else float(value)


def as_json_moment(moment: datetime) -> str:
    """A moment in UTC as clients read it."""
    return moment.isoformat().replace("+00:00", "Z")


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("is too far away") from None


def _whole_moment(value: Any) -> Any:
    """Neither a day nor a number, of which pydantic would make a moment that nobody may have meant."""
    if isinstance(value, str) and not _MOMENT.fullmatch(value):
        raise ValueError("must be a date and time such as 2026-11-24T20:43:50.050712Z; the + of an offset is %2B in a URL")
    return value


def text(max_length: int) -> Any:
    """A text that must say something and fits a column of `max_length` characters."""
    return Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=max_length),
        AfterValidator(storable),
        Field(json_schema_extra={"pattern": _NO_CONTROL_CHARACTERS}),
    ]


# An id or a name of ours, which is kept as ASCII: anything else, MariaDB would refuse to compare with it.
AsciiText = Annotated[str, StringConstraints(max_length=64, pattern=r"^[\x20-\x7e]*$")]


def _decimal(**bounds: Any) -> Any:
    """A decimal within bounds, which are told in the document as well; hence nearest to the type."""
    serializer = PlainSerializer(as_json_number, return_type=int | float, when_used="json")
    return Annotated[Decimal, Field(**bounds), BeforeValidator(_number), serializer]


Number = _decimal()
# Bounds that keep every product of a price and a quantity, and every stock, within the digits a JSON number can hold.
Money = _decimal(ge=0, le=9_999_999, decimal_places=2)
Quantity = _decimal(gt=0, le=1_000_000, decimal_places=3)
StockLevel = _decimal(ge=0, le=1_000_000_000, decimal_places=3)
Delta = _decimal(ge=-1_000_000, le=1_000_000, decimal_places=3)
UtcMoment = Annotated[
    datetime,
    AfterValidator(_in_utc),
    PlainSerializer(as_json_moment, return_type=str, when_used="json"),
]
# As clients give it, in a query.
Moment = Annotated[UtcMoment, BeforeValidator(_whole_moment)]
Id = Annotated[int, Field(ge=1, le=MAX_ID, strict=True)]


@dataclass(frozen=True)
class AboutPeople:
    """Marks a field that tells who somebody is, or where or how they are found: no browser keeps an answer that has one."""


Personal = Annotated[str, AboutPeople()]


class Payload(BaseModel):
    """Base of what clients send: an unknown field is an error rather than silence."""

    model_config = ConfigDict(extra="forbid")


class Shape(BaseModel):
    """Base of what services answer, read off a row."""

    model_config = ConfigDict(from_attributes=True)

    def document(self) -> dict[str, Any]:
        """As JSON types."""
        return self.model_dump(mode="json")
