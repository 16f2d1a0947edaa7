"""Where the true value may lie: 90 % intervals of shares, Sharpe ratios and profit factors. Pure."""

import math
from statistics import NormalDist

import numpy as np

from services.domain.candles import Values
from services.domain.sharpe import Moments

Interval = tuple[float, float]
Z_90 = NormalDist().inv_cdf(0.95)


def wilson(successes: int, n: int, z: float = Z_90) -> Interval:
    """Bound the share behind ``successes`` of ``n`` (above 0) independent trials (Wilson 1927)."""
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # Of all or none, rounding would put the share itself a hair outside.
    return max(min(middle - half, share), 0.0), min(max(middle + half, share), 1.0)


def sharpe_interval(found: Moments, periods: int, z: float = Z_90) -> Interval:
    """Bound the annualised Sharpe ratio; skewness and fat tails are in its error (Mertens 2002, Lo 2002)."""
    variance = 1.0 - found.skew * found.sharpe + (found.kurtosis - 1.0) / 4.0 * found.sharpe**2
    half = z * math.sqrt(max(variance, 0.0) / (found.n - 1))
    year = math.sqrt(periods)
    return (found.sharpe - half) * year, (found.sharpe + half) * year


def profit_factor_interval(profits: Values, losses: Values, z: float = Z_90) -> Interval | None:
    """Bound the profit factor from each day's closed profits and losses, both (n,) and not negative.

    The infinitesimal jackknife of its logarithm (Jaeckel 1972): what a bootstrap of whole days gives, without drawing.
    None without both a profit and a loss, or with fewer than two days.
    """
    won, lost = float(profits.sum()), float(losses.sum())
    if len(profits) < 2 or won <= 0.0 or lost <= 0.0:
        return None
    half = z * math.sqrt(float(np.sum((profits / won - losses / lost) ** 2)))
    return won / lost * math.exp(-half), won / lost * math.exp(half)
