"""Rolling sums, extremes and truncated averages that depend on the last ``width`` bars and nothing else.

Blocks of 1, 2, 4, … bars are combined by doubling: ``S2k[t] = Sk[t] + Sk[t - k]``. Every step is one elementwise IEEE
operation in a fixed order, so the result at a bar is the same bits whether the series has a thousand bars or just the
window, which running sums and recursive averages cannot promise. Time is the last axis: rows in front of it, one per
asset, are computed in one pass and change nothing either. Bars without a full window are NaN.
"""

import numpy as np

from services.inference.series import Flags, Floats


def lag(x: Floats, bars: int) -> Floats:
    """Move the series ``bars`` later; the first ``bars`` values are NaN."""
    if bars == 0:
        return x
    out = np.empty(x.shape)
    out.reshape(-1)[bars:] = x.reshape(-1)[:-bars]
    out[..., :bars] = np.nan
    return out


def _onto(combine: np.ufunc, newer: Floats, older: Floats, bars: int) -> Floats:
    """``combine(newer, lag(older, bars))`` without making the lagged copy."""
    out = np.empty(newer.shape)
    # All rows as one line, for speed: what runs over from one row to the next is in the bars that are NaN.
    combine(newer.reshape(-1)[bars:], older.reshape(-1)[:-bars], out=out.reshape(-1)[bars:])
    out[..., :bars] = np.nan
    return out


class Blocks:
    """One series and its blocks of 1, 2, 4, … bars, so that windows of several widths share them."""

    def __init__(self, x: Floats, combine: np.ufunc = np.add) -> None:
        self._combine = combine
        self._blocks = [x]
        self._found: dict[int, Floats] = {}

    def of(self, width: int) -> Floats:
        """Combine the last ``width`` values."""
        if width < 1:
            raise ValueError(f"a window needs at least one bar, not {width}")
        if width not in self._found:
            self._found[width] = self._sum(width) if self._combine is np.add else self._extreme(width)
        return self._found[width]

    def mean(self, width: int) -> Floats:
        """Average the last ``width`` values, for a series that is added up."""
        return self.of(width) / width

    def _block(self, power: int) -> Floats:
        while len(self._blocks) <= power:
            last = self._blocks[-1]
            self._blocks.append(_onto(self._combine, last, last, 1 << (len(self._blocks) - 1)))
        return self._blocks[power]

    def _sum(self, width: int) -> Floats:
        out: Floats | None = None
        reach = 0
        for power in range(width.bit_length()):
            if width >> power & 1:
                block = self._block(power)
                out = block if out is None else _onto(self._combine, out, block, reach)
                reach += 1 << power
        if out is None:
            raise ValueError(f"a window needs at least one bar, not {width}")
        return out

    def _extreme(self, width: int) -> Floats:
        # Two blocks that overlap do: a value that is looked at twice is no larger for it.
        power = width.bit_length() - 1
        block = self._block(power)
        beyond = width - (1 << power)
        return block if beyond == 0 else _onto(self._combine, block, block, beyond)


def total(x: Floats, width: int) -> Floats:
    """Sum the last ``width`` values."""
    return Blocks(x).of(width)


def mean(x: Floats, width: int) -> Floats:
    """Average the last ``width`` values."""
    return total(x, width) / width


def highest(x: Floats, width: int) -> Floats:
    """Take the largest of the last ``width`` values."""
    return Blocks(x, np.maximum).of(width)


def lowest(x: Floats, width: int) -> Floats:
    """Take the smallest of the last ``width`` values."""
    return Blocks(x, np.minimum).of(width)


def since_highest(x: Floats, width: int) -> Floats:
    """Count the bars since the largest of the last ``width`` values, the newest of equal ones: 0 to ``width - 1``."""
    value, age, span = x, np.zeros_like(x), 1
    while span < width:
        older_by = min(span, width - span)
        older = lag(value, older_by)
        age = np.where(value >= older, age, lag(age, older_by) + older_by)
        value = np.maximum(value, older)
        span += older_by
    return age


def line(holds: Flags, width: int) -> Floats:
    """Count the bars in an unbroken line up to here that ``holds``, at most ``width``, a power of two."""
    run, span = holds.astype(np.float64), 1
    while span < width:
        run = np.where(run == span, span + lag(run, span), run)
        span *= 2
    return run


def decayed_mean(x: Floats, decay: float, width: int) -> Floats:
    """Average ``width`` values, a power of two, with weights ``decay ** age`` that sum to one."""
    block, span = x, 1
    while span < width:
        block = _onto(np.add, block, decay**span * block, span)
        span *= 2
    return block * ((1.0 - decay) / (1.0 - decay**width))


def exponential_mean(x: Floats, period: int, width: int) -> Floats:
    """Average ``width`` values, a power of two, with weights (1 - 2 / (period + 1)) ** age that sum to one."""
    return decayed_mean(x, 1.0 - 2.0 / (period + 1), width)


def wilder_mean(x: Floats, period: int, width: int) -> Floats:
    """Average ``width`` values, a power of two, with weights (1 - 1 / period) ** age that sum to one."""
    return decayed_mean(x, 1.0 - 1.0 / period, width)


def variance(centre: Floats, square: Floats) -> Floats:
    """Turn the means of x and of x^2 into a variance; 0.0 where rounding cannot tell it from none."""
    found = square - centre * centre
    return np.where(found <= 1e-12 * square, 0.0, found)


def deviation(x: Floats, width: int) -> Floats:
    """Take the standard deviation (divisor ``width``); 0.0 where rounding cannot tell it from none."""
    return np.sqrt(variance(mean(x, width), mean(x * x, width)))


def ratio(above: Floats, below: Floats, flat: float = 0.0) -> Floats:
    """Divide, with ``flat`` where the divisor is zero: a window in which nothing moved has no direction."""
    return np.where(below == 0.0, flat, above / below)


def log_ratio(above: Floats, below: Floats) -> Floats:
    """Take ln(above / below) of values that are not negative, with 0.0 where either is zero."""
    return np.where((above == 0.0) | (below == 0.0), 0.0, np.log(above / below))
