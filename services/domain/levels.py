"""Support and resistance of one asset, from its own bars up to the bar in question and nothing later.

Twenty-one prices make the zones of a bar (:mod:`services.domain.zones` merges them):

- the highs and lows of the last 24 hours and 7 days, of the bars up to and with this one;
- and, as of the last whole day, so that they are the same for all bars of a day: the high and low of 30 days, the
  classic pivots of that day (P = (H + L + C) / 3, R1 = 2P - L, R2 = P + H - L, R3 = H + 2(P - L), supports alike), the
  volume profile of 30 days, and the Fibonacci retracements of the way between the 30-day low and high, measured back
  from the one that came last.

Days are counted in bars (``bars_per_day``), so an exchange's day is a session; a day is whole once a bar of a later
one has closed. All prices must be in one unit: split prices are restated before.
"""

from collections.abc import Sequence
from math import nan, sqrt
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from services.domain.volume_profile import profile
from services.domain.zones import NOTHING, Sides, zones_of

__all__ = ["WINDOW_DAYS", "Sides", "zones_at"]

WEEK_DAYS = 7
MONTH_DAYS = 30
WINDOW_DAYS = MONTH_DAYS + 1
"""Days of bars that one bar's zones read: a month of whole days, and the bar's own day so far."""
RETRACEMENTS = (0.236, 0.382, 0.5, 0.618, 0.786)
CHUNK_CELLS = 4_000_000
"""Window cells that are looked through at once."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class _Bars(NamedTuple):
    """The bars that any of the rows reads, (n,), and how many of them make a day."""

    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    day: Ints
    per_day: int


def zones_at(
    high: Floats,
    low: Floats,
    close: Floats,
    volume: Floats,
    day: Ints,
    rows: Ints,
    bars_per_day: int,
    volatility: Floats,
) -> list[Sides]:
    """Find the supports and resistances at each of ``rows`` (m,), row numbers of the bars (n,).

    ``day`` (n,) names each bar's day (or session) by any number that changes with it; ``volatility`` (m,) is the
    standard deviation of one bar's log return at each row. A row has no zones where it has fewer than
    ``WINDOW_DAYS * bars_per_day`` bars up to it, where a price in them is a hole (not finite, not positive), where its
    day already has more than ``bars_per_day`` bars, or where the volatility is unknown. The result for a row is the
    same, bit for bit, from the whole history and from only its last ``WINDOW_DAYS * bars_per_day`` bars.
    """
    found = [NOTHING] * len(rows)
    if len(rows) == 0:
        return found
    window = WINDOW_DAYS * bars_per_day
    offset = max(0, int(rows.min()) - window + 1)
    part = slice(offset, int(rows.max()) + 1)
    bars = _Bars(high[part], low[part], close[part], volume[part], day[part], bars_per_day)
    at = rows - offset
    begins = _day_begins(bars.day)
    start = begins[np.searchsorted(begins, at, side="right") - 1]
    known = (at - start < bars_per_day) & (at >= window - 1) & _whole(bars, at, window) & np.isfinite(volatility)
    picked = np.flatnonzero(known)
    if len(picked) == 0:
        return found
    slow = {int(first): _slow(bars, begins, int(first)) for first in np.unique(start[picked])}
    fast = _fast(bars, at[picked])
    day_root = sqrt(bars_per_day)
    for i, quick in zip(picked.tolist(), fast, strict=True):
        row = int(at[i])
        prices = (*quick, *slow[int(start[i])])
        found[i] = zones_of(prices, float(bars.close[row]), float(volatility[i]) * day_root)
    return found


def _day_begins(day: Ints) -> Ints:
    """Rows at which a day begins; row 0 is taken for one."""
    return np.concatenate(([0], np.flatnonzero(day[1:] != day[:-1]) + 1)).astype(np.int64)


def _whole(bars: _Bars, at: Ints, window: int) -> NDArray[np.bool_]:
    """Whether each row's window has no hole."""
    holes = np.zeros(len(bars.close), dtype=np.int64)
    for column in (bars.high, bars.low, bars.close):
        holes |= ~(np.isfinite(column) & (column > 0.0))
    count = np.concatenate(([0], np.cumsum(holes)))
    return np.asarray(count[at + 1] == count[np.maximum(at + 1 - window, 0)], dtype=np.bool_)


def _fast(bars: _Bars, at: Ints) -> list[tuple[float, float, float, float]]:
    """Low and high of the last day, low and high of the last week, at each row."""
    spans = (bars.per_day, WEEK_DAYS * bars.per_day)
    columns = [extreme for span in spans for extreme in (_least(bars.low, at, span), -_least(-bars.high, at, span))]
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _least(values: Floats, at: Ints, span: int) -> Floats:
    """Return the least of the ``span`` values up to and with each row."""
    first = at - span + 1
    if len(at) == 1:  # a live slice: laying windows out would take longer than looking through one
        return np.array([values[first[0] : at[0] + 1].min()])
    windows = sliding_window_view(values, span)
    step = max(1, CHUNK_CELLS // span)
    out = [windows[first[i : i + step]].min(axis=1) for i in range(0, len(at), step)]
    return np.concatenate(out)


def _slow(bars: _Bars, begins: Ints, start: int) -> tuple[float, ...]:
    """Return all that is known since the day that begins at row ``start`` began, in the order of the names."""
    since = start - MONTH_DAYS * bars.per_day
    month = slice(since, start)
    high, low = bars.high[month], bars.low[month]
    top, bottom = int(high.argmax()), int(low.argmin())
    highest, lowest = float(high[top]), float(low[bottom])
    before = int(begins[np.searchsorted(begins, start) - 1])
    traded = profile(high, low, bars.volume[month])
    return (
        lowest,
        highest,
        *_pivots(bars, max(before, since), start),
        *(traded or (nan,) * 3),
        *_retracements(lowest, highest, rising=top >= bottom),
    )


def _pivots(bars: _Bars, first: int, stop: int) -> Sequence[float]:
    """Return P, S1 to S3 and R1 to R3 of the day in rows [first, stop)."""
    top, bottom = float(bars.high[first:stop].max()), float(bars.low[first:stop].min())
    p, way = (top + bottom + float(bars.close[stop - 1])) / 3.0, top - bottom
    return (p, 2 * p - top, p - way, bottom - 2 * (top - p), 2 * p - bottom, p + way, top + 2 * (p - bottom))


def _retracements(lowest: float, highest: float, *, rising: bool) -> Sequence[float]:
    """Go back from the swing's end by each share of it; NaN where there was no swing."""
    way = highest - lowest
    if way <= 0.0:
        return (nan,) * len(RETRACEMENTS)
    return [highest - share * way if rising else lowest + share * way for share in RETRACEMENTS]
