"""Market regimes of one asset: a rule of four words that reads the past only.

``high_vol`` where the volatility of the last day stands above the 80th percentile of the asset's past 90 days; else
``trend_up`` or ``trend_down`` where the return of the last week exceeds one standard deviation of a week (the week's
root mean square step times the square root of its bars); else ``chop``.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from services.domain.ranks import trailing_rank

Regime = Literal["high_vol", "trend_up", "trend_down", "chop"]
REGIMES: tuple[Regime, ...] = get_args(Regime)
UNCLASSIFIED = "unclassified"
"""Said where too little is known: fewer than 30 days before the bar, or a hole in its last week."""

DAYS_PER_WEEK = 7
HISTORY_DAYS = 90
AT_LEAST_DAYS = 30
HIGH_VOL_RANK = 0.80
TREND_DEVIATIONS = 1.0


def classify(close: NDArray[np.float64], bars_per_day: int = 24) -> NDArray[np.str_]:
    """Name the regime at each close (n,); row i reads rows up to i only. Prices that are not positive are holes."""
    sound = np.isfinite(close) & (close > 0.0)
    log_close = np.log(np.where(sound, close, np.nan))
    step = np.full(len(close), np.nan)
    step[1:] = np.diff(log_close)
    day = _root_mean_square(step, bars_per_day)
    rank = trailing_rank(day, HISTORY_DAYS * bars_per_day, AT_LEAST_DAYS * bars_per_day)

    week_bars = DAYS_PER_WEEK * bars_per_day
    week = _root_mean_square(step, week_bars)
    moved = np.full(len(close), np.nan)
    moved[week_bars:] = log_close[week_bars:] - log_close[:-week_bars]
    bound = TREND_DEVIATIONS * week * np.sqrt(week_bars)

    known = np.isfinite(rank) & np.isfinite(bound) & np.isfinite(moved)
    with np.errstate(invalid="ignore"):
        found = np.select(
            [~known, rank > HIGH_VOL_RANK, moved > bound, moved < -bound],
            [UNCLASSIFIED, "high_vol", "trend_up", "trend_down"],
            "chop",
        )
    return np.asarray(found, dtype=np.str_)


def _root_mean_square(step: NDArray[np.float64], bars: int) -> NDArray[np.float64]:
    """Root mean square of the last ``bars`` steps at each row; NaN where one is missing."""
    out = np.full(len(step), np.nan)
    if len(step) >= bars:
        # Each window is summed by itself, so that more rows before it change no bit.
        out[bars - 1 :] = np.sqrt(np.lib.stride_tricks.sliding_window_view(step * step, bars).mean(axis=-1))
    return out
