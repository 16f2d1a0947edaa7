"""Numbers of bars in their market's sequence, held against the bars that are owed."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.calendars import Grid, expected_opens, opens_at, positions
from services.domain.candles import SECONDS, Timeframe, epoch
from services.domain.sessions import forex, new_york

CLASSES = ("crypto", "stocks", "leveraged_etfs", "commodities", "meme", "forex")
GRIDS: list[Grid] = ["session", "clock"]
TIMEFRAMES: list[Timeframe] = ["1m", "5m", "15m", "1h", "4h", "1d"]
# Clock changes of New York, half-days, Christmas and New Year, a forex weekend, a late opening, an ordinary week.
EDGES = [
    "2002-09-11", "2022-11-25", "2023-03-12", "2023-07-03", "2023-11-05", "2024-03-10", "2024-07-03", "2024-11-03",
    "2024-11-29", "2024-12-25", "2025-01-01", "2025-01-09", "2024-05-15", "2024-05-18",
]  # fmt: skip
near_an_edge = st.builds(
    lambda day, seconds: datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(seconds=seconds),
    st.sampled_from(EDGES),
    st.integers(-3 * 86400, 3 * 86400),
)


@pytest.fixture(scope="module", autouse=True)
def _calendars_are_loaded() -> None:
    """Load the schedules once, for that takes longer than an example may."""
    new_york()
    forex()


@given(
    since=near_an_edge,
    days=st.integers(1, 8),
    asset_class=st.sampled_from(CLASSES),
    timeframe=st.sampled_from(TIMEFRAMES),
    grid=st.sampled_from(GRIDS),
)
def test_owed_bars_are_numbered_without_a_step_over_nights_weekends_and_holidays(
    since: datetime, days: int, asset_class: str, timeframe: Timeframe, grid: Grid
) -> None:
    opens = expected_opens(asset_class, timeframe, since, since + timedelta(days=days), grid)
    numbers = positions(asset_class, timeframe, opens, grid)
    assert (numbers >= 0).all()
    assert (np.diff(numbers) == 1).all()
    assert positions(asset_class, timeframe, opens).tolist() == numbers.tolist()
    assert opens_at(asset_class, timeframe, numbers, grid).tolist() == opens.tolist()


@given(
    since=near_an_edge,
    asset_class=st.sampled_from(CLASSES),
    timeframe=st.sampled_from(TIMEFRAMES),
    grid=st.sampled_from([*GRIDS, None]),
    rows=st.lists(st.integers(0, 5000), min_size=1, max_size=40),
)
def test_a_bars_number_does_not_depend_on_the_batch_it_comes_in(
    since: datetime, asset_class: str, timeframe: Timeframe, grid: Grid | None, rows: list[int]
) -> None:
    opens = expected_opens(asset_class, timeframe, since, since + timedelta(days=12), grid or "session")
    numbers = positions(asset_class, timeframe, opens, grid)
    chosen = np.array(rows) % len(opens)
    assert positions(asset_class, timeframe, opens[chosen], grid).tolist() == numbers[chosen].tolist()


@given(
    since=near_an_edge,
    asset_class=st.sampled_from(CLASSES),
    timeframe=st.sampled_from(TIMEFRAMES),
    grid=st.sampled_from(GRIDS),
    step=st.sampled_from([7, 60, 900, 1800, 3600]),
)
def test_moments_at_which_no_owed_bar_opens_have_no_number(
    since: datetime, asset_class: str, timeframe: Timeframe, grid: Grid, step: int
) -> None:
    until = since + timedelta(days=3)
    asked = np.arange(epoch(since), epoch(until), step, dtype=np.int64)
    owed = np.isin(asked, expected_opens(asset_class, timeframe, since, until, grid))
    assert ((positions(asset_class, timeframe, asked, grid) >= 0) == owed).all()


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("asset_class", ["stocks", "forex", "crypto"])
def test_eight_years_in_one_batch_are_numbered_one_by_one(asset_class: str, grid: Grid, timeframe: Timeframe) -> None:
    since, until = datetime(2018, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    opens = expected_opens(asset_class, timeframe, since, until, grid)
    numbers = positions(asset_class, timeframe, opens)
    assert (numbers == np.arange(len(opens)) + numbers[0]).all()


def test_a_bar_by_the_clock_has_the_number_of_the_hour_bar_that_it_stands_for() -> None:
    since, until = datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
    by_session = positions("stocks", "1h", expected_opens("stocks", "1h", since, until, "session"))
    by_clock = positions("stocks", "1h", expected_opens("stocks", "1h", since, until, "clock"))
    assert by_session.tolist() == by_clock.tolist()


def test_bars_around_a_friday_night_in_plain_numbers() -> None:
    friday, monday = epoch(datetime(2024, 6, 7, tzinfo=UTC)), epoch(datetime(2024, 6, 10, tzinfo=UTC))
    days = np.array([friday, friday + SECONDS["1d"], monday], dtype=np.int64)
    first, weekend, second = positions("stocks", "1d", days).tolist()
    assert (weekend, second) == (-1, first + 1)
    assert np.diff(positions("crypto", "1d", days)).tolist() == [1, 2]


def test_numbers_that_no_known_bar_has_have_no_open() -> None:
    numbers = np.array([-5, -1, 10**9], dtype=np.int64)
    assert opens_at("stocks", "1h", numbers).tolist() == [-1, -1, -1]
    assert opens_at("crypto", "1h", numbers).tolist() == [-1, -1, 10**9 * 3600]


def test_years_without_known_sessions_are_refused_and_nothing_gives_nothing() -> None:
    with pytest.raises(ValueError, match="stock sessions are known from 2000"):
        positions("stocks", "1d", np.array([epoch(datetime(1995, 1, 2, tzinfo=UTC))], dtype=np.int64))
    assert positions("stocks", "1h", np.empty(0, dtype=np.int64)).dtype == np.int64
    assert len(positions("forex", "1h", np.empty(0, dtype=np.int64))) == 0
