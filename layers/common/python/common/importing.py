"""Many rows in one request: each has an outcome of its own, and may have a key under which it is done once."""

from typing import Annotated, Any, Literal

from pydantic import Field

from common.fields import Payload, Shape

# As many as are done in one transaction within a function's time.
Rows = Field(min_length=1, max_length=500)


# Printable ASCII, with no space at its ends, where the database would not tell it from none.
KEY = r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$"
MAX_KEY_LENGTH = 200


class KeyedRow(Payload):
    """A row that may bear a key: whatever was done under it is not done again, and answered the same."""

    key: Annotated[str, Field(min_length=1, max_length=MAX_KEY_LENGTH, pattern=KEY)] | None = None


class RowOutcome(Shape):
    """What became of a row, in the order they were given; `code` and `detail` say why one was refused."""

    outcome: Literal["created", "updated", "refused"]
    id: int | None
    code: str | None
    detail: str | None


class ImportOutcome(Shape):
    """What became of each row. Rows that were refused changed nothing, all others are done."""

    rows: Annotated[list[RowOutcome], Rows]


def refused(code: str, detail: str) -> dict[str, Any]:
    """The outcome of a row that changed nothing."""
    return {"outcome": "refused", "id": None, "code": code, "detail": detail}


def done(outcome: Literal["created", "updated"], entity_id: int) -> dict[str, Any]:
    """The outcome of a row that was taken."""
    return {"outcome": outcome, "id": entity_id, "code": None, "detail": None}
