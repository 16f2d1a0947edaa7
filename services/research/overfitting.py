"""Whether a Sharpe ratio survives the search that found it.

Probabilistic Sharpe ratio: Bailey and López de Prado, "The Sharpe Ratio Efficient Frontier" (2012). Deflated Sharpe
ratio: the same, "The Deflated Sharpe Ratio" (2014). Probability of back-test overfitting by combinatorially symmetric
cross-validation: Bailey, Borwein, López de Prado, Zhu (2017).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np

from services.inference.series import Floats

EULER = 0.5772156649015329
NORMAL = NormalDist()
BLOCKS = 12


@dataclass(frozen=True, slots=True)
class Moments:
    """Returns of one period each: Sharpe ratio per period, skewness and kurtosis (3 for a normal law)."""

    n: int
    sharpe: float
    skew: float
    kurtosis: float


@dataclass(frozen=True, slots=True)
class Overfitting:
    """What cross-validation over all splits of time into two halves says about picking the best configuration.

    ``probability``: share of splits in which the best of one half is below the median in the other. On pure noise it
    lies near one half with wide scatter. ``loss``: share in which it then loses money.
    """

    configurations: int
    periods: int
    splits: int
    probability: float
    loss: float
    rank_low: float
    rank_median: float
    rank_high: float
    """Quartiles of the chosen one's relative rank out of sample: 1 is best, 0.5 the middle."""


def moments(returns: Floats) -> Moments | None:
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


def best_of_noise(trials: int, variance: float) -> float:
    """Give the Sharpe ratio (per period) that the best of ``trials`` without skill is expected to reach."""
    if trials < 2:
        return 0.0
    first, second = NORMAL.inv_cdf(1.0 - 1.0 / trials), NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * ((1.0 - EULER) * first + EULER * second)


def deflated_sharpe(found: Moments, trials: int, variance: float) -> float:
    """Give the probability that skill, not the search over ``trials`` with this variance of Sharpe ratios, made it."""
    return probabilistic_sharpe(found, best_of_noise(trials, variance))


def variance_of(sharpes: Sequence[float]) -> float:
    """Variance of the trials' Sharpe ratios; 0.0 with fewer than two."""
    return float(np.var(sharpes, ddof=1)) if len(sharpes) > 1 else 0.0


def overfitting(returns: Floats, blocks: int = BLOCKS) -> Overfitting | None:
    """Cross-validate the choice among configurations: ``returns`` (periods, configurations); None if too few."""
    periods, configurations = returns.shape
    if configurations < 2 or periods < 4 * blocks:
        return None
    parts = np.array_split(returns, blocks)
    count = np.array([len(part) for part in parts], dtype=np.float64)
    total = np.stack([part.sum(axis=0) for part in parts])
    square = np.stack([(part * part).sum(axis=0) for part in parts])
    inside = np.zeros((math.comb(blocks, blocks // 2), blocks))
    for row, chosen in enumerate(combinations(range(blocks), blocks // 2)):
        inside[row, list(chosen)] = 1.0
    learnt, judged = (_sharpes(half @ total, half @ square, half @ count) for half in (inside, 1.0 - inside))
    best = learnt.argmax(axis=1)
    own = judged[np.arange(len(best)), best]
    below = (judged < own[:, None]).sum(axis=1) + 0.5 * ((judged == own[:, None]).sum(axis=1) - 1)
    rank = (below + 1.0) / (configurations + 1.0)
    low, middle, high = np.quantile(rank, (0.25, 0.5, 0.75)).tolist()
    probability = float(np.mean(rank < 0.5) + 0.5 * np.mean(rank == 0.5))
    return Overfitting(configurations, periods, len(inside), probability, float(np.mean(own < 0.0)), low, middle, high)


def _sharpes(total: Floats, square: Floats, count: Floats) -> Floats:
    """Sharpe ratios (splits, configurations) from sums; 0 where nothing varies, as for a rule that never traded."""
    mean = total / count[:, None]
    variance = np.maximum(square / count[:, None] - mean * mean, 0.0)
    return np.where(variance > 1e-20, mean / np.sqrt(np.where(variance > 1e-20, variance, 1.0)), 0.0)
