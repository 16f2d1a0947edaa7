"""Share a budget by score within bounds of single assets and of classes: water-filling. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

ROUNDING = 1e-12
"""Weights that differ by less are equal."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What one asset may have, if it gets anything, as fractions of the portfolio, and its class."""

    low: float
    high: float
    asset_class: str


def share(
    scores: Mapping[str, float], bounds: Mapping[str, Bound], budget: float, class_caps: Mapping[str, float]
) -> dict[str, float]:
    """Return weights that are proportional to positive scores, within bounds, and share at most ``budget``.

    What a bound takes from one goes to the others. Where lower bounds cannot be met for all, the lowest score leaves;
    equal scores leave in order of symbol. Symbols that get nothing are not in the answer.
    """
    top = max(scores.values(), default=0.0)
    wanted = {s: max(scores[s] / top, ROUNDING) for s in sorted(scores) if scores[s] > 0}
    wanted = {s: score for s, score in wanted.items() if bounds[s].high > ROUNDING}
    while wanted and (crowded := _crowded(wanted, bounds, budget, class_caps)):
        del wanted[_lowest(wanted, crowded)]
    while wanted:
        weights = _fill(wanted, bounds, budget, class_caps)
        short = [s for s, weight in weights.items() if weight < bounds[s].low - ROUNDING]
        if not short:
            return weights
        del wanted[_lowest(wanted, short)]
    return {}


def _crowded(
    scores: Mapping[str, float], bounds: Mapping[str, Bound], budget: float, class_caps: Mapping[str, float]
) -> list[str]:
    """Return the symbols of a class, or of the whole, whose lower bounds together do not fit."""
    least: dict[str, float] = {}
    for symbol in scores:
        bound = bounds[symbol]
        least[bound.asset_class] = least.get(bound.asset_class, 0.0) + bound.low
    for name, total in least.items():
        if total > class_caps.get(name, budget) + ROUNDING:
            return [symbol for symbol in scores if bounds[symbol].asset_class == name]
    return list(scores) if sum(least.values()) > budget + ROUNDING else []


def _fill(
    scores: Mapping[str, float], bounds: Mapping[str, Bound], budget: float, class_caps: Mapping[str, float]
) -> dict[str, float]:
    """Raise one level for all, ``weight = level * score``, until the budget is used or all stand at a bound.

    The sum is concave in the level, so Newton's steps from below reach the last kink without passing it.
    """
    level = budget / sum(scores.values())
    while True:
        weights = {symbol: min(level * score, bounds[symbol].high) for symbol, score in scores.items()}
        full = _cap_classes(weights, scores, bounds, class_caps)
        rising = sum(
            score
            for symbol, score in scores.items()
            if bounds[symbol].asset_class not in full and weights[symbol] < bounds[symbol].high
        )
        left = budget - sum(weights.values())
        if left <= ROUNDING or rising == 0.0:
            return weights
        level += left / rising


def _cap_classes(
    weights: dict[str, float],
    scores: Mapping[str, float],
    bounds: Mapping[str, Bound],
    class_caps: Mapping[str, float],
) -> set[str]:
    """Share again, within its cap, what a class has too much of; returns the classes that are full."""
    totals: dict[str, float] = {}
    for symbol, weight in weights.items():
        totals[bounds[symbol].asset_class] = totals.get(bounds[symbol].asset_class, 0.0) + weight
    full = {name for name, total in totals.items() if name in class_caps and total >= class_caps[name] - ROUNDING}
    for name in sorted(full):
        members = {symbol: score for symbol, score in scores.items() if bounds[symbol].asset_class == name}
        weights.update(_fill(members, bounds, min(class_caps[name], totals[name]), {}))
    return full


def _lowest(scores: Mapping[str, float], among: list[str]) -> str:
    return min(among, key=lambda symbol: (scores[symbol], symbol))
