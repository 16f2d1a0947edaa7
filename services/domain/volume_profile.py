"""Where the volume was traded: the price of most volume, and the prices around it that hold most of it.

The market profile of Steidlmayer (*CBOT Market Profile*, 1984), of bars instead of half-hour letters: a bar's volume is
taken to be spread evenly from its low to its high, for nothing finer is recorded.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BINS = 50
"""Bins from the lowest to the highest price: a thirty-day range of 20 % is cut into steps of 0.4 %."""
VALUE_AREA = 0.70
"""Share of the volume in the value area: the market profile's own, about one standard deviation."""


class Profile(NamedTuple):
    """Prices: the middle of the bin with most volume, and the edges of the value area around it."""

    point_of_control: float
    value_area_low: float
    value_area_high: float


def profile(high: NDArray[np.float64], low: NDArray[np.float64], volume: NDArray[np.float64]) -> Profile | None:
    """Profile bars (n,) of finite prices; None where the volume is unknown in a bar, or nothing was traded."""
    total = float(volume.sum())
    if not np.isfinite(total) or total <= 0.0:
        return None
    bottom, top = float(low.min()), float(high.max())
    if top <= bottom:
        return Profile(bottom, bottom, bottom)
    edges = np.linspace(bottom, top, BINS + 1)
    traded = _by_bin(high, low, volume, edges).tolist()
    best = max(range(BINS), key=traded.__getitem__)
    first, last = _value_area(traded, best)
    return Profile(float((edges[best] + edges[best + 1]) / 2.0), float(edges[first]), float(edges[last + 1]))


def _by_bin(
    high: NDArray[np.float64], low: NDArray[np.float64], volume: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Volume in each bin (bins,)."""
    spread = np.maximum(high - low, np.finfo(np.float64).tiny)
    # The share of each bar that lies below each edge, (bins + 1, n); a bar of one price lies in the bin it begins.
    with np.errstate(over="ignore"):
        below = np.clip((edges[:, None] - low) / spread, 0.0, 1.0)
    below[-1] = 1.0
    # Each edge is summed by itself along the bars, never as a matrix product, whose order depends on the machine.
    return np.diff((below * volume).sum(axis=1))


def _value_area(traded: list[float], best: int) -> tuple[int, int]:
    """Widen from the best bin to the fuller neighbour, the upper one of equals, until enough volume is inside."""
    first = last = best
    inside, wanted = traded[best], VALUE_AREA * sum(traded)
    while inside < wanted and (first > 0 or last < len(traded) - 1):
        above = traded[last + 1] if last < len(traded) - 1 else -1.0
        under = traded[first - 1] if first > 0 else -1.0
        if above >= under:
            last += 1
        else:
            first -= 1
        inside += max(above, under)
    return first, last
