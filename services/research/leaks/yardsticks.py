"""What no honest forecast does: foretell noise, or tell a market's direction two times in three."""

import math
from collections.abc import Mapping

import numpy as np

from services.inference.evaluate import diebold_mariano
from services.inference.series import Floats
from services.research.leaks.pipeline import Score, Trace

SURE = 3.29
"""Standard deviations of a two-sided test at one in a thousand: many are made, and a false alarm costs trust."""
USUAL = 1.96
LEAKS_FROM = 0.60
"""Direction right: honest values of hourly forecasts of 12 hours lie near 0.5, shuffled splits show 0.65 to 0.8."""
LEAST_RATIO = 0.90
NOISE_RATIO = 0.97
"""RMSE against the random walk's, below which a forecast explains more than six per cent of the variance."""


def direction(score: Score, horizon_bars: int, deviations: float) -> tuple[float, float, float]:
    """Give the share of directions foretold, and its Wilson interval over stretches that do not overlap."""
    said, came = _both(score)
    n = max(1.0, len(said) / horizon_bars)
    share = float(np.mean((said > 0.0) == (came > 0.0))) if len(said) else 0.5
    square = deviations * deviations
    centre = (share + square / (2.0 * n)) / (1.0 + square / n)
    spread = deviations * math.sqrt(share * (1.0 - share) / n + square / (4.0 * n * n)) / (1.0 + square / n)
    return share, centre - spread, centre + spread


def ratio(score: Score) -> float:
    """Give the RMSE beside the random walk's on the same rows; 1.0 with nothing to compare."""
    said, came = score
    known = np.isfinite(said) & np.isfinite(came)
    walk = float(np.mean(came[known] ** 2)) if known.any() else 0.0
    return math.sqrt(float(np.mean((came[known] - said[known]) ** 2)) / walk) if walk > 0.0 else 1.0


def forecasts_noise(trace: Trace) -> str | None:
    """Say which reported score foretells the random walks of a world of noise; all assets of a model count together."""
    names = sorted({name for _, name in trace.scores})
    for name in names:
        mine = [score for (_, of), score in trace.scores.items() if of == name]
        score = np.concatenate([said for said, _ in mine]), np.concatenate([came for _, came in mine])
        horizon = trace.pipeline.horizon
        share, low, high = direction(score, horizon, SURE)
        if not low <= 0.5 <= high:
            return (
                f"{name} foretells the direction of pure noise in {share:.1%} (99.9 % interval {low:.1%} to {high:.1%})"
            )
        gained = score[1] ** 2 - (score[1] - score[0]) ** 2
        p = diebold_mariano(gained[np.isfinite(gained)], horizon)
        if ratio(score) < NOISE_RATIO and p is not None and p < 0.001:
            return f"{name} explains pure noise: {ratio(score):.3f} of the random walk's error, p {p:.4f}"
    return None


def too_good(scores: Mapping[tuple[str, str], Score], horizon_bars: int) -> str | None:
    """Say which reported score is better than any honest one of hourly prices."""
    for (symbol, name), score in scores.items():
        share, low, high = direction(score, horizon_bars, USUAL)
        if low > LEAKS_FROM:
            return f"{symbol}: {name} is right on direction in {share:.1%} (95 % interval {low:.1%} to {high:.1%})"
        if ratio(score) < LEAST_RATIO and low > 0.5:
            return f"{symbol}: {name}'s error is {ratio(score):.3f} of the random walk's"
    return None


def _both(score: Score) -> tuple[Floats, Floats]:
    said, came = score
    known = np.isfinite(said) & np.isfinite(came) & (said != 0.0) & (came != 0.0)
    return said[known], came[known]
