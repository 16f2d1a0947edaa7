"""Rolling sums, extremes and truncated averages that depend on the last ``width`` bars and nothing else.

Blocks of 1, 2, 4, … bars are combined by doubling: ``S2k[t] = Sk[t] + Sk[t - k]``. Every step is one elementwise IEEE
operation in a fixed order, so the result at a bar is the same bits whether the series has a thousand bars or just the
window, which running sums and recursive averages cannot promise. Bars without a full window are NaN.
"""

from collections.abc import Callable

import numpy as np

from services.inference.series import Floats

Combine = Callable[[Floats, Floats], Floats]


def lag(x: Floats, bars: int) -> Floats:
    """Move the series ``bars`` later; the first ``bars`` values are NaN."""
    if bars == 0:
        return x
    out = np.full(len(x), np.nan)
    out[bars:] = x[:-bars]
    return out


def _windowed(x: Floats, width: int, combine: Combine) -> Floats:
    block, span, reach = x, 1, 0
    out: Floats | None = None
    while span <= width:
        if width & span:
            part = lag(block, reach)
            out = part if out is None else combine(out, part)
            reach += span
        if span * 2 <= width:
            block = combine(block, lag(block, span))
        span *= 2
    if out is None:
        raise ValueError(f"a window needs at least one bar, not {width}")
    return out


def total(x: Floats, width: int) -> Floats:
    """Sum the last ``width`` values."""
    return _windowed(x, width, np.add)


def mean(x: Floats, width: int) -> Floats:
    """Average the last ``width`` values."""
    return total(x, width) / width


def highest(x: Floats, width: int) -> Floats:
    """Take the largest of the last ``width`` values."""
    return _windowed(x, width, np.maximum)


def lowest(x: Floats, width: int) -> Floats:
    """Take the smallest of the last ``width`` values."""
    return _windowed(x, width, np.minimum)


def exponential_mean(x: Floats, period: int, width: int) -> Floats:
    """Average ``width`` values, a power of two, with weights (1 - 2 / (period + 1)) ** age that sum to one."""
    decay = 1.0 - 2.0 / (period + 1)
    block, span = x, 1
    while span < width:
        block = block + decay**span * lag(block, span)
        span *= 2
    return block * ((1.0 - decay) / (1.0 - decay**width))


def deviation(x: Floats, width: int) -> Floats:
    """Take the standard deviation (divisor ``width``); 0.0 where rounding cannot tell it from none."""
    centre, square = mean(x, width), mean(x * x, width)
    variance = square - centre * centre
    return np.where(
        variance > 1e-12 * square, np.sqrt(np.maximum(variance, 0.0)), np.where(np.isnan(variance), np.nan, 0.0)
    )


def ratio(above: Floats, below: Floats, flat: float = 0.0) -> Floats:
    """Divide, with ``flat`` where the divisor is zero: a window in which nothing moved has no direction."""
    zero = below == 0.0
    return np.where(zero, flat, above / np.where(zero, 1.0, below))
