"""Divide the portfolio among the assets that are wanted; what is left is cash. Pure.

In this order: what must be paid for (costs), what is relative (a score or an optimiser, times the market's prior), the
bounds of assets and classes, and last the band within which the weights wanted before are kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from services.signals.optimisers import relative_weights
from services.signals.settings import AllocationSettings
from services.signals.sharing import ROUNDING, Bound, share

BPS = 1e-4


@dataclass(frozen=True, slots=True)
class Wanted:
    """One asset that may be entered. ``expected_return`` is signed, over the forecast's horizon."""

    score: float
    """Expected return x confidence x risk weight, without a sign."""
    expected_return: float
    uncertainty: float
    asset_class: str
    side: Literal["long", "short"]
    max_weight: float | None = None
    """The asset's own bound; below the common lower bound it is what the asset gets. None: the common one."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """Shares of the portfolio without a sign, of those that got one; with ``cash`` they sum to 1.

    ``notes`` has a sentence for each symbol that was wanted.
    """

    weights: dict[str, float]
    cash: float
    notes: dict[str, str]


class Bounds(Protocol):
    """The common bounds, fractions of the portfolio: ``SignalSettings`` has them."""

    @property
    def min_weight(self) -> float:
        """The least an asset gets, if it gets anything."""
        ...

    @property
    def max_weight(self) -> float:
        """The most one asset gets."""
        ...

    @property
    def min_cash(self) -> float:
        """What stays cash."""
        ...


@dataclass(slots=True)
class _Division:
    """What is known while one portfolio is divided; lives only inside :func:`allocate`."""

    wanted: dict[str, Wanted]
    before: dict[str, float]
    """The share held on the side that is wanted now; 0 where there is none."""
    bounds: dict[str, Bound]
    class_caps: Mapping[str, float]
    budget: float
    said: dict[str, list[str]]
    """Of each wanted symbol, what was done to it."""


def allocate(
    wanted: Mapping[str, Wanted],
    held: Mapping[str, float] | None,
    settings: AllocationSettings,
    prior: Mapping[str, float] | None,
    class_caps: Mapping[str, float],
    returns: Mapping[str, tuple[float, ...]],
    *,
    bounds: Bounds,
) -> Allocation:
    """Return each wanted asset's share of the portfolio.

    ``held``: the weights wanted last, negative for shorts (``Target.weight``); None: nothing was. ``prior``: the base
    weights of some assets by the market's regime. ``class_caps``: the most of a class, fractions of the portfolio.
    ``returns``: daily log returns by symbol, oldest first, all ending on the same day; read by optimisers only.
    Raises ConfigError where the method's library is not installed.
    """
    before = {s: max((held or {}).get(s, 0.0) * (1 if w.side == "long" else -1), 0.0) for s, w in wanted.items()}
    division = _Division(
        {symbol: wanted[symbol] for symbol in sorted(wanted) if wanted[symbol].score > 0.0},
        before,
        {symbol: _bound(one, bounds, class_caps) for symbol, one in wanted.items()},
        class_caps,
        1.0 - bounds.min_cash,
        {symbol: [] for symbol in sorted(wanted)},
    )
    _hold_back_unpaid(division, settings)
    relative = _relative(division, settings, prior, returns)
    ideal = share(relative, division.bounds, division.budget, class_caps)
    for symbol in relative.keys() - ideal.keys():
        division.said[symbol].insert(0, f"its share would be below {division.bounds[symbol].low:.1%}")
    weights = _within_band(division, ideal, settings.turnover_band)
    notes = {symbol: ", ".join(parts) if parts else "its score is zero" for symbol, parts in division.said.items()}
    return Allocation(weights, 1.0 - sum(weights.values()), notes)


def _bound(one: Wanted, bounds: Bounds, class_caps: Mapping[str, float]) -> Bound:
    """Bound one asset; where its own or its class's bound is below the common lower one, that is what it gets."""
    high = min(bounds.max_weight, class_caps.get(one.asset_class, 1.0))
    high = high if one.max_weight is None else min(high, one.max_weight)
    return Bound(min(bounds.min_weight, high), high, one.asset_class)


def _hold_back_unpaid(division: _Division, settings: AllocationSettings) -> None:
    """Let those whose expected return does not pay a round trip have no more than they had.

    Gain and cost both grow with the size of the increase, so the size does not matter.
    """
    for symbol, one in list(division.wanted.items()):
        cost = settings.cost_bps.get(one.asset_class, 0.0) * BPS * settings.cost_multiple
        if abs(one.expected_return) >= cost:
            continue
        before, bound = division.before[symbol], division.bounds[symbol]
        text = f"expects {abs(one.expected_return):.3%}, in and out costs {cost:.3%}"
        if before <= ROUNDING:
            del division.wanted[symbol]
            division.said[symbol].append(f"not entered: {text}")
        else:
            high = min(bound.high, before)
            division.bounds[symbol] = Bound(min(bound.low, high), high, bound.asset_class)
            division.said[symbol].append(f"not increased: {text}")


def _relative(
    division: _Division,
    settings: AllocationSettings,
    prior: Mapping[str, float] | None,
    returns: Mapping[str, tuple[float, ...]],
) -> dict[str, float]:
    """Say how the wanted assets stand to each other, and note by what."""
    name, reason = settings.method, ""
    found: Mapping[str, float] | None = None
    if settings.method != "score" and division.wanted:
        shorts = frozenset(symbol for symbol, one in division.wanted.items() if one.side == "short")
        found, reason = relative_weights(settings.method, tuple(division.wanted), shorts, returns)
    if found is None:
        name, found = "score", {symbol: one.score for symbol, one in division.wanted.items()}
    relative = {}
    for symbol, value in found.items():
        factor = _prior_factor(symbol, prior, settings.prior_strength)
        relative[symbol] = value * factor
        times = "" if factor == 1.0 else f" times {factor:.2f} for the market's base weights"
        division.said[symbol].insert(0, f"by {name.replace('_', ' ')}{reason}{times}")
    return relative


def _prior_factor(symbol: str, prior: Mapping[str, float] | None, strength: float) -> float:
    """Compare a base weight with an equal split of the prior's assets; strength 0 leaves all at 1."""
    if not prior or symbol not in prior:
        return 1.0
    return 1.0 + strength * (prior[symbol] * len(prior) / sum(prior.values()) - 1.0)


def _within_band(division: _Division, ideal: dict[str, float], band: float) -> dict[str, float]:
    """Keep what was wanted before where the change is small, as far as the budget and the classes' caps allow."""
    kept = {
        symbol: division.before[symbol]
        for symbol, weight in ideal.items()
        if ROUNDING < abs(weight - division.before[symbol]) < band
        and division.bounds[symbol].low - ROUNDING <= division.before[symbol]
        and ROUNDING < division.before[symbol] <= division.bounds[symbol].high + ROUNDING
    }
    while (given := ideal | kept) and (over := _over(division, given)):
        # The ideal itself fits, so one of those that are kept above it has to give way: the one furthest above.
        del kept[max((s for s in over if s in kept), key=lambda s: (kept[s] - ideal[s], s))]
    for symbol, weight in given.items():
        said = division.said[symbol]
        if symbol in kept:
            said.insert(0, f"stays at {weight:.1%} of the portfolio")
            said.append(f"a change to {ideal[symbol]:.1%} would be less than {band:.1%}")
        else:
            said[0] = f"gets {weight:.1%} of the portfolio {said[0]}"
    return given


def _over(division: _Division, weights: Mapping[str, float]) -> list[str]:
    """Return the symbols of a class that has too much, or all if the whole has; empty if all fits."""
    totals: dict[str, float] = {}
    for symbol, weight in weights.items():
        name = division.bounds[symbol].asset_class
        totals[name] = totals.get(name, 0.0) + weight
    for name, total in totals.items():
        if total > division.class_caps.get(name, division.budget) + 2 * ROUNDING:
            return [symbol for symbol in weights if division.bounds[symbol].asset_class == name]
    return list(weights) if sum(totals.values()) > division.budget + 2 * ROUNDING else []
