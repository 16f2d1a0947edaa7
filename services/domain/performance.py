"""Performance figures, all after costs. Sharpe (1994): mean excess return over its standard deviation, annualised.

Sums are exactly rounded and products run in order of time, so that every machine gets the same last digit.
"""

import math
from collections.abc import Sequence

import numpy as np

from services.domain.candles import Values

PERIODS_PER_YEAR = {"crypto": 365}
DEFAULT_PERIODS = 252
NO_DEVIATION = 1e-15
"""Below it, returns of equal size differ by rounding only."""

Returns = Sequence[float] | Values


def periods_per_year(asset_class: str) -> int:
    """Return how many daily returns make a year: 365 where markets never close, else 252 sessions."""
    return PERIODS_PER_YEAR.get(asset_class, DEFAULT_PERIODS)


def sharpe_ratio(daily_returns: Returns, periods: int) -> float | None:
    """Annualised Sharpe ratio of simple daily returns (risk-free 0, sample deviation); None if undefined."""
    n = len(daily_returns)
    if n < 2:
        return None
    values = np.asarray(daily_returns, dtype=np.float64)
    mean = _sum(values) / n
    deviation = math.sqrt(_sum((values - mean) ** 2) / (n - 1))
    return mean / deviation * math.sqrt(periods) if deviation > NO_DEVIATION else None


def sortino_ratio(daily_returns: Returns, periods: int) -> float | None:
    """Annualised Sortino ratio of simple daily returns (required return 0); None if undefined."""
    n = len(daily_returns)
    if n < 2:
        return None
    values = np.asarray(daily_returns, dtype=np.float64)
    downside = math.sqrt(_sum(np.minimum(values, 0.0) ** 2) / n)
    return _sum(values) / n / downside * math.sqrt(periods) if downside > NO_DEVIATION else None


def max_drawdown(daily_returns: Returns) -> float:
    """Largest fall from a peak of the compounded returns, as a positive fraction (0.12 = 12 %)."""
    if not len(daily_returns):
        return 0.0
    value = np.cumprod(1.0 + np.asarray(daily_returns, dtype=np.float64))
    peak = np.maximum(np.maximum.accumulate(value), 1.0)
    return max(0.0, float((1.0 - value / peak).max()))


def profit_factor(gross_profit: float, gross_loss: float) -> float | None:
    """Gross profit over gross loss (both positive); None while there is no loss to divide by."""
    return gross_profit / gross_loss if gross_loss > 0 else None


def win_rate(wins: int, trades: int) -> float | None:
    """Share of trades with a profit after costs; None without trades."""
    return wins / trades if trades else None


def _sum(values: Values) -> float:
    return math.fsum(values.tolist())
