"""The division of the portfolio: allocation among signals, less in a market to be wary of, then exploration. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.contracts.readings import MarketReading
from services.domain.market_regimes import base_weights
from services.signals.allocation import Wanted, allocate
from services.signals.opinion import Opinion
from services.signals.settings import SignalSettings

CRYPTO = "crypto"
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of the portfolio without a sign; with ``cash`` they sum to 1. Each asset considered has a note."""

    weights: dict[str, float]
    cash: float
    notes: dict[str, tuple[str, ...]]


def divide(
    opinions: Sequence[Opinion],
    market: MarketReading | None,
    held: Mapping[str, float],
    returns: Mapping[str, tuple[float, ...]],
    settings: SignalSettings,
    class_caps: Mapping[str, float],
) -> Shares:
    """Divide among opinions that may open a position; those that explore come last."""
    considered = market if settings.parts.dominance else None
    wanted = {one.forecast.symbol: _wanted(one, settings) for one in opinions if not one.explores}
    prior = base_weights(considered.btc_dominance) if considered is not None else None
    factors = {one.forecast.symbol: _factor(one, considered, settings) for one in opinions}
    sizes = {one.forecast.symbol: one.size for one in opinions}
    before = {
        symbol: weight / ((factors.get(symbol) or 1.0) * sizes.get(symbol, 1.0)) for symbol, weight in held.items()
    }
    divided = allocate(wanted, before, settings.allocation, prior, class_caps, returns, bounds=settings)
    weights = dict(divided.weights)
    notes: dict[str, tuple[str, ...]] = {symbol: (note,) for symbol, note in divided.notes.items()}
    explored = _explore(opinions, weights, settings, class_caps)
    weights |= explored
    for one in opinions:
        symbol = one.forecast.symbol
        if symbol in explored:
            notes[symbol] = (f"the smallest weight, {explored[symbol]:.1%} of the portfolio",)
        elif one.explores:
            notes[symbol] = ("neither cash above the reserve nor room in its class is left to explore with",)
        if symbol in weights and one.forecast.asset_class == CRYPTO and settings.parts.dominance:
            weights[symbol] *= factors[symbol]
            notes[symbol] += _said(market, factors[symbol])
        if symbol in weights and one.size != 1.0:
            weights[symbol] *= one.size
            notes[symbol] += (f"times {one.size:.2f}: {one.size_why}",)
    weights = {symbol: weight for symbol, weight in weights.items() if weight > ROUNDING}
    return Shares(weights, 1.0 - sum(weights.values()), notes)


def _wanted(one: Opinion, settings: SignalSettings) -> Wanted:
    f = one.forecast
    score = abs(f.expected_return) * f.confidence * settings.risk_weights.get(f.symbol, 1.0)
    return Wanted(score, f.expected_return, f.uncertainty, f.asset_class, one.side or "long", one.bracket.max_weight)


def _factor(one: Opinion, market: MarketReading | None, settings: SignalSettings) -> float:
    """Return what longs of crypto are multiplied by in a market that the configuration is wary of; else 1."""
    if market is None or market.regime == "unknown" or one.side != "long" or one.forecast.asset_class != CRYPTO:
        return 1.0
    return settings.market_weights.get(market.regime, 1.0)


def _said(market: MarketReading | None, factor: float) -> tuple[str, ...]:
    """Say what the whole market did to a weight; nothing where it did nothing and is known."""
    if market is None or market.regime == "unknown":
        why = "dominance is not known" if market is None else market.why
        return (f"the whole market's regime is unknown ({why}) and changes nothing",)
    return () if factor == 1.0 else (f"times {factor:.2f}: the whole market is {market.regime} ({market.why})",)


def _explore(
    opinions: Sequence[Opinion], weights: Mapping[str, float], settings: SignalSettings, class_caps: Mapping[str, float]
) -> dict[str, float]:
    """Give each explored asset the smallest weight, or what its stop or its class allows, the most confident first.

    Cash down to the reserve is used, in this order, until one does not fit.
    """
    cash = 1.0 - sum(weights.values())
    room = dict(class_caps)
    for one in opinions:
        name = one.forecast.asset_class
        room[name] = room.get(name, 1.0) - weights.get(one.forecast.symbol, 0.0)
    given: dict[str, float] = {}
    explored = [one for one in opinions if one.explores]
    for one in sorted(explored, key=lambda one: (-one.forecast.confidence, one.forecast.symbol)):
        name, most = one.forecast.asset_class, one.bracket.max_weight
        weight = min(settings.min_weight, room[name], 1.0 if most is None else most)
        if cash - weight < settings.min_cash - ROUNDING:
            break
        if weight > ROUNDING:
            given[one.forecast.symbol] = weight
            cash -= weight
            room[name] -= weight
    return given
