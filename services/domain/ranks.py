"""Where a value stands among those before it."""

import numpy as np
from numpy.typing import NDArray

_ROWS_AT_ONCE = 256
"""Rows that share the sorted middle of their windows; only its two ends are compared row by row."""


def trailing_rank(values: NDArray[np.float64], history: int, at_least: int, since: int = 0) -> NDArray[np.float64]:
    """Rank each of (n,) values in [0, 1] among the ``history`` values before it, ties counting half.

    NaN values take no part; NaN where fewer than ``at_least`` values are known before, and in rows before ``since``.
    Row i reads rows up to i only.
    """
    ranks = np.full(len(values), np.nan)
    padded = np.concatenate((np.full(history, np.nan), values))
    step = min(_ROWS_AT_ONCE, history)
    for start in range(since, len(values), step):
        stop = min(start + step, len(values))
        ranks[start:stop] = _ranked(padded[start : stop + history], stop - start, at_least)
    return ranks


def _ranked(part: NDArray[np.float64], rows: int, at_least: int) -> NDArray[np.float64]:
    """Rank the last ``rows`` values of a part in which the first of them has its whole history before it."""
    history = len(part) - rows
    own = part[history:]
    middle = part[rows - 1 : history]
    middle = np.sort(middle[np.isfinite(middle)])
    # Row i no longer sees the i oldest values of the first one's window, and sees as many newer ones in their place.
    row, place = np.arange(rows)[:, None], np.arange(rows - 1)
    ends = np.where(place < row, own[:-1], part[: rows - 1])
    left, right = middle.searchsorted(own), middle.searchsorted(own, side="right")
    below = left + (ends < own[:, None]).sum(axis=1)
    equal = right - left + (ends == own[:, None]).sum(axis=1)
    known = len(middle) + np.isfinite(ends).sum(axis=1)
    enough = (known >= at_least) & np.isfinite(own)
    return np.where(enough, (below + 0.5 * equal) / np.maximum(known, 1), np.nan)
