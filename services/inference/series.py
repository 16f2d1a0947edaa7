"""Candles of one asset as arrays: what features and training work on."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self

import numpy as np
import numpy.typing as npt

from services.domain.calendars import positions
from services.domain.candles import SECONDS, Timeframe
from services.domain.corporate_actions import RawSplit, restated, split_log_return

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

BAR_SECONDS = 3_600
BARS_PER_DAY = 86_400 // BAR_SECONDS


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """Candles of one asset in ascending order; ``ts`` is the bar's open in epoch seconds, arrays are (n,)."""

    symbol: str
    asset_class: str
    ts: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    timeframe: Timeframe = "1h"
    splits: tuple[RawSplit, ...] = ()
    """Splits that the prices show, for they are as they were traded."""

    @property
    def close_ts(self) -> Ints:
        """Epoch seconds of each bar's close, (n,)."""
        return self.ts + SECONDS[self.timeframe]

    def position(self) -> Ints:
        """Number each bar in its market's own sequence: neighbours differ by one, over nights and weekends too."""
        return positions(self.asset_class, self.timeframe, self.ts)

    def between(self, start: int, stop: int) -> Self:
        """Return the rows ``start <= i < stop``."""
        rows = slice(start, stop)
        return type(self)(
            self.symbol,
            self.asset_class,
            self.ts[rows],
            self.open[rows],
            self.high[rows],
            self.low[rows],
            self.close[rows],
            self.volume[rows],
            self.timeframe,
            self.splits,
        )

    def restated(self) -> Self:
        """Return the same bars in the units of the last one; the very same where no split lies within them."""
        if not self.splits:
            return self
        columns = restated(self.ts, self.open, self.high, self.low, self.close, self.volume, self.splits)
        return replace(self, open=columns[0], high=columns[1], low=columns[2], close=columns[3], volume=columns[4])


def epoch(moment: datetime) -> int:
    """Turn an aware time into whole epoch seconds."""
    return int(moment.timestamp())


def moment(seconds: int) -> datetime:
    """Turn epoch seconds into an aware UTC time."""
    return datetime.fromtimestamp(int(seconds), UTC)


def row_at(ts: Ints, wanted: Ints) -> Ints:
    """Find the row of each wanted time in ascending ``ts``; -1 where it is absent."""
    if len(ts) == 0:
        return np.full(len(wanted), -1, dtype=np.int64)
    rows = np.minimum(np.searchsorted(ts, wanted), len(ts) - 1)
    return np.where(ts[rows] == wanted, rows, -1).astype(np.int64)


def row_ahead(position: Ints, bars: int) -> Ints:
    """Find for each row the one that stands ``bars`` bars later in its market's sequence; -1 where it is absent."""
    # Bars that no session owes have no number, and nothing ahead.
    owed = np.flatnonzero(position >= 0)
    found = np.full(len(position), -1, dtype=np.int64)
    rows = row_at(position[owed], position[owed] + bars)
    found[owed[rows >= 0]] = owed[rows[rows >= 0]]
    return found


def forward_log_return(candles: Candles, horizon_bars: int) -> Floats:
    """Give each bar the log return over its market's next ``horizon_bars`` bars (not rows); NaN where one is absent.

    A split in between is no return.
    """
    position, close = candles.position(), candles.close
    ahead = row_ahead(position, horizon_bars)
    known = ahead >= 0
    out = np.full(len(position), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        out[known] = np.log(close[ahead[known]] / close[known])
    if candles.splits:
        out[known] += split_log_return(candles.ts[known], candles.ts[ahead[known]], candles.splits)
    out[~np.isfinite(out)] = np.nan
    return out
