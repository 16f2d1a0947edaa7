"""How assets move together: correlations of their returns over a span of time, and the clusters that follow.

A return belongs to the slice in which its bar was whole and to the one in which the bar before was, so two assets are
compared over the very same hours: an exchange's step over the night is beside another share's, and beside no coin's.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import NamedTuple

import numpy as np

from services.domain.candles import Times, Values

AT_LEAST = 60
"""Common returns from which on a correlation counts: the standard error of none is then an eighth (1 / 60 ** 0.5).

A month of hours has 720 of them for two coins, 147 for two shares, 120 for a coin and a share.
"""


class Closes(NamedTuple):
    """An asset's closes (n,) with the epoch seconds of the slices they belong to, ascending; prices in one unit."""

    slices: Times
    close: Values


class Pair(NamedTuple):
    """The correlation of two assets, in order of their symbols."""

    symbol: str
    other: str
    correlation: float


def correlations(closes: Mapping[str, Closes], until: int, span: int, step: int) -> list[Pair]:
    """Correlate every pair over slices in (``until - span``, ``until``], in order of the symbols.

    All in seconds; ``until`` and ``span`` are multiples of ``step``, a bar's length. Pairs with fewer than
    :data:`AT_LEAST` common returns, or of which one never moved, are left out.
    """
    symbols = sorted(closes)
    cells = span // step
    returns, began = np.full((len(symbols), cells), np.nan), np.full((len(symbols), cells), -1, dtype=np.int64)
    for row, symbol in enumerate(symbols):
        _lay_out(closes[symbol], until, step, returns[row], began[row])
    found: list[Pair] = []
    for row, symbol in enumerate(symbols[:-1]):
        said = _against(returns[row], began[row], returns[row + 1 :], began[row + 1 :])
        pairs = zip(symbols[row + 1 :], said.tolist(), strict=True)
        found += [Pair(symbol, other, value) for other, value in pairs if isfinite(value)]
    return found


def clusters(pairs: Sequence[Pair], at_least: float) -> tuple[tuple[str, ...], ...]:
    """Join assets whose correlation, of either sign, is ``at_least`` so strong: directly or through others.

    Returns groups of two or more, in order of their symbols.
    """
    group: dict[str, set[str]] = {}
    for one in pairs:
        if abs(one.correlation) >= at_least:
            joined = group.get(one.symbol, {one.symbol}) | group.get(one.other, {one.other})
            group.update(dict.fromkeys(joined, joined))
    return tuple(sorted({tuple(sorted(members)) for members in group.values()}))


def _lay_out(of: Closes, until: int, step: int, returns: Values, began: Times) -> None:
    """Put each return into the cell of its slice, the newest last, with the cell that it began in."""
    last = len(returns) - 1
    cell = last - (until - of.slices) // step
    # A bar of which none is before it has no return; of two bars in one slice the later one counts.
    rows = np.flatnonzero((cell >= 0) & (cell <= last) & (np.arange(len(cell)) > 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        moved = np.log(of.close[rows] / of.close[rows - 1])
    returns[cell[rows]] = np.where(np.isfinite(moved), moved, np.nan)
    began[cell[rows]] = cell[rows - 1]


def _against(own: Values, own_began: Times, others: Values, others_began: Times) -> Values:
    """Pearson's correlation of one asset (cells,) with others (m, cells); NaN where there is too little."""
    both = (own_began == others_began) & np.isfinite(own) & np.isfinite(others)
    count = both.sum(axis=1)
    x, y = np.where(both, own, 0.0), np.where(both, others, 0.0)
    known = np.maximum(count, 1)
    x -= np.where(both, (x.sum(axis=1) / known)[:, None], 0.0)
    y -= np.where(both, (y.sum(axis=1) / known)[:, None], 0.0)
    spread = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    said = (x * y).sum(axis=1) / np.where(spread > 0.0, spread, 1.0)
    return np.where((count >= AT_LEAST) & (spread > 0.0), np.clip(said, -1.0, 1.0), np.nan)
