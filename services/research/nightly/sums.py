"""Means of gains that overlap in time, kept as sums: rows are added one by one and never looked at again. Pure.

Rows of one block of time lean on each other, blocks hardly do: the deviation of a mean comes from the scatter of the
blocks' sums about their share of it (ratio estimator, Cochran 1977, section 6.4), with Student's t of as many degrees
as there are blocks with rows, or stretches of rows that share no bar, whichever are fewer, less one. That is
:func:`services.research.significance.means` with fixed blocks in place of resampled ones.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from scipy.special import stdtr, stdtrit

from services.research.significance import Mean


class Tally(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Sums of one group of rows: over whole blocks, and of the block that is still open. Gains in basis points."""

    blocks: int = 0
    n: int = 0
    s: float = 0.0
    nn: int = 0
    ns: float = 0.0
    ss: float = 0.0
    """Sums over blocks of n, of the block's gains, of n * n, of n * gains and of gains * gains."""
    block: int = -1
    open_n: int = 0
    open_s: float = 0.0
    independent: int = 0
    until: int = 0
    """Rows of bars before it overlap with the last one that counted as independent."""

    @property
    def rows(self) -> int:
        """Rows in all."""
        return self.n + self.open_n


EMPTY = Tally()


def add(tally: Tally, number: int, horizon: int, block: int, gain: float) -> Tally:
    """Add one row: the bar's ``number`` in its market's sequence, the ``horizon`` in bars, its block of time."""
    new = number >= tally.until
    independent, until = (tally.independent + 1, number + horizon) if new else (tally.independent, tally.until)
    if block == tally.block:
        return Tally(
            tally.blocks, tally.n, tally.s, tally.nn, tally.ns, tally.ss,
            block, tally.open_n + 1, tally.open_s + gain, independent, until,
        )  # fmt: skip
    blocks, n, s, nn, ns, ss = closed(tally)
    return Tally(blocks, n, s, nn, ns, ss, block, 1, gain, independent, until)


def closed(tally: Tally) -> tuple[int, int, float, int, float, float]:
    """Return the sums with the open block counted among the whole ones."""
    m, s = tally.open_n, tally.open_s
    if m == 0:
        return tally.blocks, tally.n, tally.s, tally.nn, tally.ns, tally.ss
    return (
        tally.blocks + 1, tally.n + m, tally.s + s, tally.nn + m * m, tally.ns + m * s, tally.ss + s * s,
    )  # fmt: skip


def estimates(tallies: Sequence[Tally], at_least: int) -> list[Mean | None]:
    """Give each group's mean, None for an empty one; an interval from ``at_least`` independent blocks on."""
    if not tallies:
        return []
    sums = np.array([closed(tally) for tally in tallies], dtype=np.float64)
    blocks, n, s, nn, ns, ss = sums.T
    independent = np.minimum(blocks, [tally.independent for tally in tallies])
    mean = s / np.maximum(n, 1.0)
    scatter = np.maximum(ss - 2.0 * mean * ns + mean * mean * nn, 0.0)
    deviation = np.sqrt(scatter * blocks / np.maximum(blocks - 1.0, 1.0)) / np.maximum(n, 1.0)
    known = (independent >= at_least) & (deviation > 0.0)
    degrees = np.maximum(independent - 1.0, 1.0)
    distinct, which = np.unique(degrees, return_inverse=True)  # the quantile costs more than all else here
    wide = stdtrit(distinct, 0.975)[which] * deviation
    p = stdtr(degrees, -mean / np.where(known, deviation, 1.0))
    rows = zip(tallies, independent.astype(np.int64).tolist(), mean.tolist(), known.tolist(), (mean - wide).tolist(),
               (mean + wide).tolist(), p.tolist(), strict=True)  # fmt: skip
    return [
        None if tally.rows == 0 else Mean(tally.rows, of, at, low, high, chance) if sure
        else Mean(tally.rows, of, at, None, None, None)
        for tally, of, at, sure, low, high, chance in rows
    ]  # fmt: skip
