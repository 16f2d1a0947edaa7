"""What came after a forecast is counted in the market's own bars."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from services.domain.calendars import expected_opens
from services.domain.candles import SECONDS, Timeframe, Values
from services.research.outcomes import outcomes

SINCE, UNTIL = datetime(2024, 6, 3, tzinfo=UTC), datetime(2024, 6, 15, tzinfo=UTC)


def prices(n: int) -> Values:
    return 100.0 + np.arange(n, dtype=np.float64)


@pytest.mark.parametrize("timeframe", ["1m", "1h", "1d"])
@pytest.mark.parametrize("asset_class", ["crypto", "stocks", "forex"])
def test_the_horizon_ends_so_many_owed_bars_later_over_any_night(asset_class: str, timeframe: Timeframe) -> None:
    ts, seconds = expected_opens(asset_class, timeframe, SINCE, UNTIL), SECONDS[timeframe]
    close = prices(len(ts))
    slices = -(-(ts + seconds) // seconds) * seconds
    found = outcomes(asset_class, timeframe, ts, close, slices, 3)
    assert found[:-3].tolist() == pytest.approx(np.log(close[3:] / close[:-3]).tolist())
    assert np.isnan(found[-3:]).all()


def test_fridays_last_hour_is_followed_by_mondays_first() -> None:
    ts = expected_opens("stocks", "1h", SINCE, UNTIL)
    close = prices(len(ts))
    friday = datetime(2024, 6, 7, 20, tzinfo=UTC)  # the session's last bar opened at 19:30 and is whole at 21:00
    at = int(np.searchsorted(ts, int(friday.timestamp()))) - 1
    (found,) = outcomes("stocks", "1h", ts, close, np.array([int(friday.timestamp()) + 3600]), 1)
    assert found == pytest.approx(math.log(close[at + 1] / close[at]))


def test_a_missing_bar_at_either_end_leaves_nothing_to_compare() -> None:
    ts = expected_opens("crypto", "1h", SINCE, UNTIL)
    close = prices(len(ts))
    slices = ts + 3600
    there = np.ones(len(ts), dtype=bool)
    there[20] = False
    found = outcomes("crypto", "1h", ts[there], close[there], slices, 4)
    assert np.flatnonzero(np.isnan(found)).tolist() == [16, 20, *range(len(ts) - 4, len(ts))]
    nothing = outcomes("crypto", "1h", ts[:0], close[:0], slices, 4)
    assert np.isnan(nothing).all()
