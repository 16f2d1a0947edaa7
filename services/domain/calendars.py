"""Which bars an asset class owes, so that a night is not taken for a gap.

Sources cut an exchange's session in two ways: from its opening (09:30, 10:30, ...: ``session``) or by the clock
(09:00, 10:00, ...: ``clock``, the first bar beginning before the opening). Bars that divide half an hour are the same
in both. What trades around the clock is cut by the clock alone.
"""

from datetime import datetime, timedelta
from typing import Literal

import numpy as np

from services.domain.candles import SECONDS, Gap, Timeframe, Times, epoch, find_gaps, moment
from services.domain.sessions import ALWAYS_OPEN, WEEKDAYS, next_open, schedule_of, session_open

__all__ = [
    "Grid",
    "due_open",
    "expected_opens",
    "expects_bar",
    "infer_grid",
    "market_gaps",
    "next_open",
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
    first = near.opens
    if asset_class in WEEKDAYS:
        first = -(-first // seconds) * seconds
    elif grid == "clock":
        first = first // seconds * seconds
    bars = [np.arange(a, b, seconds, dtype=np.int64) for a, b in zip(first, near.closes, strict=True)]
    every = np.concatenate(bars) if bars else np.empty(0, dtype=np.int64)
    return every[(every >= begin) & (every < end)]


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
