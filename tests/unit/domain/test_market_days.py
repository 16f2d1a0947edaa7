"""Days as markets have them, against the bars that they owe."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.domain.calendars import Grid, expected_opens
from services.domain.candles import Timeframe
from services.domain.market_days import bars_per_day, market_days

SINCE = datetime(2024, 3, 4, tzinfo=UTC)
UNTIL = SINCE + timedelta(days=14)


@pytest.mark.parametrize("timeframe", ["1m", "1h", "4h", "1d"])
@pytest.mark.parametrize(
    ("asset_class", "grid"), [("crypto", "session"), ("forex", "session"), ("stocks", "session"), ("meme", "clock")]
)
def test_a_whole_day_has_as_many_bars_as_are_owed_in_it(asset_class: str, grid: Grid, timeframe: Timeframe) -> None:
    opens = expected_opens(asset_class, timeframe, SINCE, UNTIL, grid)
    _, counts = np.unique(market_days(asset_class, opens), return_counts=True)
    whole = counts[1:-1]
    assert len(whole) >= 8
    # Where a day begins inside a four-hour bar by the clock, its days differ by that bar.
    slack = 1 if asset_class in {"forex", "meme"} and timeframe == "4h" else 0
    assert (np.abs(whole - bars_per_day(asset_class, timeframe)) <= slack).all()


def test_the_evening_of_forex_belongs_to_the_next_day() -> None:
    sunday, monday = (datetime(2024, 3, day, hour, tzinfo=UTC) for day, hour in ((3, 23), (4, 12)))
    opens = np.array([int(one.timestamp()) for one in (sunday, monday)], dtype=np.int64)
    days = market_days("forex", opens)
    assert days[0] == days[1]
