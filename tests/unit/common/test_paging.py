from typing import ClassVar

import pytest
from pydantic import ValidationError

from common.paging import MAX_LIMIT, ListQuery, Page, page_document


class Query(ListQuery):
    sortable: ClassVar[tuple[str, ...]] = ("id", "name")


def test_begins_at_the_first_fifty_by_id():
    query = Query()
    assert (query.start, query.limit, query.after, query.sort) == (0, 50, None, "id")


def test_limit_is_at_most_five_hundred():
    assert Query(limit=str(MAX_LIMIT)).limit == 500
    with pytest.raises(ValidationError):
        Query(limit=MAX_LIMIT + 1)


@pytest.mark.parametrize("unfit", [{"sort": "colour"}, {"sort": "--id"}, {"after": 1, "start": 1}, {"page": 2}])
def test_what_does_not_fit_together_is_refused(unfit):
    with pytest.raises(ValidationError):
        Query(**unfit)


def test_the_answer_says_where_in_the_list_one_is():
    items = [{"id": 3}, {"id": 5}]
    assert page_document("things", items, Page(items, 9, next_after=5), Query(limit=2, start=4)) == {
        "things": items, "start": 4, "limit": 2, "count": 2, "total": 9, "total_exact": True, "next_after": 5,
    }  # fmt: skip
    assert page_document("things", [], Page([], 7, exact=False), Query())["total_exact"] is False
