"""Performance figures, all after costs. Sharpe (1994): mean excess return over its standard deviation, annualised."""

import math
from collections.abc import Sequence

PERIODS_PER_YEAR = {"crypto": 365}
DEFAULT_PERIODS = 252


def periods_per_year(asset_class: str) -> int:
    """Return how many daily returns make a year: 365 where markets never close, else 252 sessions."""
    return PERIODS_PER_YEAR.get(asset_class, DEFAULT_PERIODS)


def sharpe_ratio(daily_returns: Sequence[float], periods: int) -> float | None:
    """Annualised Sharpe ratio of simple daily returns (risk-free 0, sample deviation); None if undefined."""
    n = len(daily_returns)
    if n < 2:
        return None
    mean = math.fsum(daily_returns) / n
    deviation = math.sqrt(math.fsum((r - mean) ** 2 for r in daily_returns) / (n - 1))
    return mean / deviation * math.sqrt(periods) if deviation > 1e-15 else None


def sortino_ratio(daily_returns: Sequence[float], periods: int) -> float | None:
    """Annualised Sortino ratio of simple daily returns (required return 0); None if undefined."""
    n = len(daily_returns)
    if n < 2:
        return None
    downside = math.sqrt(math.fsum(min(r, 0.0) ** 2 for r in daily_returns) / n)
    return math.fsum(daily_returns) / n / downside * math.sqrt(periods) if downside > 1e-15 else None


def max_drawdown(daily_returns: Sequence[float]) -> float:
    """Largest fall from a peak of the compounded returns, as a positive fraction (0.12 = 12 %)."""
    value = peak = 1.0
    worst = 0.0
    for r in daily_returns:
        value *= 1.0 + r
        peak = max(peak, value)
        worst = max(worst, 1.0 - value / peak)
    return worst


def profit_factor(gross_profit: float, gross_loss: float) -> float | None:
    """Gross profit over gross loss (both positive); None while there is no loss to divide by."""
    return gross_profit / gross_loss if gross_loss > 0 else None


def win_rate(wins: int, trades: int) -> float | None:
    """Share of trades with a profit after costs; None without trades."""
    return wins / trades if trades else None
