"""Where a value stands among those before it."""

import numpy as np
from numpy.typing import NDArray

_COMPARED_AT_ONCE = 4_000_000
"""Comparisons in one go: keeps the window matrix within some tens of megabytes."""


def trailing_rank(values: NDArray[np.float64], history: int, at_least: int) -> NDArray[np.float64]:
    """Rank each of (n,) values in [0, 1] among the ``history`` values before it, ties counting half.

    NaN values take no part; NaN where fewer than ``at_least`` values are known before. Row i reads rows up to i only.
    """
    n = len(values)
    padded = np.concatenate((np.full(history, np.nan), values))
    windows = np.lib.stride_tricks.sliding_window_view(padded, history)[:n]
    ranks = np.full(n, np.nan)
    rows = max(1, _COMPARED_AT_ONCE // history)
    for start in range(0, n, rows):
        part = windows[start : start + rows]
        own = values[start : start + rows, None]
        known = np.isfinite(part).sum(axis=1)
        below = (part < own).sum(axis=1) + 0.5 * (part == own).sum(axis=1)
        enough = (known >= at_least) & np.isfinite(own[:, 0])
        ranks[start : start + rows][enough] = below[enough] / known[enough]
    return ranks
