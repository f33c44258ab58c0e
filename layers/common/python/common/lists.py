"""How a page of a list is read, so that its cost does not grow with the table: see docs/adr.

What narrows a list (a filter, a searched word) says by which index its rows are found. Where one of them leaves few rows, these
are read and sorted. Where all leave many, rows are read in the order asked for, over an index, and what does not fit is passed
over: as much of it as is bearable, and the cursor leads on from there.
"""

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, ScalarSelect, Select, and_, func, literal, or_, select, true, union, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from common import positions
from common.errors import InvalidError
from common.paging import ListQuery, Page

# What is narrowed to so many rows is counted, and sorted by anything.
FEW = 10_000
# So many are sorted, too, though not counted.
_SORTED = 50_000
# Of rows that may not fit, so many are looked at for a page.
_LOOKED_AT = 50_000
_AS_TIME_GOES_BY = frozenset({"id", "timestamp"})


@dataclass(frozen=True)
class Narrowing:
    """What rows of a list have to fulfil, and how those that do are found.

    `index` holds them together; in it, they come in the order of the sort `order`. Where no index of the table does, `ids` finds
    them, and perhaps others beside them. `few` says that they are few without looking. With none of these, rows are looked at one
    by one. `covering` is an index with the columns of this and of the sorts in `covered`, so that rows need not be read to be put
    in that order.
    """

    condition: ColumnElement[bool]
    index: str | None = None
    order: str | None = None
    ids: Sequence[Select[Any]] = ()
    few: bool = False
    covering: str | None = None
    covered: Collection[str] = ()

    @property
    def leads(self) -> bool:
        """Whether it finds rows, rather than only telling which to keep."""
        return self.index is not None or bool(self.ids)

    def counted(self, model: Any, number: int) -> ScalarSelect[int]:
        """How many rows of the model it leaves, up to this number."""
        if self.ids:
            return count_up_to(number, union_all(*(rows.limit(number) for rows in self.ids)))
        rows = select(literal(1).label("one")).select_from(model).with_hint(model, f"FORCE INDEX ({self.index})").where(self.condition)
        return count_up_to(number, rows)

    def rows(self, model: Any) -> Select[Any]:
        """The rows of the model that it leaves."""
        if not self.ids:
            return select(model).with_hint(model, f"FORCE INDEX ({self.index})").where(self.condition)
        found = (self.ids[0] if len(self.ids) == 1 else union(*self.ids)).subquery()
        rows = select(model).select_from(found).join(model, model.id == found.c.id).where(self.condition)
        return rows.prefix_with("STRAIGHT_JOIN")


@dataclass(frozen=True)
class Sort:
    """An order that rows can be read in: columns before the id, and the index that has them in it; none where they are reckoned.

    A `unique` column needs no id behind it: the optimizer would not know that an index over the column alone is in that order.
    """

    columns: tuple[InstrumentedAttribute[Any] | ColumnElement[Any], ...]
    index: str | None
    unique: bool = False


@dataclass(frozen=True)
class Source:
    """A table whose rows are listed, and its orders by their names in the query; `id` is always one of them."""

    model: Any
    sorts: Mapping[str, Sort]

    def sort(self, name: str) -> Sort:
        """An order by its name."""
        return Sort((), "PRIMARY") if name == "id" else self.sorts[name]


def by(index: str, *columns: InstrumentedAttribute[Any]) -> Sort:
    """An order by these columns, which `index` (named uq_... where it is unique) begins with."""
    return Sort(columns, index, unique=index.startswith("uq_"))


def equal(column: InstrumentedAttribute[Any], value: Any, index: str, *, few: bool = False) -> list[Narrowing]:
    """To the rows with this value, which `index` begins with; to nothing where none is given."""
    return [Narrowing(column == value, index, order="id", few=few)] if value is not None else []


def among(column: InstrumentedAttribute[Any], values: Collection[Any] | None, index: str) -> list[Narrowing]:
    """To the rows with one of these values, of which there are no more than were asked for; to nothing where none are given."""
    return [Narrowing(column.in_(values), index, few=True)] if values is not None else []


def rest(condition: ColumnElement[bool], *, wanted: bool = True) -> list[Narrowing]:
    """To the rows that are so, which are found by looking at each; to nothing where it is not wanted."""
    return [Narrowing(condition)] if wanted else []


def within(column: InstrumentedAttribute[Any], since: Any, until: Any) -> list[ColumnElement[bool]]:
    """The bounds of a period, `until` excluded, as far as they are given."""
    return [*([column >= since] if since is not None else []), *([column < until] if until is not None else [])]


def read_page(session: Session, source: Source, query: ListQuery, narrowings: Sequence[Narrowing] = (), *, sort: str | None = None) -> Page:
    """The page asked for. `sort` is by what it is sorted where that is not what the query says.

    Raises InvalidError where `start` leads too deep for the order asked for, or `after` names no row.
    """
    reader = _Reader(session, source, query, sort or query.sort.removeprefix("-"))
    if not narrowings:
        return reader.whole()
    if (few := reader.few(narrowings)) is not None:
        return few
    only = narrowings[0] if len(narrowings) == 1 else None
    if only and only.index and only.order == reader.name:
        return reader.in_order(only)
    if only and reader.name in only.covered:
        return reader.covered(only)
    return reader.many(narrowings)


class _Reader:
    """Reads one page of one list."""

    def __init__(self, session: Session, source: Source, query: ListQuery, sort: str) -> None:
        self.name = sort
        self._session = session
        self._model = source.model
        self._query = query
        self._sort = source.sort(sort)
        self._keys = self._sort.columns if self._sort.unique else (*self._sort.columns, self._model.id)
        self._descending = query.sort.startswith("-")

    def whole(self) -> Page:
        """A page of the whole table."""
        query = self._query
        total = positions.count(self._session, self._model.__tablename__)
        if self.name != "id":
            self._bound_start()
        elif query.start > positions.STEP:
            return self._deep(total)
        return self._page(self._walk(self._sort.index).where(*self._behind_cursor()), total)

    def few(self, narrowings: Sequence[Narrowing]) -> Page | None:
        """A page of what is narrowed to a few rows, if it is."""
        driver = next((narrowing for narrowing in narrowings if narrowing.few), None)
        if driver:
            return self._sorted(driver, narrowings)
        if any(narrowing.leads for narrowing in narrowings):
            found = self._least(narrowings, FEW)
            return self._sorted(found[0], narrowings, found[1]) if found else None
        small = positions.count(self._session, self._model.__tablename__) <= FEW
        return self._sorted(Narrowing(true(), "PRIMARY"), narrowings) if small else None

    def many(self, narrowings: Sequence[Narrowing]) -> Page:
        """A page of what is left of many rows, sorted or passed over."""
        # What is looked for comes up again and again as time goes by, but may well be all cheap, or all large.
        if self.name not in _AS_TIME_GOES_BY and (found := self._least(narrowings, _SORTED)):
            return self._sorted(found[0], narrowings, found[1], countable=False)
        return self._passing_over(narrowings)

    def _least(self, narrowings: Sequence[Narrowing], number: int) -> tuple[Narrowing, int] | None:
        """Of those that find rows, the one that finds the fewest, and how many; None where all find more than this number."""
        leading = [narrowing for narrowing in narrowings if narrowing.leads]
        if not leading:
            return None
        counts = self._session.execute(select(*(narrowing.counted(self._model, number + 1) for narrowing in leading))).one()
        count, first = min((count, place) for place, count in enumerate(counts))
        return (leading[first], count) if count <= number else None

    def _sorted(self, driver: Narrowing, narrowings: Sequence[Narrowing], number: int | None = None, *, countable: bool = True) -> Page:
        """A page of the rows that `driver` finds (`number` of them) and that the others leave of these."""
        others = [narrowing.condition for narrowing in narrowings if narrowing is not driver]
        rows = driver.rows(self._model).where(*others)
        page = self._page(self._ordered(rows).where(*self._behind_cursor()), 0)
        if page.next_after is None and not self._query.start and self._query.after is None:
            return page.with_total(len(page.rows))
        if number is not None and not others and not driver.ids:
            return page.with_total(number)
        if countable:
            counted = select(func.count()).select_from(rows.with_only_columns(self._model.id).subquery())
            return page.with_total(self._session.scalar(counted) or 0)
        return self._with_least_total(page, rows)

    def in_order(self, driver: Narrowing) -> Page:
        """A page of more than a few rows that come in the order asked for."""
        self._bound_start()
        return self._page(self._walk(driver.index).where(driver.condition, *self._behind_cursor()), FEW, exact=False)

    def covered(self, driver: Narrowing) -> Page:
        """A page of more than a few rows that an index can put in order without reading them."""
        self._bound_start()
        query, model = self._query, self._model
        ids = self._ordered(select(model.id).with_hint(model, f"FORCE INDEX ({driver.covering})")).where(
            driver.condition, *self._behind_cursor()
        )
        found = ids.offset(query.start or None).limit(query.limit + 1).subquery()
        rows = self._ordered(select(model).select_from(found).join(model, model.id == found.c.id).prefix_with("STRAIGHT_JOIN"))
        return self._page(rows, FEW, exact=False, begun=True)

    def _passing_over(self, narrowings: Sequence[Narrowing]) -> Page:
        """A page of what is left of many rows, read in order. It may be short, or empty, and the cursor still leads on."""
        self._bound_start()
        in_order = next((narrowing for narrowing in narrowings if narrowing.index and narrowing.order == self.name), None)
        rows = self._walk(in_order.index if in_order else self._sort.index).where(*self._behind_cursor())
        if in_order:
            rows = rows.where(in_order.condition)
        last = self._last_looked_at(rows) if self._sort.index else None
        if last is not None:
            rows = rows.where(self._up_to(last[:-1]))
        rows = rows.where(*(narrowing.condition for narrowing in narrowings if narrowing is not in_order))
        page = self._page(rows, 0)
        if last is not None and page.next_after is None:
            page = replace(page, next_after=last[-1])
        return self._with_least_total(page, rows)

    def _last_looked_at(self, rows: Select[Any]) -> tuple[Any, ...] | None:
        """Where in the order one has looked at enough, and the id of that row; None where the rows end before."""
        steps = _LOOKED_AT * (1 + self._query.start // self._query.limit)
        ahead = rows.with_only_columns(*self._keys, self._model.id).offset(steps).limit(1)
        found = self._session.execute(ahead).one_or_none()
        return tuple(found) if found is not None else None

    def _with_least_total(self, page: Page, rows: Select[Any]) -> Page:
        """As many as are known of: exactly those where the list ends with its first page."""
        start, ended = self._query.start, page.next_after is None
        if start and not page.rows:
            known = self._session.scalar(select(count_up_to(start, rows.with_only_columns(self._model.id)))) or 0
        else:
            known = start + len(page.rows) + (not ended)
        return replace(page, total=known, exact=ended and self._query.after is None)

    def _deep(self, total: int) -> Page:
        """A page far from the beginning, found by its position."""
        query, row_id = self._query, self._model.id
        end = total - query.start if self._descending else total
        begin = max(0, end - query.limit) if self._descending else query.start
        if end <= 0 or begin >= total:
            return Page([], total)
        place = positions.place_of(self._session, self._model.__tablename__, begin)
        limit = min(query.limit, end - begin)
        ascending = select(self._model).where(row_id > place.after).order_by(row_id).offset(place.skip or None).limit(limit)
        rows = list(self._session.scalars(ascending))
        if self._descending:
            rows.reverse()
        more = begin > 0 if self._descending else begin + len(rows) < total
        return Page(rows, total, next_after=rows[-1].id if rows and more else None)

    def _walk(self, index: str | None) -> Select[Any]:
        """All rows in order, as they come over an index; where there is none for the order, all are sorted."""
        rows = select(self._model)
        return self._ordered(rows.with_hint(self._model, f"FORCE INDEX ({index})") if index else rows)

    def _ordered(self, rows: Select[Any]) -> Select[Any]:
        return rows.order_by(*(key.desc() if self._descending else key.asc() for key in self._keys))

    def _page(self, rows: Select[Any], total: int, *, exact: bool = True, begun: bool = False) -> Page:
        """The page's rows; one more is read, which tells whether any follow. They are where the page begins unless that is done."""
        start, limit = self._query.start, self._query.limit
        found = list(self._session.scalars(rows if begun else rows.offset(start or None).limit(limit + 1)))
        return Page(found[:limit], total, exact=exact, next_after=found[limit - 1].id if len(found) > limit else None)

    def _behind_cursor(self) -> list[ColumnElement[bool]]:
        """Behind the row that the cursor names. Raises InvalidError where the order needs to see it and it is gone."""
        after = self._query.after
        if after is None:
            return []
        if not self._sort.columns:
            return [self._beyond((after,))]
        named = self._session.execute(select(*self._keys).where(self._model.id == after)).one_or_none()
        if named is None:
            raise InvalidError.of_field("after", f"there is no {after} to go on from", code="cursor_gone")
        return [self._beyond(tuple(named))]

    def _beyond(self, values: tuple[Any, ...]) -> ColumnElement[bool]:
        """Further on in the order than these values of its columns and the id."""
        compare = operator.lt if self._descending else operator.gt
        return _in_order(self._keys, values, [compare] * len(self._keys))

    def _up_to(self, values: tuple[Any, ...]) -> ColumnElement[bool]:
        """No further on in the order than these."""
        before, same = (operator.gt, operator.ge) if self._descending else (operator.lt, operator.le)
        return _in_order(self._keys, values, [before] * (len(self._keys) - 1) + [same])

    def _bound_start(self) -> None:
        if self._query.start > FEW:
            raise InvalidError.of_field("start", f"goes up to {FEW} in this order; `after` leads on from any row", code="start_too_deep")


def count_up_to(number: int, rows: Select[Any] | CompoundSelect[Any]) -> ScalarSelect[int]:
    """How many rows there are; looks at no more than this number."""
    return select(func.count()).select_from(rows.limit(number).subquery()).scalar_subquery()


def _in_order(keys: Sequence[Any], values: Sequence[Any], compare: Sequence[Callable[[Any, Any], Any]]) -> ColumnElement[bool]:
    """Keys compared as a whole, the first that differs deciding; written so that the optimizer sees a range of an index."""
    alternatives = []
    for number, (key, value, compared) in enumerate(zip(keys, values, compare, strict=True)):
        same = [earlier == held for earlier, held in zip(keys[:number], values[:number], strict=True)]
        alternatives.append(and_(*same, compared(key, value)))
    return or_(*alternatives)
