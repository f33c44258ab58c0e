from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from common.fields import Delta, Id, Money, Quantity, StockLevel, UtcMoment, as_json_number, storable, text

MONEY, QUANTITY, MOMENT = TypeAdapter(Money), TypeAdapter(Quantity), TypeAdapter(UtcMoment)


@given(st.decimals(min_value=0, max_value=9_999_999, places=2))
def test_money_reads_back_from_json_as_it_was(value):
    assert MONEY.validate_python(value) == value
    assert Decimal(str(as_json_number(value))) == value


@pytest.mark.parametrize(
    "unfit", ["1", True, None, [1], Decimal("-0.01"), Decimal("0.001"), Decimal("NaN"), Decimal("Infinity"), float("nan"), 10_000_000]
)
def test_unfit_money_is_refused(unfit):
    with pytest.raises(ValidationError):
        MONEY.validate_python(unfit)


def test_quantity_is_more_than_nothing_and_a_level_may_be_nothing():
    with pytest.raises(ValidationError):
        QUANTITY.validate_python(0)
    assert QUANTITY.validate_python(Decimal("0.001")) == Decimal("0.001")
    assert TypeAdapter(StockLevel).validate_python(0) == 0
    assert TypeAdapter(Delta).validate_python(-5) == -5


@pytest.mark.parametrize("unfit", ["1", 1.0, True, 0, 2**31, Decimal(1)])
def test_unfit_id_is_refused(unfit):
    with pytest.raises(ValidationError):
        TypeAdapter(Id).validate_python(unfit)


def test_whole_numbers_are_written_without_a_point():
    assert (as_json_number(Decimal("5.000")), as_json_number(Decimal("5.50"))) == (5, 5.5)
    assert isinstance(as_json_number(Decimal("5.000")), int)


@pytest.mark.parametrize("unfit", ["a\x00", "a\nb", "\x7f", "\x85", "\ud800"])
def test_text_that_cannot_be_stored_is_refused(unfit):
    with pytest.raises(ValueError, match="control"):
        storable(unfit)


def test_text_is_trimmed_and_must_say_something():
    adapter = TypeAdapter(text(5))
    assert adapter.validate_python("  🦆🦆🦆🦆🦆 ") == "🦆🦆🦆🦆🦆"
    for unfit in ("", "   ", "x" * 6, 1):
        with pytest.raises(ValidationError):
            adapter.validate_python(unfit)


def test_moments_are_in_utc_and_written_with_a_z():
    assert MOMENT.validate_python("2026-01-01T02:00:00+02:00") == datetime(2026, 1, 1, tzinfo=UTC)
    assert MOMENT.dump_json(datetime(2026, 1, 1, tzinfo=UTC)) == b'"2026-01-01T00:00:00Z"'
    with pytest.raises(ValidationError):
        MOMENT.validate_python("0001-01-01T00:00:00+14:00")
