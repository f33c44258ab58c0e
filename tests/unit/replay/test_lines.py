"""Every line of a file, however messy, is a line to replay or is reported, and never both or neither."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.replay.lines import COLUMNS, KINDS, Line, NotInvoiceLinesError, Reported, classify, read_lines
from infra.replay.plan import WALK_IN, plan

if TYPE_CHECKING:
    from pathlib import Path

HEADER = list(COLUMNS)
GOOD = "536365,85123A,WHITE HANGING HEART,6,2010-12-01T08:26:00,2.55,17850,United Kingdom"


def a_line(number: int = 2, **fields: str) -> Line | Reported:
    """GOOD with some of its fields replaced."""
    values = dict(zip(COLUMNS, GOOD.split(","), strict=True)) | fields
    return classify(number, ",".join(values.values()), HEADER)


def test_a_good_line_is_read_exactly():
    assert a_line(17) == Line(17, "536365", "85123A", "WHITE HANGING HEART", Decimal(6), Decimal("2.55"), "17850", "United Kingdom")


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"invoice_no": ""}, "no_invoice"),
        ({"stock_code": " "}, "no_product"),
        ({"stock_code": "x" * 65}, "unfit_text"),
        ({"description": "bell\x07"}, "unfit_text"),
        ({"description": "d" * 256}, "unfit_text"),
        ({"quantity": ""}, "unreadable_quantity"),
        ({"quantity": "six"}, "unreadable_quantity"),
        ({"quantity": "NaN"}, "unreadable_quantity"),
        ({"quantity": "1_000"}, "unreadable_quantity"),
        ({"quantity": "1e3"}, "unreadable_quantity"),
        ({"quantity": "0"}, "zero_quantity"),
        ({"quantity": "-0.000"}, "zero_quantity"),
        ({"quantity": "1000000.001"}, "unfit_quantity"),
        ({"quantity": "-1000001"}, "unfit_quantity"),
        ({"quantity": "0.0001"}, "unfit_quantity"),
        ({"unit_price": ""}, "unreadable_price"),
        ({"unit_price": "free"}, "unreadable_price"),
        ({"unit_price": "-11062.06"}, "unfit_price"),
        ({"unit_price": "0.001"}, "unfit_price"),
        ({"unit_price": "10000000"}, "unfit_price"),
        ({"unit_price": "9" * 41}, "unreadable_price"),
        ({"description": "", "unit_price": "0"}, "nothing_known"),
        ({"description": "", "unit_price": ""}, "nothing_known"),
        ({"description": "", "unit_price": "0.00", "quantity": "-10"}, "nothing_known"),
        ({"description": "damaged", "unit_price": "0", "quantity": "-10"}, "write_off"),
        ({"country": "Eire,too much"}, "unreadable"),
        ({"description": '"WHITE'}, "unreadable"),
        ({"description": "\udce9"}, "undecodable"),
    ],
)
def test_a_messy_line_is_reported_by_kind(fields, kind):
    reported = a_line(9, **fields)
    assert isinstance(reported, Reported)
    assert (reported.number, reported.kind) == (9, kind)
    assert reported.detail


@pytest.mark.parametrize(
    "fields",
    [
        {"quantity": "0.125"},
        {"quantity": "2.500000"},
        {"quantity": "1000000"},
        {"unit_price": "0", "description": "A GIFT"},
        {"description": ""},
        {"customer_id": ""},
        {"country": ""},
        {"description": '"SET OF 3, ""RED"""'},
    ],
)
def test_an_unusual_line_is_still_sold(fields):
    assert isinstance(a_line(**fields), Line)


def test_a_negative_line_is_a_return_whoever_brought_it_back():
    for fields in ({}, {"customer_id": ""}, {"invoice_no": "C536365"}, {"invoice_no": "C536365", "unit_price": "0"}):
        line = a_line(quantity="-1", **fields)
        assert isinstance(line, Line)
        assert line.is_return


def test_a_quotation_mark_left_open_costs_one_line_only(tmp_path: Path):
    file = written(tmp_path, GOOD.replace("WHITE", '"WHITE'), GOOD, "")
    kinds = [line.kind if isinstance(line, Reported) else "line" for line in read_lines(file)]
    assert kinds == ["unreadable", "line", "blank"]


def test_lines_are_numbered_as_an_editor_does_and_limited(tmp_path: Path):
    file = written(tmp_path, GOOD, "", GOOD, GOOD)
    assert [line.number for line in read_lines(file, limit=3)] == [2, 3, 4]


def test_columns_may_stand_in_another_order_beside_others(tmp_path: Path):
    values = dict(zip(COLUMNS, GOOD.split(","), strict=True))
    names = ["extra", *reversed(COLUMNS)]
    file = tmp_path / "other.csv"
    file.write_text("\ufeff" + ",".join(names) + "\r\n" + ",".join(["x", *(values[name] for name in reversed(COLUMNS))]) + "\r\n")
    assert list(read_lines(file)) == [a_line()]


def test_a_file_of_another_form_is_refused(tmp_path: Path):
    file = tmp_path / "other.csv"
    file.write_text("InvoiceNo,StockCode\n1,2\n")
    with pytest.raises(NotInvoiceLinesError, match="invoice_no"):
        list(read_lines(file))


def test_codes_that_differ_in_case_alone_are_two_products():
    made = plan([a_line(2, stock_code="85123A"), a_line(3, stock_code="85123a")])
    assert set(made.products) == {"85123A", "85123a"}


def test_a_product_has_its_most_used_description_and_price_and_enough_stock():
    made = plan(
        [
            a_line(2, description="", unit_price="9.99", quantity="1.5"),
            a_line(3, description="LAMP"),
            a_line(4, description="LANTERN", quantity="10"),
            a_line(5, description="LANTERN", quantity="-4"),
        ]
    )
    (product,) = made.products.values()
    assert (product.name, product.price, product.sold, product.comes_back) == ("LANTERN", Decimal("2.55"), Decimal("17.5"), True)
    assert product.procurements == [Decimal("17.5")]


def test_a_product_nobody_described_is_called_by_its_code():
    (product,) = plan([a_line(description="")]).products.values()
    assert product.name == "85123A"


def test_more_than_one_procurement_may_bring_are_several():
    (product,) = plan([a_line(n, quantity="1000000") for n in (2, 3)] + [a_line(4, quantity="0.5")]).products.values()
    assert product.procurements == [Decimal(1_000_000), Decimal(1_000_000), Decimal("0.5")]


def test_lines_without_a_customer_go_to_the_walk_in_customer():
    made = plan([a_line(2), a_line(3, customer_id=""), a_line(4, country="EIRE"), a_line(5, country="EIRE")])
    assert {(c.key, c.name, c.city) for c in made.customers.values()} == {
        ("17850", "Customer 17850", "EIRE"),
        ("", WALK_IN, "United Kingdom"),
    }


def test_the_same_line_twice_in_an_invoice_is_two_sales():
    assert len(plan([a_line(2), a_line(3)]).sales) == 2


_FIELD = st.one_of(
    st.sampled_from(["", "0", "-1", "6", "2.55", "-0.5", "1e9", "NaN", "C1", "85123A", "WHITE", '"', '""', "a,b", "\x00", "\udcff"]),
    st.text(max_size=6),
    st.decimals(allow_nan=True).map(str),
)


@given(st.lists(st.lists(_FIELD, max_size=10).map(",".join), max_size=12))
def test_every_line_ends_in_exactly_one_bucket(raws):
    made = plan(classify(number, raw, HEADER) for number, raw in enumerate(raws, start=2))
    numbers = [line.number for line in [*made.sales, *made.returns, *made.reported]]
    assert made.lines == len(raws)
    assert Counter(numbers) == Counter(range(2, len(raws) + 2))
    assert all(line.kind in KINDS for line in made.reported)
    assert all(line.quantity > 0 for line in made.sales)
    assert all(line.quantity < 0 for line in made.returns)
    assert {line.stock_code for line in made.to_drive} == made.products.keys()
    assert {line.customer_id for line in made.to_drive} == made.customers.keys()


def written(directory: Path, *lines: str) -> Path:
    file = directory / "lines.csv"
    file.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
    return file
