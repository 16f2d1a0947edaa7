"""The simple rule that forecasts are tried on: follow the sign for one horizon, one position at a time, after costs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.domain.performance import max_drawdown, periods_per_year, sharpe_ratio
from services.domain.ranks import trailing_rank
from services.inference.series import Floats, Ints
from services.research.evaluation_report import ALL, EquityCurve, OverfittingResult, StrategyResult
from services.research.evaluation_rows import ENSEMBLE, AssetForecasts, Said
from services.research.overfitting import deflated_sharpe, moments, overfitting, probabilistic_sharpe, variance_of
from services.research.trade_record import random_win_rate_at, trade_record

THRESHOLDS = (0.0, 0.5, 0.8, 0.9)
"""Least confidence to enter. Every one of them, for every model and asset, counts as a trial."""

SHOWN = 0.8
HISTORY, AT_LEAST = 720, 50
"""A part has no confidence of its own: it is ranked as the ensemble's is."""

DAY = 86_400
BPS = 1e4


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """The rule with one model and threshold on one asset: net return of each trade, and of each day (days,)."""

    symbol: str
    model: str
    at_least: float
    net: Floats
    gross: Floats
    left: Ints
    """Day of each exit, as a row of ``daily``."""
    daily: Floats
    cost: float


@dataclass(frozen=True, slots=True)
class Tried:
    """All that the rule came to at one horizon."""

    strategies: list[StrategyResult]
    overfitting: list[OverfittingResult]
    equity: list[EquityCurve]


def try_rule(assets: Sequence[AssetForecasts]) -> Tried:
    """Try the rule with every model and threshold on every asset of one horizon, and on all assets in equal parts."""
    first = min(int(one.close_ts[0]) for one in assets) // DAY
    last = max(int(one.close_ts[-1]) + one.horizon_hours * 3_600 for one in assets) // DAY
    days = np.arange(first, last + 1, dtype=np.int64)
    runs = [run for one in assets for run in _runs(one, days)]
    pooled = _pooled(runs, len(assets)) if len(assets) > 1 else []
    hours, classes = assets[0].horizon_hours, {one.symbol: one.asset_class for one in assets}
    classes[ALL] = assets[0].asset_class
    results = [*_results(runs, hours, classes), *_results(pooled, hours, classes)]
    symbols = [*(one.symbol for one in assets), *([ALL] if pooled else [])]
    cross = [_cross_validated(symbol, hours, [*runs, *pooled]) for symbol in symbols]
    curves = [curve for symbol in symbols for curve in _curves(symbol, hours, days, [*runs, *pooled], assets)]
    return Tried(results, [one for one in cross if one is not None], curves)


def _runs(rows: AssetForecasts, days: Ints) -> list[Run]:
    found = []
    for name, said in rows.models.items():
        confidence = rows.confidence if name == ENSEMBLE else _confidence(said)
        for at_least in THRESHOLDS:
            taken = _entries(rows, said.expected, confidence, at_least)
            gross = np.sign(said.expected[taken]) * np.expm1(rows.realised[taken])
            cost = rows.cost_bps / BPS
            left = (rows.close_ts[taken] + rows.horizon_hours * 3_600) // DAY - days[0]
            daily = np.bincount(left, gross - cost, len(days)).astype(np.float64)
            found.append(Run(rows.symbol, name, at_least, gross - cost, gross, left, daily, cost))
    return found


def _confidence(said: Said) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        score = np.where(said.expected != 0.0, np.abs(said.expected) / said.uncertainty, np.nan)
    return trailing_rank(np.where(np.isfinite(score), score, np.nan), HISTORY, AT_LEAST)


def _entries(rows: AssetForecasts, expected: Floats, confidence: Floats, at_least: float) -> Ints:
    """Pick rows to enter at: sure enough, and not before the last position's horizon is over."""
    with np.errstate(invalid="ignore"):
        wanted = np.isfinite(rows.realised) & (confidence >= at_least) & (expected != 0.0) & np.isfinite(expected)
    candidates = np.flatnonzero(wanted)
    bars = rows.bar[candidates]
    taken: list[int] = []
    at = 0
    while at < len(candidates):
        taken.append(int(candidates[at]))
        at = int(np.searchsorted(bars, bars[at] + rows.horizon_bars))
    return np.array(taken, dtype=np.int64)


def _pooled(runs: Sequence[Run], assets: int) -> list[Run]:
    """Put equal parts of the account into each asset."""
    groups: dict[tuple[str, float], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.model, run.at_least), []).append(run)
    return [
        Run(
            ALL,
            model,
            at_least,
            np.concatenate([run.net for run in group]),
            np.concatenate([run.gross for run in group]),
            np.concatenate([run.left for run in group]),
            np.sum([run.daily for run in group], axis=0) / assets,
            float(np.mean([run.cost for run in group])),
        )
        for (model, at_least), group in groups.items()
    ]


def _results(runs: Sequence[Run], hours: int, classes: dict[str, str]) -> list[StrategyResult]:
    measured = [(run, moments(run.daily)) for run in runs]
    sharpes = [found.sharpe for _, found in measured if found is not None]
    variance = variance_of(sharpes)
    results = []
    for run, found in measured:
        deflated = None if found is None else deflated_sharpe(found, len(sharpes), variance)
        results.append(
            StrategyResult(
                symbol=run.symbol,
                horizon_hours=hours,
                model=run.model,
                at_least=run.at_least,
                days=len(run.daily),
                record=trade_record(run.net, random_win_rate_at(run.gross, run.cost), deflated, run.left),
                total_return=float(np.prod(1.0 + run.daily)) - 1.0,
                max_drawdown=max_drawdown(run.daily.tolist()),
                sharpe=sharpe_ratio(run.daily.tolist(), periods_per_year(classes[run.symbol])),
                probabilistic_sharpe=None if found is None else probabilistic_sharpe(found),
                deflated_sharpe=deflated,
                trials=len(sharpes),
            )
        )
    return results


def _cross_validated(symbol: str, hours: int, runs: Sequence[Run]) -> OverfittingResult | None:
    daily = [run.daily for run in runs if run.symbol == symbol and len(run.net)]
    found = overfitting(np.stack(daily, axis=1)) if daily else None
    if found is None:
        return None
    return OverfittingResult(
        symbol,
        hours,
        found.configurations,
        found.periods,
        found.splits,
        found.probability,
        found.loss,
        found.rank_low,
        found.rank_median,
        found.rank_high,
    )


def _curves(
    symbol: str, hours: int, days: Ints, runs: Sequence[Run], assets: Sequence[AssetForecasts]
) -> list[EquityCurve]:
    labels = tuple(str(day) for day in days.astype("datetime64[D]"))
    held = [_held(one, days) for one in assets if symbol in (ALL, one.symbol)]
    lines = [("holding", np.mean(held, axis=0))]
    lines += [
        (rule_name(run.at_least), np.cumprod(1.0 + run.daily))
        for run in runs
        if run.symbol == symbol and run.model == ENSEMBLE and run.at_least in (0.0, SHOWN)
    ]
    return [
        EquityCurve(symbol, hours, name, labels, tuple(round(v, 6) for v in values.tolist())) for name, values in lines
    ]


def rule_name(at_least: float) -> str:
    """Name the rule at a threshold."""
    return f"rule, confidence ≥ {at_least:.1f}" if at_least else "rule, every forecast"


def _held(rows: AssetForecasts, days: Ints) -> Floats:
    """Value of one unit held from the first slice on, at each day's last known close."""
    last = np.searchsorted(rows.close_ts // DAY, days, side="right") - 1
    return np.where(last >= 0, rows.close[np.maximum(last, 0)] / rows.close[0], 1.0)
