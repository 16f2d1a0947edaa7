"""Whether a Sharpe ratio survives the search that found it.

Deflated Sharpe ratio: Bailey and López de Prado, "The Deflated Sharpe Ratio" (2014), on the probabilistic one in
``services/domain/sharpe.py``. Probability of back-test overfitting by combinatorially symmetric cross-validation:
Bailey, Borwein, López de Prado, Zhu (2017).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from services.domain.sharpe import NORMAL
from services.domain.sharpe import Moments as Moments  # noqa: PLC0414
from services.domain.sharpe import moments as moments  # noqa: PLC0414
from services.domain.sharpe import probabilistic_sharpe as probabilistic_sharpe  # noqa: PLC0414
from services.inference.series import Floats

EULER = 0.5772156649015329
BLOCKS = 12


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
