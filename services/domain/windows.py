"""Sums over the last values of a series, each of its own window alone: what lies before it changes no bit."""

import numpy as np
from numpy.typing import NDArray


def window_sum(x: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Add up the last ``width`` values at each of (n,); NaN where there are fewer, or one of them is NaN.

    Sums of 1, 2, 4, … values are doubled and joined, newest first: the same additions in the same order at every row.
    """
    if width < 1:
        raise ValueError(f"a window holds at least one value, not {width}")
    found: NDArray[np.float64] | None = None
    block, size, reach = x, 1, 0
    while True:
        if width & size:
            found = block if found is None else _onto(found, block, reach)
            reach += size
        if size * 2 > width:
            break
        block = _onto(block, block, size)
        size *= 2
    assert found is not None
    return found


def _onto(newer: NDArray[np.float64], older: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    """``newer[t] + older[t - rows]``; the first rows are NaN."""
    out = np.empty(len(newer))
    out[:rows] = np.nan
    np.add(newer[rows:], older[: max(0, len(older) - rows)], out=out[rows:])
    return out
