"""How good forecasts were: always beside the random walk (a forecast of zero) on the same rows."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from services.inference.series import Floats

Z95 = 1.959963984540054
WIDE_LAGS = 4
"""Horizons that falling weights reach over, where equal ones give no variance."""


@dataclass(frozen=True, slots=True)
class ForecastErrors:
    """Errors of log returns over the horizon. ``ratio`` below 1 is better than the random walk's RMSE.

    Hourly forecasts over a longer horizon overlap, so the direction's interval and ``p_value`` (two-sided,
    Diebold-Mariano with the correction of Harvey, Leybourne and Newbold 1997) count independent stretches, not hours.
    """

    n: int
    rmse: float
    mae: float
    rmse_random_walk: float
    mae_random_walk: float
    ratio: float
    direction_n: int
    """Forecasts that named a direction and saw the price move."""
    direction_right: float | None
    direction_low: float | None
    direction_high: float | None
    p_value: float | None


def wilson(share: float, n: float) -> tuple[float, float]:
    """Bound a share of ``n`` independent trials by Wilson's 95 % interval (1927)."""
    spread = Z95 * math.sqrt(share * (1.0 - share) / n + Z95 * Z95 / (4.0 * n * n))
    centre = share + Z95 * Z95 / (2.0 * n)
    scale = 1.0 + Z95 * Z95 / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def diebold_mariano(gain: Floats, horizon_bars: int) -> float | None:
    """Give the two-sided p-value that the mean of ``gain`` (n,) is not zero; None where it cannot be told.

    Forecasts that overlap correlate over ``horizon_bars - 1`` rows, so those count in full (Diebold, Mariano 1995).
    """
    n = len(gain)
    if n <= 2 * horizon_bars:
        return None
    centred = gain - gain.mean()
    ones = np.ones(horizon_bars - 1)
    variance = _long_run_variance(centred, ones)
    if variance <= 0.0:
        # Equal weights can turn out negative; falling ones cannot, and reach further to lose little of the overlap.
        lags = min(n - 1, WIDE_LAGS * horizon_bars)
        variance = _long_run_variance(centred, 1.0 - np.arange(1, lags + 1) / (lags + 1.0))
    if variance <= 0.0:
        return None
    correction = (n + 1 - 2 * horizon_bars + horizon_bars * (horizon_bars - 1) / n) / n
    statistic = float(gain.mean()) / math.sqrt(variance / n) * math.sqrt(correction)
    return 2.0 * float(stdtr(n - 1, -abs(statistic)))


def _long_run_variance(centred: Floats, weights: Floats) -> float:
    """Variance of the mean times n, with the weight of each lag from 1 on."""
    covariance = float(centred @ centred)
    for k, weight in enumerate(weights.tolist(), start=1):
        covariance += 2.0 * weight * float(centred[k:] @ centred[:-k])
    return covariance / len(centred)


def measure(expected: Floats, realised: Floats, horizon_bars: int) -> ForecastErrors | None:
    """Compare forecasts (n,) with what came (n,), in time order; NaN rows are left out; None without any row."""
    known = np.isfinite(expected) & np.isfinite(realised)
    expected, realised = expected[known], realised[known]
    if len(realised) == 0:
        return None
    missed = realised - expected
    rmse, rmse_walk = (math.sqrt(float(np.mean(e * e))) for e in (missed, realised))
    named = (expected != 0.0) & (realised != 0.0)
    direction_n = int(named.sum())
    right = low = high = None
    if direction_n:
        right = float(np.mean((expected[named] > 0.0) == (realised[named] > 0.0)))
        low, high = wilson(right, max(1.0, direction_n / horizon_bars))
    return ForecastErrors(
        n=len(realised),
        rmse=rmse,
        mae=float(np.mean(np.abs(missed))),
        rmse_random_walk=rmse_walk,
        mae_random_walk=float(np.mean(np.abs(realised))),
        ratio=rmse / rmse_walk if rmse_walk > 0.0 else 1.0,
        direction_n=direction_n,
        direction_right=right,
        direction_low=low,
        direction_high=high,
        p_value=diebold_mariano(realised * realised - missed * missed, horizon_bars),
    )


def verdict(symbol: str, errors: ForecastErrors | None, horizon_bars: int) -> str:
    """Say in one plain sentence whether the forecasts of an asset were worth anything."""
    if errors is None:
        return f"{symbol}: no forecast could be compared with what came."
    if errors.direction_right is None or errors.direction_low is None or errors.direction_high is None:
        return f"{symbol}: only the random walk has forecast so far ({errors.n:,} hours, RMSE {errors.rmse:.2%})."
    sure = errors.p_value is not None and errors.p_value < 0.05
    if errors.ratio < 1.0:
        word = "better than the random walk" if sure else "not distinguishable from the random walk"
    else:
        word = "worse than the random walk" if sure else "no better than the random walk"
    chance = "not testable" if errors.p_value is None else f"p {errors.p_value:.2f}"
    rmse = f"RMSE {errors.rmse:.2%} against {errors.rmse_random_walk:.2%}, ratio {errors.ratio:.3f}, {chance}"
    interval = f"95 % interval {errors.direction_low:.1%} to {errors.direction_high:.1%}"
    independent = max(1, errors.n // horizon_bars)
    return (
        f"{symbol}: {word} ({rmse}); direction right {errors.direction_right:.1%}, {interval}, "
        f"{errors.n:,} hours, about {independent:,} independent."
    )
