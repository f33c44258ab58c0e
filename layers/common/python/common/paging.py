"""What lists are asked and what they answer: a page of rows by offset or by cursor, searched, filtered and sorted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from common.fields import MAX_ID, AsciiText, Payload, storable

MAX_LIMIT = 500


def _listed(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


# A filter such as `ids=3,5,8`: how one service asks another for several entities at once.
_SOME = Field(min_length=1, max_length=MAX_LIMIT)
IdList = Annotated[tuple[Annotated[int, Field(ge=1, le=MAX_ID)], ...], BeforeValidator(_listed), _SOME]
TextList = Annotated[tuple[Annotated[str, Field(max_length=64)], ...], BeforeValidator(_listed), _SOME]
AsciiList = Annotated[tuple[AsciiText, ...], BeforeValidator(_listed), _SOME]


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
        if self.after is not None and self.start:
            raise ValueError("after and start say two different places to begin at")
        return self


@dataclass(frozen=True)
class Page:
    """Rows of a list, how many it has on all pages (or at least so many), and after which row the next page begins, if there is one."""

    rows: Sequence[Any]
    total: int
    exact: bool = True
    next_after: int | None = None

    def with_total(self, total: int) -> "Page":
        """The page of a list that has so many rows."""
        return replace(self, total=total)


def page_document(plural: str, items: Sequence[Mapping[str, Any]], page: Page, query: ListQuery) -> dict[str, Any]:
    """The answer of a list: `{<plural>: [...], start, limit, count, total, total_exact, next_after}`."""
    return {
        plural: list(items),
        "start": query.start,
        "limit": query.limit,
        "count": len(items),
        "total": page.total,
        "total_exact": page.exact,
        "next_after": page.next_after,
    }
