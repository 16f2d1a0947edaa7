"""Fields of providers' replies: what is wrong is refused with its place, and nothing is known before its time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingestion.errors import BadReply
from services.ingestion.observations import Observation
from services.ingestion.readings import day, instant, listed, member, newly_known, number, text, unix, whole

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("read", "wrong"),
    [
        (number, ["", "abc", None, "nan", "inf", True, [], "1,5", "1_000", 10**400]),
        (whole, ["", "1.5", None, True, 1.0, "1e9", "9" * 61]),
        (text, ["", None, 5]),
        (instant, ["2024-05-01", "yesterday", "2024-05-01T12:00:00", None, ""]),
        (unix, ["soon", None, 1e20]),
        (day, ["2024-13", "2024-02-30", "24-01-01", "2024-W01", None]),
    ],
)
def test_refuses_a_field_that_is_not_what_it_should_be(read: Callable[[Any, str], Any], wrong: list[Any]) -> None:
    for value in wrong:
        with pytest.raises(BadReply, match=r"^prices of A: "):
            read(value, "prices of A")


def test_refuses_an_object_without_the_field_and_a_list_of_something_else() -> None:
    no_objects: list[Any] = [{}, [], None, "data"]
    for reply in no_objects:
        with pytest.raises(BadReply, match="no 'data' in the reply"):
            member(reply, "data", "x")
    no_lists: list[Any] = [{}, None, "rows", [1]]
    for reply in no_lists:
        with pytest.raises(BadReply, match="expected a list of objects"):
            listed(reply, "x")


def test_keeps_every_digit_of_a_number_larger_than_a_float_holds() -> None:
    assert whole("122373866217800000000000001", "x") == 122373866217800000000000001


def test_reads_times_with_any_number_of_decimals_and_any_zone() -> None:
    assert instant("2020-02-29T00:00:00.000000000Z", "x") == datetime(2020, 2, 29, tzinfo=UTC)
    assert instant("2023-12-12 16:35:52.168490+00:00", "x") == datetime(2023, 12, 12, 16, 35, 52, 168490, tzinfo=UTC)
    assert instant("2023-09-08 09:30:00-04:00", "x") == datetime(2023, 9, 8, 13, 30, tzinfo=UTC)


def test_reads_a_year_and_a_month_as_their_first_day() -> None:
    assert day("2024", "x") == day("2024-01", "x") == day("2024-01-01", "x") == datetime(2024, 1, 1, tzinfo=UTC)


def seen(hours: float, value: float = 1.0) -> Observation:
    return Observation("a", None, value, NOON, NOON + timedelta(hours=hours))


def test_gives_what_became_known_since_then_and_nothing_that_is_still_to_come() -> None:
    found = newly_known([seen(3), seen(0), seen(1), seen(-1)], NOON, NOON + timedelta(hours=1))
    assert found == [seen(0), seen(1)]


def test_a_page_that_comes_twice_does_no_harm_but_a_contradiction_is_refused() -> None:
    later = NOON + timedelta(hours=1)
    assert newly_known([seen(0), seen(0)], NOON, later) == [seen(0)]
    with pytest.raises(BadReply, match="two values"):
        newly_known([seen(0, 1.0), seen(0, 2.0)], NOON, later)


@given(st.lists(st.integers(-50, 50), max_size=30), st.integers(-40, 40), st.integers(0, 40))
def test_polling_in_two_steps_gives_what_one_step_gives(hours: list[int], cut: int, more: int) -> None:
    start, middle = NOON - timedelta(hours=50), NOON + timedelta(hours=cut)
    end = middle + timedelta(hours=more)
    everything = [seen(h) for h in hours]
    once = newly_known(everything, start, end)
    first = newly_known(everything, start, middle)
    second = newly_known(everything, middle + timedelta(microseconds=1), end)
    assert first + second == once
