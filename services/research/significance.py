"""How sure a figure is when rows overlap and many are looked at: block bootstrap, Holm, Benjamini-Hochberg."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from services.inference.series import Floats, Ints

BLOCK_HORIZONS = 8
"""Block length in horizons: overlapping rows lose 2 % of their variance at block edges, not 8 %."""

DRAWS = 500
AT_LEAST_INDEPENDENT = 10
"""Independent stretches that a mean needs before it is given an interval."""


class Mean(NamedTuple):
    """A mean with its two-sided 95 % interval and the one-sided p-value that the true mean is not above zero."""

    n: int
    independent: int
    mean: float
    low: float | None
    high: float | None
    p_value: float | None


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values so that the chance of any false claim is bounded (Holm 1979); None stays None."""
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    worst = 0.0
    for rank, (p, i) in enumerate(known):
        worst = max(worst, min(1.0, p * (len(known) - rank)))
        adjusted[i] = worst
    return adjusted


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Turn p-values into q-values: the share of false ones among all at least as small (1995); None stays None."""
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    best = 1.0
    for rank in range(len(known), 0, -1):
        p, i = known[rank - 1]
        best = min(best, p * len(known) / rank)
        adjusted[i] = best
    return adjusted


def resamples(n: int, block: int, draws: int, seed: int) -> Floats:
    """Say how often each of n rows is in each circular block bootstrap sample: (draws, n) (Politis, Romano 1992)."""
    block = min(block, n)
    starts = np.random.default_rng(seed).integers(0, n, (draws, -(-n // block)))
    edges = np.zeros((draws, n + block + 1), dtype=np.float32)
    rows = np.repeat(np.arange(draws), starts.shape[1])
    np.add.at(edges, (rows, starts.ravel()), 1.0)
    np.add.at(edges, (rows, starts.ravel() + block), -1.0)
    counts = np.cumsum(edges, axis=1)[:, :-1]
    counts[:, :block] += counts[:, n:]
    return counts[:, :n].astype(np.float64)


def means(
    values: Floats, groups: Sequence[Ints], stretches: Sequence[int], draws: Floats, moment: Ints, block: int
) -> list[Mean | None]:
    """Give the mean of ``values`` (n,) over each group of row numbers, None for an empty one.

    ``stretches`` counts each group's independent stretches, ``moment`` (n,) says which column of ``draws`` a row
    belongs to, ``block`` how many columns are drawn together. The deviation comes from resampled blocks of time
    (linearised ratio, Davison and Hinkley 1997, section 2.7), so it is known no better than so many blocks tell:
    Student's t has as many degrees as there are stretches or blocks with rows in them, whichever are fewer, less one.
    """
    centres = [float(values[group].mean()) if len(group) else 0.0 for group in groups]
    residuals = np.zeros((draws.shape[1], len(groups)))
    for i, group in enumerate(groups):
        if len(group):
            share = (values[group] - centres[i]) / len(group)
            residuals[:, i] = np.bincount(moment[group], share, draws.shape[1])
    deviations = (draws @ residuals).std(axis=0, ddof=1).tolist()
    return [
        _mean(len(group), min(stretches[i], len(np.unique(moment[group] // block))), centres[i], deviations[i])
        if len(group)
        else None
        for i, group in enumerate(groups)
    ]


def _mean(n: int, independent: int, mean: float, deviation: float) -> Mean:
    if independent < AT_LEAST_INDEPENDENT or deviation <= 0.0:
        return Mean(n, independent, mean, None, None, None)
    wide = float(stdtrit(independent - 1, 0.975)) * deviation
    return Mean(n, independent, mean, mean - wide, mean + wide, float(stdtr(independent - 1, -mean / deviation)))


def mean_of_trades(values: Floats, clusters: Ints | None = None) -> Mean | None:
    """Give the mean of trades' returns (n,) by Student's t; None without any.

    Trades are independent, or depend on each other only inside the ``clusters`` (n,) named (several assets on one day).
    """
    n = len(values)
    if n == 0:
        return None
    mean = float(values.mean())
    _, which = np.unique(np.arange(n) if clusters is None else clusters, return_inverse=True)
    sums = np.bincount(which, values - mean)
    groups = len(sums)
    deviation = math.sqrt(float(sums @ sums) * groups / max(1, groups - 1)) / n
    return _mean(n, groups, mean, deviation)


def independent_stretches(bars: Ints, horizon_bars: int) -> int:
    """Count the rows, at ascending bar numbers, that could be picked without any two sharing a bar."""
    count, at = 0, 0
    while at < len(bars):
        count += 1
        at = int(np.searchsorted(bars, bars[at] + horizon_bars))
    return count
