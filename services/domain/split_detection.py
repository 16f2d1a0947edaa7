"""Splits that a series shows and nobody has adjusted: the price jumps by a whole ratio and the day is otherwise calm.

A crash of a half can look like a 2:1 split, so three things must hold: the step from close to open is within
``TOLERANCE`` usual moves of a split's ratio (and ``WIDEST_REST``), it is ``OUTSTANDING`` times the usual move, and
the bar after it has a range like its neighbours'. Volume is reported beside it, but decides nothing: some publishers
adjust only volume.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from services.domain.candles import Candles, Values, moment

WHOLE = (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100)
RATIOS = (*((n, 1) for n in WHOLE), *((1, n) for n in WHOLE))
"""New for old. 3:2 is left out: a meme stock moves that far in a night, so only a declared one is believed."""
AROUND = 20
"""Bars before and after that say what is usual."""
OUTSTANDING = 8.0
TOLERANCE = 2.5
WIDEST_REST = 0.08
"""No night's own move beside a split is taken to be larger, however wild the neighbours (log)."""
CALM_RANGE = 4.0
SMALLEST_STEP = 0.55
"""Log steps below this are no split of the ratios above (2:1 is 0.69)."""


@dataclass(frozen=True, slots=True)
class SuspectedSplit:
    """A jump that a split explains: ``new`` for ``old`` from the bar at ``ts``, with what speaks for it.

    ``step`` is open over the close before, ``usual_move`` the median absolute step around (fractions), ``volume_ratio``
    the median volume after over before.
    """

    ts: datetime
    new: int
    old: int
    step: float
    usual_move: float
    volume_ratio: float

    @property
    def ratio(self) -> str:
        """``2:1``, new for old."""
        return f"{self.new}:{self.old}"


def suspected_splits(candles: Candles) -> list[SuspectedSplit]:
    """Find unadjusted splits in time order; needs some bars before and after, and positive prices."""
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.log(candles.open[1:] / candles.close[:-1])
        moves = np.log(candles.close[1:] / candles.close[:-1])
        ranges = np.log(candles.high / candles.low)
    found = []
    for at in np.flatnonzero(np.abs(np.nan_to_num(steps, posinf=0, neginf=0)) > SMALLEST_STEP):
        split = _judged(candles, int(at) + 1, steps, moves, ranges)
        if split is not None:
            found.append(split)
    return found


def _judged(candles: Candles, at: int, steps: Values, moves: Values, ranges: Values) -> SuspectedSplit | None:
    """Judge the step into bar ``at``."""
    low, high = max(0, at - AROUND), min(len(candles), at + AROUND + 1)
    others = np.array([i for i in range(low, high) if i != at])
    if len(others) < AROUND or at - low < 3:
        return None
    near_moves = np.abs(moves[others[others > 0] - 1])
    usual = float(max(np.median(near_moves), np.median(ranges[others]) / 2, 1e-4))
    step = float(steps[at - 1])
    new, old = min(RATIOS, key=lambda ratio: abs(step + np.log(ratio[0] / ratio[1])))
    rest = abs(step + float(np.log(new / old)))
    calm = ranges[at] <= CALM_RANGE * float(np.median(ranges[others]))
    if abs(step) < OUTSTANDING * usual or rest > min(TOLERANCE * usual, WIDEST_REST) or not calm:
        return None
    before, after = candles.volume[max(0, at - 5) : at], candles.volume[at : at + 5]
    volume_ratio = float(np.median(after) / np.median(before)) if np.median(before) > 0 else float("nan")
    return SuspectedSplit(moment(int(candles.ts[at])), new, old, float(np.exp(step)), usual, volume_ratio)
