"""Lists: a page of rows by offset or by cursor, searched, filtered and sorted."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator
from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.fields import MAX_ID, Payload, storable

MAX_LIMIT = 500


def _listed(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


# A filter such as `ids=3,5,8`: how one service asks another for several entities at once.
IdList = Annotated[tuple[Annotated[int, Field(ge=1, le=MAX_ID)], ...], BeforeValidator(_listed), Field(max_length=MAX_LIMIT)]
TextList = Annotated[tuple[Annotated[str, Field(max_length=64)], ...], BeforeValidator(_listed), Field(max_length=MAX_LIMIT)]


class ListQuery(Payload):
    """The query parameters of every list; a service adds its filters, and says what may be sorted by."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    sortable: ClassVar[tuple[str, ...]] = ("id",)

    start: Annotated[int, Field(ge=0, le=MAX_ID)] = 0
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 50
    after: Annotated[int, Field(ge=0, le=MAX_ID)] | None = None
    q: Annotated[str, Field(max_length=200), AfterValidator(storable)] | None = None
    sort: str = "id"

    @model_validator(mode="after")
    def _fits_together(self) -> "ListQuery":
        if self.sort.removeprefix("-") not in self.sortable:
            raise ValueError(f"sort must be one of {', '.join(self.sortable)}, with - in front for descending")
        if self.after is not None and (self.start or self.sort not in {"id", "-id"}):
            raise ValueError("after is a cursor over ids: it goes with neither start nor another sort")
        return self


def read_page(
    session: Session,
    rows: Select[Any],
    query: ListQuery,
    *,
    columns: Mapping[str, ColumnElement[Any] | InstrumentedAttribute[Any]],
    searched: Sequence[InstrumentedAttribute[Any]] = (),
) -> tuple[list[Any], int]:
    """The rows of the page, and how many there are on all pages. `columns` are those that may be sorted by."""
    if query.q:
        rows = rows.where(_contains(searched, query.q))
    total = session.scalar(select(func.count()).select_from(rows.order_by(None).subquery())) or 0
    identity = columns["id"]
    descending = query.sort.startswith("-")
    if query.after is not None:
        rows = rows.where(identity < query.after if descending else identity > query.after)
    column = columns[query.sort.removeprefix("-")]
    for key in dict.fromkeys((column, identity)):
        rows = rows.order_by(key.desc() if descending else key.asc())
    return list(session.scalars(rows.offset(query.start or None).limit(query.limit))), total


def page_document(plural: str, items: Sequence[Mapping[str, Any]], total: int, query: ListQuery) -> dict[str, Any]:
    """The answer of a list: `{<plural>: [...], start, limit, count, total, next_after}`.

    `next_after` is null on the last page, and under a sort by anything but the id.
    """
    full = len(items) == query.limit
    return {
        plural: list(items),
        "start": query.start,
        "limit": query.limit,
        "count": len(items),
        "total": total,
        "next_after": items[-1]["id"] if full and query.sort in {"id", "-id"} else None,
    }


def _contains(columns: Sequence[InstrumentedAttribute[Any]], text: str) -> ColumnElement[bool]:
    return or_(*(column.icontains(text, autoescape=True) for column in columns))
