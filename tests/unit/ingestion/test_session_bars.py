"""Half-hours of stock providers become the bars of the New York session."""

from datetime import datetime, timedelta
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.calendars import expected_opens
from services.domain.candles import Timeframe, epoch
from services.ingestion.session_bars import BASE_MINUTES, PagedRows, Row, row_of, session_bars, session_date


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def rows(day: str, minutes: int) -> list[Row]:
    """A whole day of bars, night included; each tells its place by its prices."""
    start = epoch(utc(f"{day} 00:00"))
    count = 24 * 60 // minutes
    return [(start + n * minutes * 60, n + 10.0, n + 12.0, n + 8.0, n + 11.0, 1.0) for n in range(count)]


@pytest.mark.parametrize("timeframe", ["1m", "5m", "15m", "1h", "4h"])
@pytest.mark.parametrize("day", ["2024-03-08", "2024-03-11", "2024-11-29"], ids=["winter", "summer", "half-day"])
def test_bars_are_those_that_the_calendar_owes(timeframe: Timeframe, day: str) -> None:
    bars = session_bars("NVDA", timeframe, "polygon", rows(day, BASE_MINUTES[timeframe] or 0))
    owed = expected_opens("stocks", timeframe, utc(f"{day} 00:00"), utc(f"{day} 00:00") + timedelta(days=1))
    assert bars.ts.tolist() == owed.tolist()


def test_the_last_hour_of_a_day_holds_its_half_hour_of_trading_only() -> None:
    bars = session_bars("NVDA", "1h", "polygon", rows("2024-03-11", 30))
    assert bars.volume.tolist() == [2.0] * 6 + [1.0]
    assert bars.values()[0].tolist() == [37.0, 40.0, 35.0, 39.0, 2.0]


def test_a_holiday_has_no_bars() -> None:
    assert len(session_bars("NVDA", "1h", "polygon", rows("2024-12-25", 30))) == 0


def test_no_rows_are_no_bars() -> None:
    for timeframe in get_args(Timeframe):
        assert len(session_bars("NVDA", timeframe, "polygon", [])) == 0


@pytest.mark.parametrize("moment", ["2024-03-08 05:00", "2024-03-08 12:00", "2024-03-09 04:59"])
def test_a_moment_has_its_new_york_date(moment: str) -> None:
    assert session_date(epoch(utc(moment))) == epoch(utc("2024-03-08 00:00"))


@pytest.mark.parametrize("values", [["1", "2", "0", "1"], ["1", "2", "0", "1", "x"], list("123456")])
def test_a_row_takes_five_numbers(values: list[str]) -> None:
    with pytest.raises(ValueError):
        row_of(0, values)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 400), unique=True, min_size=1), st.data())
def test_pages_in_any_overlap_give_each_row_once_and_days_whole(hours: list[int], data: st.DataObject) -> None:
    every = [(hour * 3600, 1.0, 2.0, 0.5, 1.5, float(hour)) for hour in sorted(hours)]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(every)), max_size=5)))
    overlap = data.draw(st.integers(0, 3))
    paged, given_out = PagedRows(), []
    for start, end in zip([0, *cuts], [*cuts, len(every)], strict=True):
        out = paged.add(every[max(0, start - overlap) : end])
        given_out.append(out)
    given_out.append(paged.rest())
    assert [row for out in given_out for row in out] == every
    days = [{int(day) for day in np.unique([row[0] // 86400 for row in out])} for out in given_out if out]
    assert sum(len(day) for day in days) == len(set().union(*days))
