"""When a market trades. Crypto never closes, forex has its week, all others keep the sessions of New York's exchange.

A forex day D runs from 17:00 New York of the day before to 17:00 of D, Monday to Friday but for 25 December and
1 January: so the week opens on Sunday and closes on Friday at 21:00 UTC in summer, 22:00 in winter.
"""

import warnings
from datetime import date, datetime
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from services.domain.candles import SECONDS, Times, epoch, moment

ALWAYS_OPEN = frozenset({"crypto"})
WEEKDAYS = frozenset({"forex"})
NEW_YORK = "America/New_York"
CALENDAR_START = "2000-01-01"
FOREX_YEARS = (1971, 2060)
FOREX_HOLIDAYS = ((12, 25), (1, 1))
FOREX_TURN_HOUR = 17


class Schedule(NamedTuple):
    """Sessions in time order, epoch seconds: each one's date (its 00:00 UTC), first second, and first second after."""

    name: str
    dates: Times
    opens: Times
    closes: Times

    def covering(self, since: int, until: int) -> "Schedule":
        """Sessions that overlap [since, until); ValueError where the schedule does not reach."""
        self.check(since, until)
        near = (self.closes > since) & (self.opens < until)
        return Schedule(self.name, self.dates[near], self.opens[near], self.closes[near])

    def dated(self, since: int, until: int) -> Times:
        """Session dates in [since, until); ValueError where the schedule does not reach."""
        self.check(since, until)
        return self.dates[(self.dates >= since) & (self.dates < until)]

    def check(self, since: int, until: int) -> None:
        """Raise ValueError where the schedule does not reach over [since, until)."""
        first, last = int(self.dates[0]), int(self.dates[-1])
        if since < first or until > last + 2 * SECONDS["1d"]:
            raise ValueError(f"{self.name} sessions are known from {moment(first):%Y-%m-%d} to {moment(last):%Y-%m-%d}")


def schedule_of(asset_class: str) -> Schedule | None:
    """Return the sessions a class keeps; None: it never closes."""
    if asset_class in ALWAYS_OPEN:
        return None
    return forex() if asset_class in WEEKDAYS else new_york()


def session_open(asset_class: str, ts: datetime) -> bool:
    """Whether the class trades at ``ts``; the closing second belongs to the closed time. ValueError out of range."""
    schedule = schedule_of(asset_class)
    if schedule is None:
        return True
    now = epoch(ts)
    return len(schedule.covering(now, now + 1).dates) > 0


def next_open(asset_class: str, ts: datetime) -> datetime:
    """Return the first moment at or after ``ts`` at which the class trades; ValueError beyond the known years."""
    schedule = schedule_of(asset_class)
    if schedule is None or session_open(asset_class, ts):
        return ts
    at = int(np.searchsorted(schedule.opens, epoch(ts), side="right"))
    if at == len(schedule.opens):
        raise ValueError(f"{schedule.name} sessions end before {ts:%Y-%m-%d}")
    return moment(int(schedule.opens[at]))


@cache
def new_york() -> Schedule:
    """Sessions of XNYS, half-days included. Slow, so loaded on first use."""
    with warnings.catch_warnings():
        # exchange_calendars reads a pandas property that pandas 3.1 deprecates; the values are right.
        warnings.simplefilter("ignore")
        import exchange_calendars

        table: Any = exchange_calendars.get_calendar("XNYS", start=CALENDAR_START).schedule
        dates = table.index.to_numpy().astype("datetime64[s]").astype(np.int64)
        opens, closes = (
            table[column].dt.tz_convert(None).to_numpy().astype("datetime64[s]").astype(np.int64)
            for column in ("open", "close")
        )
    return Schedule("stock", dates, opens, closes)


@cache
def forex() -> Schedule:
    """Trading days of forex."""
    first, last = date(FOREX_YEARS[0], 1, 1), date(FOREX_YEARS[1], 12, 31)
    days = pl.date_range(first, last, eager=True)
    closed = pl.Series([(day.month, day.day) in FOREX_HOLIDAYS for day in days])
    trading = days.filter((days.dt.weekday() <= 5) & ~closed)
    closes = _turn(trading)
    opens = _turn(trading.dt.offset_by("-1d"))
    dates: Times = trading.cast(pl.Datetime("us")).dt.epoch("s").to_numpy().astype(np.int64)
    return Schedule("forex", dates, opens, closes)


def _turn(days: Any) -> Times:
    """17:00 New York of each date, epoch seconds."""
    local = days.cast(pl.Datetime("us")).dt.offset_by(f"{FOREX_TURN_HOUR}h").dt.replace_time_zone(NEW_YORK)
    seconds: Times = local.dt.epoch("s").to_numpy().astype(np.int64)
    return seconds
