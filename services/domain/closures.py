"""When a market closes next and for how long, so that a position can be left before. Pure."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from services.domain.candles import epoch, moment
from services.domain.sessions import schedule_of

LONG = timedelta(hours=40)
"""A closure of at least so long is a weekend or a holiday: a night is 17.5 hours, a weekend of forex 47 to 49."""


class Closure(NamedTuple):
    """A market is closed in [closes, opens)."""

    closes: datetime
    opens: datetime

    @property
    def over_weekend(self) -> bool:
        """Whether it is longer than a night: a weekend, or a holiday."""
        return self.opens - self.closes >= LONG


@lru_cache(maxsize=1024)
def next_closure(asset_class: str, ts: datetime) -> Closure | None:
    """Return the first closure that begins after ``ts``; None where the class never closes or its years are not known.

    Forex days that follow each other are no closure.
    """
    schedule = schedule_of(asset_class)
    if schedule is None:
        return None
    now = epoch(ts)
    at = int(np.searchsorted(schedule.closes, now, side="right"))
    while at + 1 < len(schedule.closes):
        closes, opens = int(schedule.closes[at]), int(schedule.opens[at + 1])
        if opens > closes:
            return Closure(moment(closes), moment(opens))
        at += 1
    return None
