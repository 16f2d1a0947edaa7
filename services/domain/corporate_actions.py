"""Splits and renames as ``config/corporate_actions.yaml`` declares them, and prices made comparable across them.

Stored candles stay as their source delivered them; what reads them adjusts.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import Field, model_validator

from services.domain.assets import Section
from services.domain.candles import Candles, Timeframe, Values, epoch

CORPORATE_ACTIONS_FILE = "corporate_actions.yaml"
Terms = Literal["raw", "adjusted", "unknown"]


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


def comparable(candles: Candles, actions: Sequence[CorporateAction], as_of: datetime) -> Candles:
    """Adjust for the splits that the candles show raw, and for no others: right for any mixture of sources."""
    return adjust(candles, [action for action in actions if terms(candles, action) == "raw"], as_of)


def _rescaled(candles: Candles, by: Values) -> Candles:
    return replace(
        candles,
        open=candles.open / by,
        high=candles.high / by,
        low=candles.low / by,
        close=candles.close / by,
        volume=candles.volume * by,
    )
