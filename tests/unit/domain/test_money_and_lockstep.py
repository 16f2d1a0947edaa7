"""Exact money, and which daily evaluation a slice must have seen."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.lockstep import due, required_evaluation, satisfied
from services.domain.money import PLACES, ZERO, floor, money, ratio, share, times

amounts = st.decimals("-1000000000", "1000000000", places=8)
positive = st.decimals("0.00000001", "1000000000", places=8)
DAY = datetime(2024, 3, 1, tzinfo=UTC)


@given(st.floats(-1e12, 1e12, allow_nan=False))
def test_a_float_becomes_money_by_the_digits_it_is_written_with(value: float) -> None:
    assert money(value) == Decimal(repr(value)).quantize(PLACES)
    assert money(value) == money(repr(value))


@given(amounts, amounts)
def test_products_have_eight_places_and_are_off_by_at_most_half_of_the_last(a: Decimal, b: Decimal) -> None:
    from fractions import Fraction

    product = times(a, b)
    assert product.as_tuple().exponent == -8
    assert abs(Fraction(product) - Fraction(a) * Fraction(b)) <= Fraction(PLACES) / 2
    assert product == times(b, a)


@given(amounts, positive)
def test_ratio_times_divisor_returns_within_rounding(a: Decimal, b: Decimal) -> None:
    assert abs(ratio(a, b) * b - a) <= b * PLACES


@given(positive, st.sampled_from([PLACES, Decimal("0.01"), Decimal(1)]))
def test_floor_is_the_largest_multiple_below(value: Decimal, step: Decimal) -> None:
    down = floor(value, step)
    assert down <= value < down + step
    assert down % step == 0


@given(amounts, positive, positive)
def test_shares_of_an_amount_are_complete(amount: Decimal, a: Decimal, b: Decimal) -> None:
    part, whole = sorted((a, b))
    taken = share(amount, part, whole)
    assert share(amount, whole, whole) == amount
    assert abs(taken) <= abs(amount)
    assert share(amount - taken, whole - part, whole - part) + taken == amount if whole > part else True


def test_zero_has_eight_places() -> None:
    assert str(ZERO) == "0E-8"


@dataclass
class Word:
    ts: datetime
    command_id: object = None


def hours(n: float) -> datetime:
    return DAY + timedelta(hours=n)


@pytest.mark.parametrize(
    ("at", "first", "wanted"),
    [
        (hours(5), hours(-30), hours(0)),
        (hours(0), hours(-30), hours(-24)),  # the slice at midnight ends the old day
        (hours(1), hours(0), hours(0)),
        (hours(5), hours(1), None),  # the run had not begun by midnight
        (hours(5), None, None),
    ],
)
def test_a_slice_requires_the_evaluation_of_the_midnight_before_it(
    at: datetime, first: datetime | None, wanted: datetime | None
) -> None:
    assert required_evaluation(at, first) == wanted


def test_evaluations_of_the_same_or_a_later_slice_wait() -> None:
    assert due(hours(1), deque([Word(hours(0)), Word(hours(24))])) == 1
    assert due(hours(0), deque([Word(hours(0))])) == 0


def test_commands_are_taken_in_between_whatever_time_they_bear() -> None:
    waiting = deque([Word(hours(900), "asked"), Word(hours(0)), Word(hours(901), "asked"), Word(hours(24))])
    assert due(hours(5), waiting) == 3


def test_only_daily_evaluations_satisfy_the_requirement() -> None:
    assert satisfied(None, None, [])
    assert satisfied(hours(0), hours(0), [])
    assert satisfied(hours(0), None, [Word(hours(0))])
    assert not satisfied(hours(0), hours(-24), [])
    assert not satisfied(hours(0), None, [Word(hours(3), "asked")])
