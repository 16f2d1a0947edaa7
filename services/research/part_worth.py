"""What a part of the decision is worth: daily returns with it beside those without it, and how sure the difference is.

Days are resampled in circular blocks of five (Politis and Romano 1992), the same days for both, so that what moves
both alike cancels, and what the days of a week have to do with each other stays. The interval is the middle 95 % of
the resampled figures (percentile bootstrap; Efron and Tibshirani 1993, chapter 13): it says what other orders of such
days would have shown, not what other markets would.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

import numpy as np

from services.inference.series import Floats
from services.kernel.errors import ChloeError
from services.research.significance import resamples

Verdict = Literal["helps", "harms", "unproven", "not exercised"]

BLOCK_DAYS = 5
"""Most positions are held for less than this."""
AT_LEAST_BLOCKS = 10
"""Independent stretches that an interval needs; with fewer none is given, and nothing is claimed."""
DRAWS = 4_000
SEED = 20
PERCENTILES = (2.5, 97.5)
BPS = 1e4


class NothingToCompare(ChloeError):
    """Two back-tests cannot be compared day by day."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its two-sided 95 % interval; no interval where the days are too few."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Difference:
    """With the part minus without it: mean of the daily returns in basis points, and the whole return as a fraction."""

    days: int
    days_changed: int
    bps_per_day: Interval
    total: Interval
    verdict: Verdict


def daily_returns(equity: Sequence[tuple[datetime, Decimal]], starting_cash: Decimal) -> Floats:
    """Turn the equity after each slice into simple returns a UTC day (days,); a slice at midnight ends its day.

    Raises :class:`NothingToCompare` where nothing was left to make returns of.
    """
    last: dict[datetime, float] = {}
    for ts, value in equity:
        ended = ts - timedelta(microseconds=1)
        last[ended.replace(hour=0, minute=0, second=0, microsecond=0)] = float(value)
    levels = np.array([float(starting_cash), *last.values()])
    if len(levels) == 1:
        raise NothingToCompare("the history has no slice; choose a longer span")
    if levels.min() <= 0.0:
        day = list(last)[int(levels.argmin()) - 1]
        raise NothingToCompare(f"the equity fell to {levels.min():.2f} on {day:%Y-%m-%d}; returns end there")
    return np.asarray(levels[1:] / levels[:-1] - 1.0, dtype=np.float64)


def difference(with_part: Floats, without: Floats, *, exercised: bool) -> Difference:
    """Compare daily returns (days,) of the same days; ``exercised``: whether any decision differed at all."""
    if len(with_part) != len(without):
        raise NothingToCompare(f"{len(with_part)} days with the part, {len(without)} without it")
    change = with_part - without
    mean = float(change.mean()) * BPS
    total = float(np.prod(1.0 + with_part) - np.prod(1.0 + without))
    days, changed = len(change), int(np.count_nonzero(change))
    if days < AT_LEAST_BLOCKS * BLOCK_DAYS:
        unsure = Interval(mean, None, None), Interval(total, None, None)
        return Difference(days, changed, *unsure, "unproven" if exercised else "not exercised")
    drawn = resamples(days, BLOCK_DAYS, DRAWS, SEED)
    # The last block may reach beyond the number of days: each sample is brought back to as many as there are.
    drawn *= days / drawn.sum(axis=1, keepdims=True)
    per_day = _interval(mean, drawn @ change / days * BPS)
    whole = _interval(total, np.exp(drawn @ np.log1p(with_part)) - np.exp(drawn @ np.log1p(without)))
    return Difference(days, changed, per_day, whole, _verdict(per_day) if exercised else "not exercised")


def _interval(value: float, resampled: Floats) -> Interval:
    low, high = np.percentile(resampled, PERCENTILES).tolist()
    return Interval(value, low, high)


def _verdict(per_day: Interval) -> Verdict:
    """Claim something only where the whole interval lies on one side of zero."""
    if per_day.high is not None and per_day.high < 0.0:
        return "harms"
    if per_day.low is not None and per_day.low > 0.0:
        return "helps"
    return "unproven"
