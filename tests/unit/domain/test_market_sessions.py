"""Sessions and the bars they owe, held against exchange_calendars itself, around clock changes and half-days."""

import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.calendars import (
    Grid,
    due_open,
    expected_opens,
    expects_bar,
    infer_grid,
    market_gaps,
    next_open,
    session_open,
)
from services.domain.candles import SECONDS, Timeframe, epoch, moment
from services.domain.sessions import forex, new_york

NEW_YORK = ZoneInfo("America/New_York")
EXCHANGE_CLASSES = ("stocks", "leveraged_etfs", "commodities", "meme")
# Clock changes of New York, half-days, holidays and a week without any of them.
EDGES = [
    "2022-11-25", "2023-03-12", "2023-07-03", "2023-11-05", "2023-11-24", "2024-03-10", "2024-07-03", "2024-11-03",
    "2024-11-29", "2024-12-24", "2025-01-09", "2024-05-15",
]  # fmt: skip
near_an_edge = st.builds(
    lambda day, seconds: datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(seconds=seconds),
    st.sampled_from(EDGES),
    st.integers(-3 * 86400, 4 * 86400),
)
GRIDS: list[Grid] = ["session", "clock"]
INTRADAY: list[Timeframe] = ["1m", "5m", "15m", "1h", "4h"]


@pytest.fixture(scope="module", autouse=True)
def _sessions_are_loaded() -> None:
    """Load the schedules once, for that takes longer than an example may."""
    new_york()
    forex()


@pytest.fixture(scope="module")
def xnys() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas deprecations inside exchange_calendars
        import exchange_calendars

        calendar = exchange_calendars.get_calendar("XNYS", start="2000-01-01")
        # It counts its minutes at the first question, which takes longer than an example may.
        calendar.is_open_on_minute(datetime(2024, 5, 15, tzinfo=UTC), ignore_breaks=True)
        calendar.next_open(datetime(2024, 5, 15, tzinfo=UTC))
        yield calendar


@given(ts=near_an_edge, asset_class=st.sampled_from(EXCHANGE_CLASSES))
def test_exchange_is_open_exactly_when_its_calendar_says_so(xnys: Any, ts: datetime, asset_class: str) -> None:
    minute = ts.replace(second=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert session_open(asset_class, ts) == bool(xnys.is_open_on_minute(minute, ignore_breaks=True))


@given(ts=near_an_edge)
def test_next_open_is_the_calendars_or_now(xnys: Any, ts: datetime) -> None:
    found = next_open("stocks", ts)
    if session_open("stocks", ts):
        assert found == ts
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert found == xnys.next_open(ts.replace(second=0)).to_pydatetime()
    assert session_open("stocks", found)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("timeframe", INTRADAY)
def test_bars_owed_cover_every_session_once_and_nothing_else(timeframe: Timeframe, grid: Grid, xnys: Any) -> None:
    since, until = datetime(2022, 10, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)
    opens = expected_opens("stocks", timeframe, since, until, grid)
    assert bool((np.diff(opens) >= SECONDS[timeframe]).all())
    sessions = xnys.schedule.loc["2022-10-01":"2025-01-31"]
    covered = 0
    for opened, closed in zip(sessions["open"], sessions["close"], strict=True):
        a, b = int(opened.timestamp()), int(closed.timestamp())
        bars = opens[(opens > a - SECONDS[timeframe]) & (opens < b)]
        covered += len(bars)
        assert int(bars[0]) <= a
        assert int(bars[-1]) + SECONDS[timeframe] >= b
        assert set(np.diff(bars).tolist()) <= {SECONDS[timeframe]}
    assert covered == len(opens)  # none lies outside a session


@given(ts=near_an_edge, days=st.integers(1, 5), timeframe=st.sampled_from(INTRADAY), grid=st.sampled_from(GRIDS))
def test_a_whole_delivery_has_no_gaps_whatever_window_is_asked(
    ts: datetime, days: int, timeframe: Timeframe, grid: Grid
) -> None:
    until = ts + timedelta(days=days)
    opens = expected_opens("stocks", timeframe, ts - timedelta(days=10), until + timedelta(days=10), grid)
    assert infer_grid("stocks", timeframe, opens) == (
        grid if timeframe in {"1h", "4h"} and grid == "clock" else "session"
    )
    assert market_gaps("stocks", timeframe, opens, ts, until) == []


def test_extended_hours_by_the_clock_leave_no_gap_and_a_lost_bar_is_found() -> None:
    # Hour bars from 04:00 to 20:00 New York, as sources with extended hours give them.
    day = datetime(2023, 11, 24, tzinfo=NEW_YORK)  # closes at 13:00
    opens = np.array([epoch(day + timedelta(hours=hour)) for hour in range(4, 17)], dtype=np.int64)
    since, until = moment(int(opens[0])), moment(int(opens[-1]) + 3600)
    assert infer_grid("stocks", "1h", opens) == "clock"
    assert market_gaps("stocks", "1h", opens, since, until) == []
    lost = epoch(day + timedelta(hours=12))
    (gap,) = market_gaps("stocks", "1h", opens[opens != lost], since, until)
    assert (gap.since, gap.bars) == (moment(lost), 1)


@pytest.mark.parametrize(
    ("day", "grid", "first_utc", "bars"),
    [
        ("2024-03-08", "session", "14:30", 7),  # winter
        ("2024-03-11", "session", "13:30", 7),  # summer
        ("2024-03-11", "clock", "13:00", 7),
        ("2024-11-29", "session", "14:30", 4),  # half-day
        ("2024-11-29", "clock", "14:00", 4),
        ("2024-11-28", "clock", "", 0),  # Thanksgiving
    ],
)
def test_hours_owed_on_one_day(day: str, grid: Grid, first_utc: str, bars: int) -> None:
    since = datetime.fromisoformat(day).replace(tzinfo=UTC)
    opens = expected_opens("stocks", "1h", since, since + timedelta(days=1), grid)
    assert len(opens) == bars
    assert [f"{moment(int(ts)):%H:%M}" for ts in opens[:1]] == ([first_utc] if first_utc else [])
    assert all(expects_bar("stocks", moment(int(ts)), "1h", grid) for ts in opens)


@pytest.mark.parametrize(
    ("asset_class", "close", "grid", "opened"),
    [
        ("crypto", "2024-06-08T15:00", "session", "2024-06-08T14:00"),
        ("stocks", "2024-06-10T14:00", "session", None),  # 13:30 to 14:30 is not whole yet
        ("stocks", "2024-06-10T15:00", "session", "2024-06-10T13:30"),
        ("stocks", "2024-06-10T14:00", "clock", "2024-06-10T13:00"),
        ("stocks", "2024-06-10T21:00", "session", "2024-06-10T19:30"),
        ("stocks", "2024-06-10T22:00", "session", None),
        ("stocks", "2024-06-08T15:00", "session", None),  # Saturday
        ("forex", "2024-06-09T22:00", "session", "2024-06-09T21:00"),
    ],
)
def test_bar_that_becomes_whole_in_a_slice(asset_class: str, close: str, grid: Grid, opened: str | None) -> None:
    found = due_open(asset_class, "1h", datetime.fromisoformat(close).replace(tzinfo=UTC), grid)
    assert found == (datetime.fromisoformat(opened).replace(tzinfo=UTC) if opened else None)


@given(seconds=st.integers(0, 26 * 365 * 86400))
def test_forex_follows_new_yorks_clock(seconds: int) -> None:
    ts = datetime(2010, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    local = ts.astimezone(NEW_YORK)
    # A trading day is named by the date on which it ends, at 17:00.
    day = local.date() + timedelta(days=1 if local.hour >= 17 else 0)
    trading = day.weekday() < 5 and (day.month, day.day) not in {(12, 25), (1, 1)}
    assert session_open("forex", ts) is trading
    found = next_open("forex", ts)
    assert found >= ts
    assert session_open("forex", found)
    assert found == ts or not session_open("forex", found - timedelta(seconds=1))


def test_christmas_and_new_year_are_no_forex_gaps() -> None:
    opens = expected_opens("forex", "1h", datetime(2024, 12, 23, tzinfo=UTC), datetime(2024, 12, 27, tzinfo=UTC))
    asleep = [moment(int(a)) for a, b in pairwise(opens) if b - a > 3600]
    assert asleep == [datetime(2024, 12, 24, 21, tzinfo=UTC)]
    assert not expects_bar("forex", datetime(2025, 1, 1, tzinfo=UTC), "1d")


@given(ts=near_an_edge)
def test_crypto_never_closes(ts: datetime) -> None:
    assert session_open("crypto", ts)
    assert next_open("crypto", ts) == ts


def test_moments_without_a_zone_or_beyond_the_calendar_are_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        session_open("stocks", datetime(2024, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="stock sessions are known from 2000"):
        session_open("stocks", datetime(1995, 1, 2, tzinfo=UTC))
