"""Days as a market has them: around the clock a day of UTC, else a session of its own."""

import numpy as np

from services.domain.candles import SECONDS, Timeframe, Times
from services.domain.sessions import WEEKDAYS, schedule_of

SESSION_SECONDS = 23_400
"""A whole session of New York's exchange, 09:30 to 16:00."""


def bars_per_day(asset_class: str, timeframe: Timeframe) -> int:
    """Count the bars of a whole day of the class's own market: 24 hours of crypto and forex, 7 of an exchange."""
    around_the_clock = schedule_of(asset_class) is None or asset_class in WEEKDAYS
    return -(-(SECONDS["1d"] if around_the_clock else SESSION_SECONDS) // SECONDS[timeframe])


def market_days(asset_class: str, ts: Times) -> Times:
    """Number each bar's day by its open (n,): the day of UTC, or the session that closes next."""
    schedule = schedule_of(asset_class)
    if schedule is None:
        return ts // SECONDS["1d"]
    return np.searchsorted(schedule.closes, ts, side="right").astype(np.int64)
