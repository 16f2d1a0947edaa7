"""Candles of one asset as arrays: what features and training work on."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

BAR_SECONDS = 3_600
BARS_PER_DAY = 86_400 // BAR_SECONDS


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """Hourly candles of one asset in ascending order; ``ts`` is the bar's open in epoch seconds, arrays are (n,)."""

    symbol: str
    asset_class: str
    ts: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

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
        )


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


def forward_log_return(ts: Ints, close: Floats, horizon_bars: int) -> Floats:
    """Give each bar the log return over the next ``horizon_bars`` hours (not rows); NaN where a bar is absent."""
    ahead = row_at(ts, ts + horizon_bars * BAR_SECONDS)
    known = ahead >= 0
    out = np.full(len(ts), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        out[known] = np.log(close[ahead[known]] / close[known])
    out[~np.isfinite(out)] = np.nan
    return out
