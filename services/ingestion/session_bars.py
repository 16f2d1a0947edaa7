"""Bars of the New York session out of what stock providers send.

They count hours from the full hour and include trading before and after the session; here a stock's hour begins with
the session (09:30 New York), as :mod:`services.domain.calendars` expects it, and a day is 00:00 UTC of its date.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from services.domain.calendars import expected_opens
from services.domain.candles import SECONDS, Candles, Timeframe, Times, from_rows, moment

NEW_YORK = ZoneInfo("America/New_York")
DAY_S = SECONDS["1d"]

Row = tuple[int, float, float, float, float, float]
"""ts in epoch seconds of the open, open, high, low, close, volume."""

BASE_MINUTES: dict[Timeframe, int | None] = {"1m": 1, "5m": 5, "15m": 15, "1h": 30, "4h": 30, "1d": None}
"""Minutes of the bars to ask a stock provider for: its own hours do not begin with the session. None: days."""


def row_of(ts: int, values: Iterable[float | str]) -> Row:
    """A row from its time and five numbers; ValueError if they are no numbers or not five."""
    o, h, low, c, volume = (float(value) for value in values)
    return ts, o, h, low, c, volume


class PagedRows:
    """Rows of consecutive pages, each time once; a day is only given out whole, since a page may end inside a bar."""

    def __init__(self) -> None:
        self._held: list[Row] = []
        self._newest: int | None = None

    def add(self, page: list[Row]) -> list[Row]:
        """Take a page, in any order and with rows already seen; give the rows of the UTC days that are now whole."""
        for row in sorted(page):
            if self._newest is None or row[0] > self._newest:
                self._held.append(row)
                self._newest = row[0]
        last_day = (self._newest or 0) // DAY_S
        whole = [row for row in self._held if row[0] // DAY_S < last_day]
        self._held = self._held[len(whole) :]
        return whole

    def rest(self) -> list[Row]:
        """The rows of the last day, once no page follows."""
        held, self._held = self._held, []
        return held


def session_bars(symbol: str, timeframe: Timeframe, source: str, rows: list[Row]) -> Candles:
    """Fold ascending rows of :data:`BASE_MINUTES` into the session's bars; what lies outside the session is left out.

    The last bar of a day may be shorter than its timeframe. Daily rows only get their date for a time.
    """
    if timeframe == "1d":
        return from_rows(symbol, timeframe, source, [row_of(session_date(ts), values) for ts, *values in rows])
    base = from_rows(symbol, timeframe, source, rows)
    if not rows:
        return base
    bars, inside = _session_grids(timeframe, base.ts)
    base = base.take(np.isin(base.ts, inside))
    if len(base) == 0:
        return base
    bar = bars[np.searchsorted(bars, base.ts, side="right") - 1]
    ts, first = np.unique(bar, return_index=True)
    last = np.append(first[1:], len(bar)) - 1
    return Candles(
        symbol,
        timeframe,
        source,
        ts,
        base.open[first],
        np.maximum.reduceat(base.high, first),
        np.minimum.reduceat(base.low, first),
        base.close[last],
        np.add.reduceat(base.volume, first),
    )


def session_date(ts: int) -> int:
    """00:00 UTC of the New York date of a moment, epoch seconds."""
    local = moment(ts).astimezone(NEW_YORK)
    return int(datetime(local.year, local.month, local.day, tzinfo=UTC).timestamp())


def _session_grids(timeframe: Timeframe, ts: Times) -> tuple[Times, Times]:
    """Opens of the wanted bars and of the finest base bars in the days that ``ts`` covers."""
    since, until = moment(int(ts[0])) - timedelta(days=1), moment(int(ts[-1])) + timedelta(days=1)
    bars = expected_opens("stocks", timeframe, since, until)
    # Half an hour of trading begins on a quarter, in a session that begins at half past.
    return bars, expected_opens("stocks", "15m", since, until) if SECONDS[timeframe] > 900 else bars
