"""What came after a forecast: the price a number of the market's own bars later. Nights and weekends do not count."""

import numpy as np

from services.domain.calendars import positions
from services.domain.candles import SECONDS, Timeframe, Times, Values


def outcomes(
    asset_class: str, timeframe: Timeframe, ts: Times, close: Values, slices: Times, horizon_bars: int
) -> Values:
    """Log return from the bar of each slice to the one ``horizon_bars`` later; NaN where either bar is absent.

    ``ts`` (n,) are opens in ascending order and ``close`` (n,) their closes; ``slices`` (m,) are ends of slices. Epoch
    seconds, UTC.
    """
    seconds = SECONDS[timeframe]
    numbers = positions(asset_class, timeframe, ts)
    owed = numbers >= 0
    numbers, prices, ends = numbers[owed], close[owed], -(-(ts[owed] + seconds) // seconds) * seconds
    realised = np.full(len(slices), np.nan)
    if len(numbers) == 0:
        return realised
    begin = np.searchsorted(ends, slices, side="right") - 1
    wanted = numbers[begin] + horizon_bars
    end = np.minimum(np.searchsorted(numbers, wanted), len(numbers) - 1)
    known = (begin >= 0) & (ends[begin] == slices) & (numbers[end] == wanted)
    realised[known] = np.log(prices[end[known]] / prices[begin[known]])
    return realised
