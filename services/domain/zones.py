"""Single prices that matter, merged into zones with a strength.

A zone begins at its lowest price and takes in all that lie within a quarter of a day's usual move above it: nobody can
tell such prices apart. Its strength in [0, 1] says how much agrees on it: of each kind of evidence the heaviest weight
counts, and the kinds add up as independent evidence does, 1 - (1 - a)(1 - b)... So ten pivots on one spot are no
stronger than the best of them, while a month's low at the point of control is. The weights are a judgement, not a
measurement: the longer a price was not passed and the more was traded at it, the more it weighs; ``chloe ablate`` says
what levels are worth in all.
"""

from bisect import bisect_right
from collections.abc import Sequence

from services.contracts.readings import Zone

Sides = tuple[tuple[Zone, ...], tuple[Zone, ...]]
"""Supports and resistances, each the nearest first."""

NOTHING: Sides = ((), ())
MOST = 3
"""Zones that are kept on each side of the close."""
TOLERANCE_DAYS = 0.25
"""Widest zone, in standard deviations of a day's return."""
ROUNDING = 1e-6
"""Widest zone where nothing moved at all, as a share of the close: arithmetic's own error is no distance."""

EXTREMES: dict[str, float] = {
    "low_24h": 0.25,
    "high_24h": 0.25,
    "low_7d": 0.40,
    "high_7d": 0.40,
    "low_30d": 0.55,
    "high_30d": 0.55,
}
PIVOTS: dict[str, float] = {
    "pivot_p": 0.25,
    "pivot_s1": 0.25,
    "pivot_s2": 0.20,
    "pivot_s3": 0.15,
    "pivot_r1": 0.25,
    "pivot_r2": 0.20,
    "pivot_r3": 0.15,
}
VOLUME: dict[str, float] = {"point_of_control": 0.50, "value_area_low": 0.35, "value_area_high": 0.35}
FIBONACCI: dict[str, float] = {"fib_236": 0.15, "fib_382": 0.25, "fib_500": 0.20, "fib_618": 0.30, "fib_786": 0.15}
KINDS = (EXTREMES, PIVOTS, VOLUME, FIBONACCI)
NAMES: tuple[str, ...] = tuple(name for kind in KINDS for name in kind)
"""Every price that can make a zone, in the order in which :func:`zones_of` takes them."""

_EVIDENCE = tuple((kind, weight) for kind, weights in enumerate(KINDS) for weight in weights.values())


def zones_of(prices: Sequence[float], close: float, day_volatility: float) -> Sides:
    """Merge the prices of :data:`NAMES` (NaN or not positive: absent) around the close; return the nearest zones.

    ``day_volatility`` is the standard deviation of a day's log return.
    """
    width = max(TOLERANCE_DAYS * day_volatility, ROUNDING) * close
    ordered = sorted((price, which) for which, price in enumerate(prices) if price > 0.0)
    starts = _starts(ordered, width)
    lows = [ordered[start][0] for start in starts]
    split = bisect_right(lows, close)
    ends = [*starts[1:], len(ordered)]
    supports = [_zone(ordered[starts[i] : ends[i]]) for i in range(split - 1, max(-1, split - 1 - MOST), -1)]
    resistances = [_zone(ordered[starts[i] : ends[i]]) for i in range(split, min(len(starts), split + MOST))]
    return tuple(supports), tuple(resistances)


def _starts(ordered: Sequence[tuple[float, int]], width: float) -> list[int]:
    """Where each zone begins among the ordered prices."""
    starts: list[int] = []
    reach = 0.0
    for i, (price, _) in enumerate(ordered):
        if price > reach:
            starts.append(i)
            reach = price + width
    return starts


def _zone(members: Sequence[tuple[float, int]]) -> Zone:
    heaviest = [0.0] * len(KINDS)
    for _, which in members:
        kind, weight = _EVIDENCE[which]
        heaviest[kind] = max(heaviest[kind], weight)
    doubt = 1.0
    for weight in heaviest:
        doubt *= 1.0 - weight
    return Zone(members[0][0], members[-1][0], 1.0 - doubt, tuple(NAMES[which] for _, which in members))
