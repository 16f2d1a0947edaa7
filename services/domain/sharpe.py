"""How sure one can be of a Sharpe ratio that was measured over few returns. Pure.

Probabilistic Sharpe ratio: Bailey and López de Prado, "The Sharpe Ratio Efficient Frontier" (2012). It takes the
returns as independent of each other; skewness and fat tails are in it.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from services.domain.candles import Values

NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Moments:
    """Returns of one period each: Sharpe ratio per period, skewness and kurtosis (3 for a normal law)."""

    n: int
    sharpe: float
    skew: float
    kurtosis: float


def moments(returns: Values) -> Moments | None:
    """Measure returns (n,); None where a Sharpe ratio is undefined."""
    n = len(returns)
    if n < 3:
        return None
    centred = returns - returns.mean()
    deviation = float(returns.std(ddof=1))
    if deviation <= 1e-15:
        return None
    second = float(np.mean(centred**2))
    skew = float(np.mean(centred**3)) / second**1.5
    return Moments(n, float(returns.mean()) / deviation, skew, float(np.mean(centred**4)) / second**2)


def probabilistic_sharpe(found: Moments, benchmark: float = 0.0) -> float:
    """Give the probability that the true Sharpe ratio exceeds ``benchmark`` (per period)."""
    variance = 1.0 - found.skew * found.sharpe + (found.kurtosis - 1.0) / 4.0 * found.sharpe**2
    # Extreme skew can push the approximation below zero; a small value keeps the sign and claims no precision.
    return NORMAL.cdf((found.sharpe - benchmark) * math.sqrt(found.n - 1) / math.sqrt(max(variance, 1e-12)))
