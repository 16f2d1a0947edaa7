"""What an asset's own candles say at a bar besides a forecast: regime, volatility, levels, whether it goes nowhere.

Each is a function of the last :func:`reach` bars up to the bar, in the units of that bar, so many bars computed at once
say what each says alone.
"""

from itertools import pairwise
from sys import intern
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from services.contracts.readings import Zone
from services.domain.candles import Timeframe
from services.domain.corporate_actions import stretches
from services.domain.levels import WINDOW_DAYS, zones_at
from services.domain.market_days import bars_per_day, market_days
from services.domain.regimes import UNCLASSIFIED, classify_moves, daily_volatility, log_of, window_bars
from services.inference.series import Candles, Floats, Ints

USUAL_DAYS = 30
SIDEWAYS_DAYS = 10
SIDEWAYS_EFFICIENCY = 0.3
"""Way made, as a share of the way gone (Kaufman's efficiency ratio), below which a market goes nowhere.

A random walk of ten days makes 0.32 of its way on average (10 ** -0.5).
"""
WINDOWS_AT_ONCE = 512
"""Windows that are laid out in memory at once."""


class OwnReading(NamedTuple):
    """As in :class:`services.contracts.readings.Reading`."""

    regime: str = UNCLASSIFIED
    volatility: float | None = None
    usual_volatility: float | None = None
    supports: tuple[Zone, ...] = ()
    resistances: tuple[Zone, ...] = ()
    sideways: bool | None = None
    decay_per_day: float | None = None


def reach(asset_class: str, timeframe: Timeframe) -> int:
    """Count the bars that one bar's readings look at, its own included."""
    per_day = bars_per_day(asset_class, timeframe)
    days = max(WINDOW_DAYS, USUAL_DAYS + 1, SIDEWAYS_DAYS + 1)
    return max(window_bars(per_day), days * per_day + 1)


def read_bars(series: Candles, rows: Ints, leverage: float | None = None) -> list[OwnReading]:
    """Read the bars in ``rows`` (m,), ascending; ``leverage`` is that of a fund that resets it every day."""
    if len(rows) == 0:
        return []
    window = reach(series.asset_class, series.timeframe)
    first = max(0, int(rows[0]) - window + 1)
    part, at = series.between(first, int(rows[-1]) + 1), rows - first
    if not part.splits:
        return _read(part, at, leverage)
    found: list[OwnReading] = []
    for stretch in stretches(part.ts, part.splits, window):
        inside = at[(at >= stretch.start) & (at < stretch.stop)]
        if len(inside):
            found += _read(part.between(stretch.first, stretch.stop).restated(), inside - stretch.first, leverage)
    return found


def _read(own: Candles, rows: Ints, leverage: float | None) -> list[OwnReading]:
    per_day = bars_per_day(own.asset_class, own.timeframe)
    log_close = log_of(own.close)
    volatility = daily_volatility(log_close, per_day)
    regime = classify_moves(log_close, volatility, per_day, int(rows[0]))
    days = market_days(own.asset_class, own.ts)
    zones = zones_at(own.high, own.low, own.close, own.volume, days, rows, per_day, volatility[rows])
    usual = _medians(volatility, rows, USUAL_DAYS * per_day)
    efficiency = _efficiency(log_close, rows, per_day)
    return [
        OwnReading(
            intern(str(regime[row])),  # the very word that messages leave out as their default
            _known(daily),
            _known(median),
            supports,
            resistances,
            None if np.isnan(share) else bool(share < SIDEWAYS_EFFICIENCY),
            _decay(daily, per_day, leverage),
        )
        for row, daily, median, (supports, resistances), share in zip(
            rows.tolist(), volatility[rows].tolist(), usual.tolist(), zones, efficiency.tolist(), strict=True
        )
    ]


def _medians(values: Floats, rows: Ints, width: int) -> Floats:
    """Take the median of the last ``width`` values at each row (m,); NaN where one is missing."""
    out = np.full(len(rows), np.nan)
    there = np.flatnonzero(rows >= width - 1)
    if len(there) == 0:
        return out
    windows = sliding_window_view(values, width)
    for start in range(0, len(there), WINDOWS_AT_ONCE):
        some = there[start : start + WINDOWS_AT_ONCE]
        laid = np.sort(windows[rows[some] - width + 1], axis=1)
        # What is not known is sorted to the end.
        median = (laid[:, (width - 1) // 2] + laid[:, width // 2]) / 2.0
        out[some] = np.where(np.isfinite(laid[:, -1]), median, np.nan)
    return out


def _efficiency(log_close: Floats, rows: Ints, per_day: int) -> Floats:
    """Divide the way of ten days by the sum of the days' ways, (m,); NaN where one is unknown, 0 where none moved."""
    back = rows[:, None] - per_day * np.arange(SIDEWAYS_DAYS, -1, -1)
    at = np.where(back[:, :1] >= 0, log_close[np.maximum(back, 0)], np.nan).T
    gone = np.zeros(len(rows))
    for before, after in pairwise(at):
        gone = gone + np.abs(after - before)
    return np.where(gone == 0.0, 0.0, np.abs(at[-1] - at[0]) / np.where(gone == 0.0, 1.0, gone))


def _decay(volatility: float, per_day: int, leverage: float | None) -> float | None:
    """Estimate what a fund that resets its leverage L every day loses a day against L times its index's log return.

    It is (L² - L) / 2 of the index's daily variance (Avellaneda, Zhang 2010), which is the fund's own over L².
    """
    if not leverage or np.isnan(volatility):
        return None
    return (1.0 - 1.0 / leverage) / 2.0 * volatility * volatility * per_day


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
