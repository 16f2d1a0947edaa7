"""From forecasts to wanted weights: an opinion of each asset, then the division of the portfolio. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from services.contracts.messages import DayEvaluated, EdgeMeasured, ForecastsMade, Target, TargetsSet, decision_id
from services.contracts.readings import MarketReading, Reading
from services.domain.assets import Asset, Profile
from services.domain.regimes import Regime
from services.signals.leaning import level_of
from services.signals.opinion import ONLY_LEAVE, Opinion, opinion
from services.signals.portfolio import Shares, divide
from services.signals.settings import SignalSettings


class SignalState(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What signals remember: which symbols may be entered, as phases last said, and what they wanted."""

    enabled: tuple[str, ...]
    observed: tuple[str, ...] = ()
    """Those of ``enabled`` that are entered at observation size only."""
    cells: dict[str, dict[Regime, tuple[int, ...]]] = {}
    """Where research saw assets pay that it has moved to another tier: their profile in place of the declared one."""
    first_slice: datetime | None = None
    evaluated: datetime | None = None
    """The newest daily evaluation by phases that has been taken in."""
    weights: dict[str, float] = {}
    """Each symbol's last wanted weight that was not zero; a HOLD leaves it."""
    returns: dict[str, tuple[float, ...]] = {}
    """The newest daily log returns; empty unless the allocation's method reads them."""


@dataclass(frozen=True, slots=True)
class SignalParams:
    """The configuration that the decision depends on."""

    settings: SignalSettings
    assets: Mapping[str, Asset]
    class_caps: Mapping[str, float] = field(default_factory=dict)
    """The most of each class, fractions of the portfolio."""
    observation_size: float = 0.5
    """What an observed asset has of its weight, unless its role declares it at that size already."""


def decide(
    state: SignalState, forecasts: ForecastsMade, evaluations: tuple[DayEvaluated, ...], params: SignalParams
) -> tuple[SignalState, TargetsSet]:
    """Return the targets of the slice. ``evaluations`` are those of phases that came before it."""
    state = _take_in(state, forecasts, evaluations, params.settings)
    readings = {reading.symbol: reading for reading in forecasts.readings}
    observed = frozenset(state.observed)
    opinions = [
        opinion(
            forecasts.ts,
            forecasts.timeframe,
            f,
            readings.get(f.symbol) or Reading(f.symbol),
            _asset(f.symbol, state, params),
            params.settings,
            observation_size=params.observation_size if f.symbol in observed else None,
        )
        for f in forecasts.forecasts
    ]
    shares = _divide(opinions, forecasts.market, state, params)
    targets = tuple(_target(forecasts, one, shares, state.enabled, params.settings) for one in opinions)
    state = msgspec.structs.replace(state, weights=_remembered(state.weights, targets))
    return state, TargetsSet(
        ts=forecasts.ts,
        timeframe=forecasts.timeframe,
        targets=targets,
        cash_weight=shares.cash,
        market=forecasts.market.regime if forecasts.market is not None else "unknown",
        clusters=forecasts.clusters,
    )


def _take_in(
    state: SignalState, forecasts: ForecastsMade, evaluations: tuple[DayEvaluated, ...], settings: SignalSettings
) -> SignalState:
    """Adopt what phases said last; only daily evaluations count for the lock-step."""
    for evaluation in evaluations:
        daily = evaluation.ts if evaluation.command_id is None else state.evaluated
        state = msgspec.structs.replace(
            state,
            enabled=evaluation.enabled,
            observed=evaluation.observed,
            cells=_by_symbol(evaluation.cells),
            evaluated=daily,
        )
    if forecasts.returns and settings.allocation.method != "score":
        newest = {one.symbol: one.daily for one in forecasts.returns}
        state = msgspec.structs.replace(state, returns=newest)
    return state if state.first_slice else msgspec.structs.replace(state, first_slice=forecasts.ts)


def _by_symbol(cells: Sequence[EdgeMeasured]) -> dict[str, dict[Regime, tuple[int, ...]]]:
    """Put research's cells in the form of a profile, in order."""
    found: dict[str, dict[Regime, tuple[int, ...]]] = {}
    for cell in sorted(cells, key=lambda one: (one.symbol, one.regime, one.bucket)):
        profile = found.setdefault(cell.symbol, {})
        regime: Regime = cell.regime  # type: ignore[assignment]
        profile[regime] = (*profile.get(regime, ()), cell.bucket)
    return found


def _asset(symbol: str, state: SignalState, params: SignalParams) -> Asset:
    """Return the asset as declared, or with research's cells for its profile: they are of the same sides."""
    asset, cells = params.assets[symbol], state.cells.get(symbol)
    if cells is None:
        return asset
    sides = asset.profile.sides if asset.profile is not None else None
    return asset.model_copy(update={"profile": Profile(cells=cells, sides=sides)})


def _divide(
    opinions: Sequence[Opinion], market: MarketReading | None, state: SignalState, params: SignalParams
) -> Shares:
    """Divide among the assets that may be entered and are enabled."""
    enabled = frozenset(state.enabled)
    open_for = [one for one in opinions if one.side is not None and one.forecast.symbol in enabled]
    return divide(open_for, market, state.weights, state.returns, params.settings, params.class_caps)


def _remembered(before: Mapping[str, float], targets: Sequence[Target]) -> dict[str, float]:
    """Return the wanted weights after a slice, in order of symbol."""
    after = dict(before)
    for target in targets:
        if target.weight:
            after[target.symbol] = target.weight
        elif target.weight is not None:
            after.pop(target.symbol, None)
    return dict(sorted(after.items()))


def _weight(one: Opinion, shares: Shares, enabled: Sequence[str]) -> tuple[float | None, tuple[str, ...]]:
    """Return the wanted weight, None to leave the position as it is, and what there is to say about it."""
    symbol = one.forecast.symbol
    if one.action == "HOLD":
        return (0.0 if one.flat else None), ()
    if symbol not in enabled:
        return 0.0, ("not enabled for trading: collected and researched only",)
    if one.side is None:
        return 0.0, ()
    notes = shares.notes.get(symbol, ("its score is nothing",))
    share = shares.weights.get(symbol)
    if share is not None:
        return (share if one.side == "long" else -share), notes
    return (None, notes) if one.side == "long" else (0.0, (*notes, ONLY_LEAVE))


def _target(
    forecasts: ForecastsMade, one: Opinion, shares: Shares, enabled: Sequence[str], settings: SignalSettings
) -> Target:
    f, reading = one.forecast, one.reading
    weight, notes = _weight(one, shares, enabled)
    return Target(
        id=decision_id(forecasts.ts, "signals", f.symbol),
        symbol=f.symbol,
        asset_class=f.asset_class,
        action=one.action,
        level=level_of(f.confidence, settings),
        weight=weight,
        close=f.close,
        expected_return=f.expected_return,
        uncertainty=f.uncertainty,
        confidence=f.confidence,
        bucket=f.bucket,
        regime=reading.regime,
        threshold=one.threshold,
        reasons=(*one.reasons, *notes),
        strength=one.strength,
        stop=one.bracket.stop,
        take=one.bracket.take,
        volatility=reading.volatility,
        usual_volatility=reading.usual_volatility,
        trained_at=f.trained_at,
        explores=one.explores,
    )
