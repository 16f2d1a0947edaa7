"""How the models' parts become one forecast: weights, calibration and interval, learnt out of sample only. Pure.

All learning is in units of the random walk's uncertainty, so that quiet and wild months count alike. Forecasts of
overlapping horizons are not independent: evidence counts one row in ``horizon`` rows.

* Weights follow the squared errors as in Bayesian model averaging, partly spread evenly: forecasts of returns differ
  so little that estimated weights alone lose to equal ones (Smith and Wallis 2009, the forecast combination puzzle).
* The slope scales the weighted mean towards no move: a regression of what came on what was said, with a prior.
* The interval is split conformal (Vovk 2005) on standardised errors; ``p_up`` a logistic curve in the score
  (Platt 1999), by default the one that the forecast and its uncertainty imply.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from services.inference.series import Flags, Floats
from services.inference.settings import EnsembleSettings

NAME = "ensemble"
"""Under which the registry keeps it, beside the models."""

LEAST_SLOPE = 0.05
"""The forecast keeps a direction even where the evidence is against it; its size then says how little it is worth."""

PRIOR_ODDS = ((0.0, 0.25), (1.702, 0.5))
"""Mean and standard deviation of the priors of ``base`` and ``tilt``: no drift, and the logistic curve that comes
nearest to the normal distribution, which is right where forecast and uncertainty are."""


@dataclass(frozen=True, slots=True)
class Blend:
    """What was learnt. Weights sum to one; ``low`` and ``high`` count pooled standard deviations from the forecast."""

    weights: Mapping[str, float]
    slope: float
    low: float
    high: float
    base: float | None
    """Log odds of a rise where the forecast is no move; None: ``p_up`` is not known."""
    tilt: float
    """Log odds per standard deviation of forecast."""
    evidence: float
    """Independent out-of-sample forecasts it rests on."""

    def p_up(self, score: float) -> float | None:
        """Give the probability of a rise, ``score`` being the forecast in its own standard deviations, with sign."""
        return None if self.base is None else 1.0 / (1.0 + math.exp(-(self.base + self.tilt * score)))

    def dump(self) -> bytes:
        """Write as JSON; equal blends give equal bytes."""
        content = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({**content, "weights": dict(self.weights)}, sort_keys=True, allow_nan=False).encode()


def load(artefact: bytes) -> Blend:
    """Read what :meth:`Blend.dump` wrote."""
    return Blend(**json.loads(artefact))


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """Out-of-sample forecasts of one asset, in time order, and what came (n,)."""

    expected: Mapping[str, Floats]
    uncertainty: Mapping[str, Floats]
    walk: Floats
    """The random walk's uncertainty (n,)."""
    realised: Floats


def equal(models: Sequence[str], settings: EnsembleSettings) -> Blend:
    """Return what is believed before any evidence."""
    reach = _normal_quantile(0.5 + settings.interval / 2.0)
    share = 1.0 / len(models)
    return Blend(dict.fromkeys(models, share), settings.prior_slope, -reach, reach, None, 0.0, 0.0)


def fit(past: Past, models: Sequence[str], horizon_bars: int, settings: EnsembleSettings) -> Blend:
    """Learn from out-of-sample forecasts; models without any keep an even share."""
    known = np.isfinite(past.realised) & (past.walk > 0.0)
    came = past.realised[known] / past.walk[known]
    said = {name: past.expected[name][known] / past.walk[known] for name in models if name in past.expected}
    weights = _weights(said, came, models, horizon_bars, settings.equal_share)
    pooled, spread = _pool(past, weights, known)
    independent = len(came) / horizon_bars
    slope = _slope(pooled / past.walk[known], came, horizon_bars, settings)
    expected = slope * pooled
    low, high = _interval((past.realised[known] - expected) / spread, settings)
    base, tilt = _logistic(expected / spread, past.realised[known] > 0.0, horizon_bars)
    return Blend(weights, slope, low, high, base, tilt, round(independent, 1))


def with_interval(blend: Blend, past: Past, settings: EnsembleSettings) -> Blend:
    """Learn the interval anew, from newer forecasts than the rest: it is the first to be wrong when markets change."""
    known = np.isfinite(past.realised)
    pooled, spread = _pool(past, blend.weights, known)
    low, high = _interval((past.realised[known] - blend.slope * pooled) / spread, settings)
    return replace(blend, low=low, high=high)


def _interval(missed: Floats, settings: EnsembleSettings) -> tuple[float, float]:
    """Return the ends that hold the asked share of standardised errors, as much above as below."""
    tail = (1.0 - settings.interval) / 2.0
    return _conformal(missed, tail), -_conformal(-missed, tail)


def _weights(
    said: Mapping[str, Floats], came: Floats, models: Sequence[str], horizon_bars: int, equal_share: float
) -> dict[str, float]:
    """Weigh by exp(-n / 2 * squared error), n counting independent rows; no model is judged on rows it did not see."""
    losses: dict[str, float] = {}
    for name, values in said.items():
        there = np.isfinite(values)
        if there.sum() > horizon_bars:
            # Beside the random walk on the same rows: models with fewer rows are comparable then.
            missed, walk = came[there] - values[there], came[there]
            losses[name] = float(np.mean(missed * missed) - np.mean(walk * walk))
    even = 1.0 / len(models)
    if not losses:
        return dict.fromkeys(models, even)
    independent = len(came) / horizon_bars
    best = min(losses.values())
    raw = {name: math.exp(-0.5 * independent * (losses.get(name, best) - best)) for name in models}
    whole = math.fsum(raw.values())
    return {name: equal_share * even + (1.0 - equal_share) * raw[name] / whole for name in models}


def _pool(past: Past, weights: Mapping[str, float], known: Flags) -> tuple[Floats, Floats]:
    """Pool the parts that are there, row by row: mean and standard deviation of the linear opinion pool."""
    names = [name for name in weights if name in past.expected]
    means = np.stack([past.expected[name][known] for name in names])
    deviations = np.stack([past.uncertainty[name][known] for name in names])
    there = np.isfinite(means)
    share = np.where(there, np.array([weights[name] for name in names])[:, None], 0.0)
    share = share / share.sum(axis=0)
    means, deviations = np.where(there, means, 0.0), np.where(there, deviations, 0.0)
    mean = (share * means).sum(axis=0)
    variance = (share * (deviations**2 + (means - mean) ** 2)).sum(axis=0)
    return mean, np.sqrt(variance)


def _slope(said: Floats, came: Floats, horizon_bars: int, settings: EnsembleSettings) -> float:
    """Regress what came on what was said, through zero, with a normal prior, kept in [LEAST_SLOPE, 1]."""
    power = float(said @ said) / horizon_bars
    if power <= 0.0:
        return settings.prior_slope
    noise = float(np.mean(came * came))
    precision = 1.0 / settings.prior_spread**2
    evidence = power / noise
    product = float(said @ came) / horizon_bars / noise
    return min(1.0, max(LEAST_SLOPE, (precision * settings.prior_slope + product) / (precision + evidence)))


def _conformal(missed: Floats, tail: float) -> float:
    """Return the lower quantile of standardised errors at ``tail``, with the finite-sample correction outwards."""
    rank = max(0, math.floor(tail * (len(missed) + 1)) - 1)
    return float(np.partition(missed, rank)[rank])


def _logistic(score: Floats, rose: Flags, horizon_bars: int) -> tuple[float, float]:
    """Fit log odds of a rise = base + tilt * score by penalised Newton steps; evidence thinned by the horizon."""
    x = np.column_stack([np.ones(len(score)), score])
    y = np.asarray(rose, dtype=np.float64)
    prior = np.array([mean for mean, _ in PRIOR_ODDS])
    beta, penalty = prior, np.diag([1.0 / spread**2 for _, spread in PRIOR_ODDS])
    for _ in range(25):
        p = 1.0 / (1.0 + np.exp(-(x @ beta)))
        gradient = x.T @ (y - p) / horizon_bars - penalty @ (beta - prior)
        hessian = (x * (p * (1.0 - p))[:, None]).T @ x / horizon_bars + penalty
        step = np.linalg.solve(hessian, gradient)
        beta = beta + step
        if float(np.abs(step).max()) < 1e-10:
            break
    # A tilt below zero would say that the forecast's direction is wrong on purpose.
    return float(beta[0]), max(0.0, float(beta[1]))


def _normal_quantile(p: float) -> float:
    return NormalDist().inv_cdf(p)
