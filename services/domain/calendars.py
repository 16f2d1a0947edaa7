"""When a market is open: which bars an asset class owes, so that a night is not taken for a gap.

Crypto never closes. Forex closes from Friday 17:00 to Sunday 17:00 New York (21:00 UTC in summer, 22:00 in winter).
Everything else keeps the sessions of the New York Stock Exchange, half-days included.
"""

import warnings
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.domain.candles import SECONDS, Timeframe, Times, epoch, moment

ALWAYS_OPEN = frozenset({"crypto"})
WEEKDAYS = frozenset({"forex"})
CALENDAR_START = "2000-01-01"


def expected_opens(asset_class: str, timeframe: Timeframe, since: datetime, until: datetime) -> Times:
    """Opens of all bars owed in [since, until), ascending epoch seconds. Daily bars open at 00:00 UTC of their date.

    Raises ValueError for stock sessions beyond the years the calendar knows.
    """
    if asset_class in ALWAYS_OPEN:
        return _grid(timeframe, since, until)
    if asset_class in WEEKDAYS:
        grid = _grid(timeframe, since, until)
        return grid[_forex_open(grid, timeframe)]
    return _session_opens(timeframe, since, until)


def expects_bar(asset_class: str, ts: datetime, timeframe: Timeframe) -> bool:
    """Whether the asset class owes a bar that opens at ``ts``."""
    opens = expected_opens(asset_class, timeframe, ts, ts + timedelta(seconds=1))
    return len(opens) == 1 and int(opens[0]) == epoch(ts)


def _grid(timeframe: Timeframe, since: datetime, until: datetime) -> Times:
    seconds = SECONDS[timeframe]
    first = -(-epoch(since) // seconds) * seconds
    return np.arange(first, epoch(until), seconds, dtype=np.int64)


def _forex_open(opens: Times, timeframe: Timeframe) -> NDArray[np.bool_]:
    """Mask of bars that begin while forex trades; daily bars are owed Monday to Friday."""
    utc = pl.from_epoch(pl.Series(opens), time_unit="s").dt.replace_time_zone("UTC")
    if timeframe == "1d":
        weekday_utc: NDArray[np.bool_] = (utc.dt.weekday() <= 5).to_numpy()
        return weekday_utc
    local = utc.dt.convert_time_zone("America/New_York")
    weekday, hour = local.dt.weekday().to_numpy(), local.dt.hour().to_numpy()
    closed = (weekday == 6) | ((weekday == 5) & (hour >= 17)) | ((weekday == 7) & (hour < 17))
    return np.asarray(~closed, dtype=np.bool_)


@cache
def _new_york() -> tuple[Times, Times, Times]:
    """Session dates (00:00 UTC), opens and closes of XNYS, epoch seconds. Slow, so loaded on first use."""
    with warnings.catch_warnings():
        # exchange_calendars reads a pandas property that pandas 3.1 deprecates; the values are right.
        warnings.simplefilter("ignore")
        import exchange_calendars

        schedule: Any = exchange_calendars.get_calendar("XNYS", start=CALENDAR_START).schedule
        dates = schedule.index.to_numpy().astype("datetime64[s]").astype(np.int64)
        opens, closes = (
            schedule[column].dt.tz_convert(None).to_numpy().astype("datetime64[s]").astype(np.int64)
            for column in ("open", "close")
        )
    return dates, opens, closes


def _session_opens(timeframe: Timeframe, since: datetime, until: datetime) -> Times:
    dates, opens, closes = _new_york()
    begin, end = epoch(since), epoch(until)
    if begin < dates[0] or end > dates[-1] + 2 * SECONDS["1d"]:
        raise ValueError(
            f"stock sessions are known from {moment(int(dates[0])):%Y-%m-%d} to {moment(int(dates[-1])):%Y-%m-%d}"
        )
    if timeframe == "1d":
        return dates[(dates >= begin) & (dates < end)]
    near = (closes > begin) & (opens < end)
    seconds = SECONDS[timeframe]
    bars = [np.arange(a, b, seconds, dtype=np.int64) for a, b in zip(opens[near], closes[near], strict=True)]
    every = np.concatenate(bars) if bars else np.empty(0, dtype=np.int64)
    return every[(every >= begin) & (every < end)]
