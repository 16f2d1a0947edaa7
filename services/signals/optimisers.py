"""Relative weights from daily returns by skfolio's optimisers: risk parity, minimum CVaR, HRP. Pure, same every time.

skfolio is imported only when one is asked for: it takes seconds to load, and ``method: score`` does without it.
"""

from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np

from services.domain.errors import ConfigError

Method = Literal["score", "risk_parity", "min_cvar", "hrp"]

LEAST_DAYS = 60
"""Fewer common days than this say too little of how assets move together: two months."""
NOT_INSTALLED = "allocation.method '{}' needs skfolio: install chloe-trading[optimise], or set it to score"

Rows = tuple[tuple[float, ...], ...]


def available(method: Method) -> bool:
    """Say whether the library that a method needs is installed."""
    return method == "score" or find_spec("skfolio") is not None


def relative_weights(
    method: Method, symbols: tuple[str, ...], shorts: frozenset[str], returns: Mapping[str, tuple[float, ...]]
) -> tuple[dict[str, float] | None, str]:
    """Return weights that sum to 1, or None and why not, in words that follow a name.

    A short earns what its asset loses, so its returns count negated. Raises ConfigError without skfolio.
    """
    if not available(method):
        raise ConfigError(NOT_INSTALLED.format(method))
    name = method.replace("_", " ")
    days = min(len(returns.get(symbol, ())) for symbol in symbols)
    if days < LEAST_DAYS:
        return None, f" ({name} needs {LEAST_DAYS} common days, there are {days})"
    if len(symbols) == 1:
        return {symbols[0]: 1.0}, ""
    rows = tuple(_simple(returns[symbol][-days:], symbol in shorts) for symbol in symbols)
    found = _optimised(method, rows)
    if found is None:
        return None, f" ({name} found no weights for these returns)"
    return dict(zip(symbols, found, strict=True)), ""


def _simple(daily: tuple[float, ...], short: bool) -> tuple[float, ...]:
    """Turn log returns into what one unit earns."""
    earned = np.expm1(daily)
    return tuple((-earned if short else earned).tolist())


@lru_cache(maxsize=256)
def _optimised(method: Method, rows: Rows) -> tuple[float, ...] | None:
    """Optimise one set of returns, one row an asset; None where there is no solution.

    Returns change once a day and the wanted assets seldom, so most slices find theirs here.
    """
    days = np.array(rows).T
    if not np.isfinite(days).all() or (days.std(axis=0) == 0.0).any():
        return None
    from skfolio.exceptions import OptimizationError, SolverError

    try:
        weights = _model(method).fit(days).weights_
    except (OptimizationError, SolverError, ValueError, np.linalg.LinAlgError):
        return None
    # Solvers agree to about eight places; what is finer is their own rounding.
    rounded = np.round(np.clip(np.asarray(weights, float), 0.0, None), 8)
    return tuple(rounded.tolist()) if np.isfinite(rounded).all() and rounded.sum() > 0 else None


def _model(method: Method) -> Any:
    from skfolio import RiskMeasure, optimization

    if method == "risk_parity":
        return optimization.RiskBudgeting(risk_measure=RiskMeasure.VARIANCE)
    if method == "min_cvar":
        return optimization.MeanRisk(risk_measure=RiskMeasure.CVAR)
    return optimization.HierarchicalRiskParity(risk_measure=RiskMeasure.VARIANCE)
