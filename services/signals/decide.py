"""From forecasts to wanted weights: thresholds, confidence, allocation. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from services.contracts.messages import (
    Action,
    ConfidenceLevel,
    DayEvaluated,
    Forecast,
    ForecastsMade,
    Target,
    TargetsSet,
    decision_id,
)
from services.domain.assets import Asset
from services.signals.allocation import allocate
from services.signals.settings import SignalSettings


class SignalState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What signals remember: which symbols may be entered, as phases last said."""

    enabled: tuple[str, ...]
    first_slice: datetime | None = None
    evaluated: datetime | None = None
    """The newest daily evaluation by phases that has been taken in."""


@dataclass(frozen=True, slots=True)
class SignalParams:
    """The configuration that the decision depends on."""

    settings: SignalSettings
    assets: Mapping[str, Asset]


@dataclass(frozen=True, slots=True)
class _Leaning:
    action: Action
    threshold: float
    reason: str
    explores: bool = False


def decide(
    state: SignalState, forecasts: ForecastsMade, evaluations: tuple[DayEvaluated, ...], params: SignalParams
) -> tuple[SignalState, TargetsSet]:
    """Return the targets of the slice. ``evaluations`` are those of phases that came before it."""
    state = _take_in(state, forecasts, evaluations)
    leanings = {f.symbol: _lean(f, params) for f in forecasts.forecasts}
    scores = {
        f.symbol: abs(f.expected_return) * f.confidence * params.settings.risk_weights.get(f.symbol, 1.0)
        for f in forecasts.forecasts
        if f.symbol in state.enabled
        and _opens(leanings[f.symbol].action, params.assets[f.symbol])
        and not leanings[f.symbol].explores
    }
    settings = params.settings
    weights, cash = allocate(
        scores, min_weight=settings.min_weight, max_weight=settings.max_weight, min_cash=settings.min_cash
    )
    weights, cash = _explore(weights, cash, forecasts, leanings, state, params)
    targets = tuple(
        _target(forecasts, f, leanings[f.symbol], weights.get(f.symbol), f.symbol in state.enabled, params)
        for f in forecasts.forecasts
    )
    return state, TargetsSet(ts=forecasts.ts, timeframe=forecasts.timeframe, targets=targets, cash_weight=cash)


def _take_in(state: SignalState, forecasts: ForecastsMade, evaluations: tuple[DayEvaluated, ...]) -> SignalState:
    """Adopt what phases said last; only daily evaluations count for the lock-step."""
    for evaluation in evaluations:
        daily = evaluation.ts if evaluation.command_id is None else state.evaluated
        state = msgspec.structs.replace(state, enabled=evaluation.enabled, evaluated=daily)
    return state if state.first_slice else msgspec.structs.replace(state, first_slice=forecasts.ts)


def _lean(f: Forecast, params: SignalParams) -> _Leaning:
    declared = params.assets[f.symbol].threshold
    threshold = declared if declared is not None else params.settings.threshold_in_uncertainties * f.uncertainty
    if f.confidence < params.settings.min_confidence:
        text = f"confidence {f.confidence:.2f} is below {params.settings.min_confidence:.2f}"
        return _Leaning("HOLD", threshold, text)
    expected = f"{f.expected_return:+.3%} in {f.horizon_hours} h"
    if f.expected_return >= threshold:
        return _Leaning("BUY", threshold, f"expects {expected}, at least {threshold:.3%}")
    if f.expected_return <= -threshold:
        return _Leaning("SELL", threshold, f"expects {expected}, at most -{threshold:.3%}")
    explored = params.settings.paper_exploration
    if explored is not None and f.confidence >= explored.min_confidence and f.expected_return != 0.0:
        text = (
            f"explores on paper: expects {expected}, below {threshold:.3%}, but confidence {f.confidence:.2f} is at "
            f"least {explored.min_confidence:.2f}"
        )
        return _Leaning("BUY" if f.expected_return > 0.0 else "SELL", threshold, text, explores=True)
    return _Leaning("HOLD", threshold, f"expects {expected}, within ±{threshold:.3%}")


def _explore(
    weights: dict[str, float],
    cash: float,
    forecasts: ForecastsMade,
    leanings: Mapping[str, _Leaning],
    state: SignalState,
    params: SignalParams,
) -> tuple[dict[str, float], float]:
    """Give each explored asset the smallest weight, out of the cash above the reserve, the most confident first."""
    settings = params.settings
    explored = [
        f
        for f in forecasts.forecasts
        if leanings[f.symbol].explores
        and f.symbol in state.enabled
        and _opens(leanings[f.symbol].action, params.assets[f.symbol])
    ]
    given = dict(weights)
    for f in sorted(explored, key=lambda f: (-f.confidence, f.symbol)):
        if cash - settings.min_weight < settings.min_cash - 1e-12:
            break
        given[f.symbol] = settings.min_weight
        cash -= settings.min_weight
    return given, cash


def _opens(action: Action, asset: Asset) -> bool:
    return (action == "BUY" and "long" in asset.sides) or (action == "SELL" and "short" in asset.sides)


def _target(
    forecasts: ForecastsMade, f: Forecast, leaning: _Leaning, share: float | None, enabled: bool, params: SignalParams
) -> Target:
    reasons = [leaning.reason]
    weight: float | None = None
    if leaning.action != "HOLD":
        weight = 0.0
        if share is not None:
            weight = share if leaning.action == "BUY" else -share
            what = "the smallest weight," if leaning.explores else "score gives"
            reasons.append(f"{what} {share:.1%} of the portfolio")
        elif not enabled:
            reasons.append("not enabled for trading: collected and researched only")
        elif leaning.action == "SELL" and "short" not in params.assets[f.symbol].sides:
            reasons.append("no short side in its profile: leave the position")
        elif leaning.action == "SELL":
            reasons.append(f"its share would be below {params.settings.min_weight:.0%}: only leave the position")
        else:
            reasons.append(f"its share would be below {params.settings.min_weight:.0%}")
            weight = None
    return Target(
        id=decision_id(forecasts.ts, "signals", f.symbol),
        symbol=f.symbol,
        asset_class=f.asset_class,
        action=leaning.action,
        level=_level(f.confidence, params.settings),
        weight=weight,
        close=f.close,
        expected_return=f.expected_return,
        uncertainty=f.uncertainty,
        confidence=f.confidence,
        bucket=f.bucket,
        regime="unclassified",
        threshold=leaning.threshold,
        reasons=tuple(reasons),
    )


def _level(confidence: float, settings: SignalSettings) -> ConfidenceLevel:
    if confidence >= settings.high_confidence:
        return "HIGH"
    return "MEDIUM" if confidence >= settings.medium_confidence else "LOW"
