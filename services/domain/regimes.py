"""Market regimes of one asset: a rule of four words that reads the past only and does not flicker at its bounds.

``high_vol`` where the volatility of the last day stands above the 80th percentile of the asset's past 90 days; else
``trend_up`` or ``trend_down`` where the return of the last week exceeds one standard deviation of a week (the week's
root mean square step times the square root of its bars); else ``chop``.

What has begun lasts until it is clearly over: ``high_vol`` ends below the 70th percentile, a trend within 0.7 standard
deviations. Between its two bounds a regime is believed for three days after it last stood above the upper one, so a
bar's regime follows from a fixed number of bars up to it, however many there are. On a year of BTC by the hour this
leaves 19 changes a month of 36, and the median regime lasts 24 hours instead of 6.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from services.domain.ranks import trailing_rank
from services.domain.windows import window_sum

Regime = Literal["high_vol", "trend_up", "trend_down", "chop"]
REGIMES: tuple[Regime, ...] = get_args(Regime)
UNCLASSIFIED = "unclassified"
"""Said where too little is known: fewer than 30 days before the bar, or a hole in its last week."""

DAYS_PER_WEEK = 7
HISTORY_DAYS = 90
AT_LEAST_DAYS = 30
HELD_DAYS = 3
HIGH_VOL_RANK, HIGH_VOL_UNTIL = 0.80, 0.70
TREND_DEVIATIONS, TREND_UNTIL = 1.0, 0.7

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]


def window_bars(bars_per_day: int) -> int:
    """Count the bars that one bar's regime reads, its own included."""
    return (HISTORY_DAYS + HELD_DAYS + 1) * bars_per_day


def classify(close: Floats, bars_per_day: int = 24, since: int = 0) -> NDArray[np.str_]:
    """Name the regime at each close (n,); row i reads rows up to i only. Prices that are not positive are holes.

    Rows before ``since`` are not looked at and say nothing.
    """
    log_close = log_of(close)
    return classify_moves(log_close, daily_volatility(log_close, bars_per_day), bars_per_day, since)


def log_of(close: Floats) -> Floats:
    """Take the logarithm of each price (n,), NaN where it is a hole."""
    return np.log(np.where(np.isfinite(close) & (close > 0.0), close, np.nan))


def daily_volatility(log_close: Floats, bars_per_day: int) -> Floats:
    """Root mean square of the last day's log returns at each row (n,); NaN where one is missing."""
    return np.sqrt(_squares(log_close, bars_per_day) / bars_per_day)


def classify_moves(log_close: Floats, volatility: Floats, bars_per_day: int, since: int = 0) -> NDArray[np.str_]:
    """Name the regime where :func:`log_of` and :func:`daily_volatility` are known; else as :func:`classify`."""
    rows, held = len(log_close), HELD_DAYS * bars_per_day
    first = min(max(0, since - held + 1), rows)
    rank = trailing_rank(volatility, HISTORY_DAYS * bars_per_day, AT_LEAST_DAYS * bars_per_day, first)[first:]
    week_bars = DAYS_PER_WEEK * bars_per_day
    moved = np.full(rows - first, np.nan)
    there = max(first, week_bars)
    if there < rows:
        moved[there - first :] = log_close[there:] - log_close[there - week_bars : rows - week_bars]
    # The root mean square step of the week times the root of its bars.
    needed = max(0, first - week_bars)
    deviation = np.sqrt(_squares(log_close[needed:], week_bars)[first - needed :])

    known = np.isfinite(rank) & np.isfinite(deviation) & np.isfinite(moved)
    with np.errstate(invalid="ignore"):
        high_vol = _lasting(known, rank, HIGH_VOL_RANK, HIGH_VOL_UNTIL, held)
        rises, falls = (
            _lasting(known, way * moved, TREND_DEVIATIONS * deviation, TREND_UNTIL * deviation, held)
            for way in (1.0, -1.0)
        )
    found = np.full(rows, UNCLASSIFIED)
    names = np.select([~known, high_vol, rises, falls], [UNCLASSIFIED, "high_vol", "trend_up", "trend_down"], "chop")
    found[since:] = names[since - first :]
    return found


def _squares(log_close: Floats, bars: int) -> Floats:
    """Sum of the last ``bars`` squared steps at each row."""
    step = np.full(len(log_close), np.nan)
    step[1:] = np.diff(log_close)
    return window_sum(step * step, bars)


def _lasting(known: Flags, value: Floats, above: Floats | float, until: Floats | float, held: int) -> Flags:
    """Say where the value was ``above`` within the last ``held`` bars and has stood at ``until`` or higher since."""
    row = np.arange(len(value))
    begun = np.maximum.accumulate(np.where(known & (value > above), row, -held))
    over = np.maximum.accumulate(np.where(known & (value >= until), -1, row))
    lasting: Flags = (begun > over) & (row - begun < held)
    return lasting
