"""Which bars an asset class owes, so that a night is not taken for a gap.

Sources cut an exchange's session in two ways: from its opening (09:30, 10:30, ...: ``session``) or by the clock
(09:00, 10:00, ...: ``clock``, the first bar beginning before the opening). Bars that divide half an hour are the same
in both. What trades around the clock is cut by the clock alone.
"""

from datetime import datetime, timedelta
from functools import cache
from typing import Literal, NamedTuple

import numpy as np

from services.domain.candles import SECONDS, Gap, Timeframe, Times, epoch, find_gaps, moment
from services.domain.sessions import ALWAYS_OPEN, WEEKDAYS, Schedule, next_open, schedule_of, session_open

__all__ = [
    "Grid",
    "due_open",
    "expected_opens",
    "expects_bar",
    "infer_grid",
    "market_gaps",
    "next_open",
    "opens_at",
    "positions",
    "session_open",
]

Grid = Literal["session", "clock"]


def expected_opens(
    asset_class: str, timeframe: Timeframe, since: datetime, until: datetime, grid: Grid = "session"
) -> Times:
    """Opens of all bars owed in [since, until), ascending epoch seconds. Daily bars open at 00:00 UTC of their date.

    ``grid`` says how the source cuts an exchange's session. Raises ValueError beyond the years the sessions are known.
    """
    begin, end, seconds = epoch(since), epoch(until), SECONDS[timeframe]
    schedule = schedule_of(asset_class)
    if schedule is None:
        return np.arange(-(-begin // seconds) * seconds, end, seconds, dtype=np.int64)
    if timeframe == "1d":
        return schedule.dated(begin, end)
    # One bar further: a bar by the clock that begins before `until` can belong to a session that opens after it.
    near = schedule.covering(begin, end + seconds)
    first = _first_bars(asset_class, near, seconds, grid)
    bars = [np.arange(a, b, seconds, dtype=np.int64) for a, b in zip(first, near.closes, strict=True)]
    every = np.concatenate(bars) if bars else np.empty(0, dtype=np.int64)
    return every[(every >= begin) & (every < end)]


def positions(asset_class: str, timeframe: Timeframe, ts: Times, grid: Grid | None = None) -> Times:
    """Number opens in their market's own sequence of owed bars: neighbours differ by one, over nights and weekends too.

    The count starts at a fixed origin, so a bar's number is the same in every batch; -1 for a bar that no session
    owes. Without ``grid`` each bar is taken to be of the grid it lies on. Raises ValueError beyond the known years.
    """
    seconds = SECONDS[timeframe]
    schedule = schedule_of(asset_class)
    if schedule is None:
        return np.where(ts % seconds == 0, ts // seconds, -1)
    if len(ts) == 0:
        return np.empty(0, dtype=np.int64)
    schedule.check(int(ts.min()), int(ts.max()) + 1)
    if grid is not None:
        return _numbered(_sequence(asset_class, timeframe, grid), ts, seconds)
    by_session = _numbered(_sequence(asset_class, timeframe, "session"), ts, seconds)
    if asset_class in WEEKDAYS or timeframe == "1d" or not bool((by_session < 0).any()):
        return by_session
    return np.where(by_session < 0, _numbered(_sequence(asset_class, timeframe, "clock"), ts, seconds), by_session)


def opens_at(asset_class: str, timeframe: Timeframe, numbers: Times, grid: Grid = "session") -> Times:
    """Opens of the bars that :func:`positions` gives these numbers; -1 for a number that no known bar has."""
    seconds = SECONDS[timeframe]
    if schedule_of(asset_class) is None:
        return np.where(numbers >= 0, numbers * seconds, -1)
    first, bars, before = _sequence(asset_class, timeframe, grid)
    session = np.searchsorted(before, numbers, side="right") - 1
    known = (numbers >= 0) & (numbers < before[-1] + bars[-1])
    return np.where(known, first[session] + (numbers - before[session]) * seconds, -1)


class _Sequence(NamedTuple):
    """Each session's first bar (epoch seconds), how many bars it owes, and how many were owed before it."""

    first: Times
    bars: Times
    before: Times


@cache
def _sequence(asset_class: str, timeframe: Timeframe, grid: Grid) -> _Sequence:
    schedule, seconds = schedule_of(asset_class), SECONDS[timeframe]
    if schedule is None:
        raise ValueError(f"{asset_class} has no sessions")
    if timeframe == "1d":
        first, bars = schedule.dates, np.ones_like(schedule.dates)
    else:
        first = _first_bars(asset_class, schedule, seconds, grid)
        bars = -(-(schedule.closes - first) // seconds)
    return _Sequence(first, bars, np.cumsum(bars) - bars)


def _numbered(sequence: _Sequence, ts: Times, seconds: int) -> Times:
    session = np.searchsorted(sequence.first, ts, side="right") - 1
    since = ts - sequence.first[session]
    bar = since // seconds
    owed = (session >= 0) & (since % seconds == 0) & (bar < sequence.bars[session])
    return np.where(owed, sequence.before[session] + bar, -1)


def _first_bars(asset_class: str, schedule: Schedule, seconds: int, grid: Grid) -> Times:
    """Open of each session's first bar of ``seconds``, epoch seconds."""
    if asset_class in WEEKDAYS:
        return -(-schedule.opens // seconds) * seconds
    return schedule.opens // seconds * seconds if grid == "clock" else schedule.opens


def expects_bar(asset_class: str, ts: datetime, timeframe: Timeframe, grid: Grid = "session") -> bool:
    """Whether the asset class owes a bar that opens at ``ts``."""
    opens = expected_opens(asset_class, timeframe, ts, ts + timedelta(seconds=1), grid)
    return len(opens) == 1 and int(opens[0]) == epoch(ts)


def due_open(asset_class: str, timeframe: Timeframe, close: datetime, grid: Grid = "session") -> datetime | None:
    """Return the open of the bar that becomes whole in the slice ending at ``close``; None: the market owes none.

    Slices end on the clock, so a bar that opened at half past is whole in the slice after its own close.
    """
    step = timedelta(seconds=SECONDS[timeframe])
    opens = expected_opens(
        asset_class, timeframe, close - 2 * step + timedelta(seconds=1), close - step + timedelta(seconds=1), grid
    )
    return moment(int(opens[-1])) if len(opens) else None


def infer_grid(asset_class: str, timeframe: Timeframe, ts: Times) -> Grid:
    """Tell from delivered opens how their source cuts a session; ``session`` where both ways are the same."""
    seconds = SECONDS[timeframe]
    if asset_class in ALWAYS_OPEN | WEEKDAYS or timeframe == "1d" or 1800 % seconds == 0 or len(ts) == 0:
        return "session"
    return "clock" if float(np.mean(ts % seconds == 0)) > 0.5 else "session"


def market_gaps(
    asset_class: str, timeframe: Timeframe, ts: Times, since: datetime, until: datetime, grid: Grid | None = None
) -> list[Gap]:
    """Runs of owed bars in [since, until) absent from ``ts``; without ``grid`` it is inferred from ``ts``."""
    which = grid or infer_grid(asset_class, timeframe, ts)
    return find_gaps(ts, timeframe, lambda a, b: expected_opens(asset_class, timeframe, a, b, which), since, until)
