"""Splits and renames as ``config/corporate_actions.yaml`` declares them, and prices made comparable across them.

Stored candles stay as their source delivered them; what reads them adjusts. Whether a series is on raw terms across a
declared split is measured from the step of its prices there, for a source may have adjusted them already.

Past bars for a decision at a row are restated with the splits up to that row and no others: :func:`raw_splits`
lists them, :func:`stretches` cuts a series where they fall, and :func:`restated` states one stretch's window in the
units of its last row. A row then gets the same bits whether a whole history is computed at once or its window alone.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from itertools import pairwise
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import Field, model_validator

from services.domain.assets import Section
from services.domain.candles import Candles, Timeframe, Times, Values, epoch

CORPORATE_ACTIONS_FILE = "corporate_actions.yaml"
Terms = Literal["raw", "adjusted", "unknown"]
RawSplit = tuple[int, float]
"""A split that a series shows raw: epoch seconds of its first bar on the new terms, and new for old."""


class CorporateAction(Section):
    """From ``date`` on, ``new`` units are what ``old`` units were before: 10 for 1 in a 10:1 split."""

    symbol: str
    kind: Literal["split", "rename"]
    date: date
    """The first day on the new terms."""
    new: int = Field(default=1, ge=1)
    old: int = Field(default=1, ge=1)
    to: str = ""
    """The name after a rename."""
    evidence: Literal["measured", "announced"]
    """Whether recorded prices show it, or its issuer announced it."""
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _says_what_changes(self) -> "CorporateAction":
        if self.kind == "split" and (self.new == self.old or self.to):
            raise ValueError(f"{self.symbol} {self.date}: a split changes the count and nothing else")
        if self.kind == "rename" and not self.to:
            raise ValueError(f"{self.symbol} {self.date}: a rename needs the new name in 'to'")
        return self

    @property
    def factor(self) -> float:
        """New units for one old unit: what a price before the action is divided by."""
        return self.new / self.old

    @property
    def ratio(self) -> str:
        """``10:1``, new for old."""
        return f"{self.new}:{self.old}"

    def begins(self, timeframe: Timeframe) -> int:
        """Epoch seconds from which bars are on the new terms.

        Daily bars stand at 00:00 UTC of their date; the exchange's day begins in New York, that of a pair in UTC.
        """
        at_utc = timeframe == "1d" or "/" in self.symbol
        zone = UTC if at_utc else ZoneInfo("America/New_York")
        return epoch(datetime.combine(self.date, time(), zone))


class CorporateActions(Section):
    """The whole file."""

    actions: tuple[CorporateAction, ...] = ()

    @model_validator(mode="after")
    def _once_a_day(self) -> "CorporateActions":
        seen: set[tuple[str, date]] = set()
        for action in self.actions:
            key = (action.symbol, action.date)
            if key in seen:
                raise ValueError(f"{action.symbol} {action.date}: stands twice")
            seen.add(key)
        return self

    def of(self, symbol: str) -> tuple[CorporateAction, ...]:
        """Return what happened to one symbol, oldest first."""
        return tuple(sorted((one for one in self.actions if one.symbol == symbol), key=lambda one: one.date))


def factors(candles: Candles, actions: Sequence[CorporateAction], as_of: datetime) -> Values:
    """Return for each bar how many units at ``as_of`` one unit then is; later actions are not known yet."""
    known = epoch(as_of)
    found = np.ones(len(candles))
    for action in actions:
        begins = action.begins(candles.timeframe)
        if action.symbol == candles.symbol and begins <= known:
            found[candles.ts < begins] *= action.factor
    return found


def adjust(candles: Candles, actions: Sequence[CorporateAction], as_of: datetime) -> Candles:
    """State raw candles in the units of ``as_of``: prices divided, volumes multiplied; what was paid stays the same.

    Only for candles on raw terms; see :func:`terms`.
    """
    return _rescaled(candles, factors(candles, actions, as_of))


def unadjust(candles: Candles, actions: Sequence[CorporateAction], as_of: datetime) -> Candles:
    """State candles that are in the units of ``as_of`` as they were traded: the inverse of :func:`adjust`."""
    return _rescaled(candles, 1 / factors(candles, actions, as_of))


def terms(candles: Candles, action: CorporateAction) -> Terms:
    """Tell from the step over a split whether candles are raw or adjusted; unknown where they do not span it."""
    at = int(np.searchsorted(candles.ts, action.begins(candles.timeframe)))
    if action.factor == 1 or at == 0 or at == len(candles):
        return "unknown"
    step = float(np.log(candles.open[at] / candles.close[at - 1]))
    return "raw" if abs(step + np.log(action.factor)) < abs(step) else "adjusted"


class DatedSplit(NamedTuple):
    """A declared split and the epoch second from which bars of one timeframe are on its terms."""

    begins: int
    action: CorporateAction


def dated_splits(actions: Iterable[CorporateAction], timeframe: Timeframe) -> dict[str, tuple[DatedSplit, ...]]:
    """Put each symbol's splits in the order in which they take effect."""
    found: dict[str, list[DatedSplit]] = {}
    for action in actions:
        if action.kind == "split":
            found.setdefault(action.symbol, []).append(DatedSplit(action.begins(timeframe), action))
    return {symbol: tuple(sorted(splits, key=lambda one: one.begins)) for symbol, splits in found.items()}


def passed(
    splits: Sequence[DatedSplit], before: int, close: float, opened: int, price: float
) -> tuple[DatedSplit, ...]:
    """Return the splits, oldest first, that lie between two bars and that the step of their prices shows raw.

    ``before`` and ``opened`` are the bars' opens in epoch seconds; ``close`` ends the first, ``price`` opens the
    second. A source's terms are those of one day: of several splits it has adjusted the earlier ones, if any, so the
    latest ones that together explain the step best are raw. Prices that are not positive show nothing.
    """
    between = [one for one in splits if before < one.begins <= opened]
    if not between or close <= 0 or price <= 0:
        return ()
    step = math.log(price / close)
    rest = [abs(step + sum(math.log(one.action.factor) for one in between[k:])) for k in range(len(between) + 1)]
    first = min(reversed(range(len(rest))), key=lambda k: rest[k])
    return tuple(between[first:])


def raw_splits(splits: Sequence[DatedSplit], ts: Times, open: Values, close: Values) -> tuple[RawSplit, ...]:
    """List the splits that a series shows raw, oldest first; the columns are (n,), ascending in time.

    Each is judged by the bars before and after it alone: it is known with the bar that shows it, and later bars change
    nothing of it.
    """
    return tuple((int(ts[row]), one.action.factor) for row, one in _shown(splits, ts, open, close))


def _shown(splits: Sequence[DatedSplit], ts: Times, open: Values, close: Values) -> list[tuple[int, DatedSplit]]:
    """Find the splits that a series shows raw, with the row of the first bar on the new terms."""
    rows = np.searchsorted(ts, np.array([one.begins for one in splits], dtype=np.int64))
    found: list[tuple[int, DatedSplit]] = []
    for row in sorted({int(row) for row in rows if 0 < row < len(ts)}):
        shown = passed(splits, int(ts[row - 1]), float(close[row - 1]), int(ts[row]), float(open[row]))
        found += [(row, one) for one in shown]
    return found


class Stretch(NamedTuple):
    """Rows ``start`` to ``stop`` are on one terms; ``first`` is where the windows of these rows begin."""

    first: int
    start: int
    stop: int


def stretches(ts: Times, splits: Sequence[RawSplit], window: int) -> list[Stretch]:
    """Cut rows where splits fall; ``window`` is how many rows a row looks at, its own included."""
    cuts = sorted({0, len(ts), *(int(row) for row in np.searchsorted(ts, [at for at, _ in splits]))})
    return [Stretch(max(0, a - window + 1), a, b) for a, b in pairwise(cuts)]


def restated(
    ts: Times, open: Values, high: Values, low: Values, close: Values, volume: Values, splits: Sequence[RawSplit]
) -> tuple[Values, Values, Values, Values, Values]:
    """State (n,) bars in the units of the last row: splits up to it count, later ones are not known.

    Returns open, high, low, close, volume; the very same arrays where no split lies within them. A bar's factor is the
    product of the splits after it in the order given, so it does not depend on what else the series holds.
    """
    inside = [(at, factor) for at, factor in splits if len(ts) and ts[0] < at <= ts[-1]]
    if not inside:
        return open, high, low, close, volume
    by = np.ones(len(ts))
    for at, factor in inside:
        by[ts < at] *= factor
    return open / by, high / by, low / by, close / by, volume * by


def split_log_return(since: Times, until: Times, splits: Sequence[RawSplit]) -> Values:
    """Return what to add to each raw log return from a bar at ``since`` to one at ``until``, shape (n,); 0.0 mostly."""
    found = np.zeros(len(since))
    for at, factor in splits:
        found[(since < at) & (at <= until)] += math.log(factor)
    return found


def comparable(candles: Candles, actions: Sequence[CorporateAction], as_of: datetime) -> Candles:
    """Adjust for the splits that the candles show raw, and for no others: right for any mixture of sources."""
    declared = dated_splits(actions, candles.timeframe).get(candles.symbol, ())
    shown = _shown(declared, candles.ts, candles.open, candles.close)
    return adjust(candles, [one.action for _, one in shown], as_of)


def _rescaled(candles: Candles, by: Values) -> Candles:
    return replace(
        candles,
        open=candles.open / by,
        high=candles.high / by,
        low=candles.low / by,
        close=candles.close / by,
        volume=candles.volume * by,
    )
