"""What is read once a day, as of a midnight of UTC: which assets move together, and everyone's daily returns.

Both look at no more than each asset's last :func:`services.inference.asset_readings.reach` bars, in the units of the
last bar that had closed by the midnight.
"""

from collections.abc import Mapping

import numpy as np

from services.contracts.readings import Returns
from services.contracts.shape import Struct
from services.domain.candles import SECONDS
from services.domain.correlations import Closes, Pair, clusters, correlations
from services.inference.asset_readings import reach
from services.inference.series import Candles
from services.inference.settings import ModelsSettings

DAY = 86_400
RETURN_DAYS = 90
CLOSED_DAYS = 5
"""The longest that any of our markets stays closed, a weekend with holidays: what has no bar for longer is gone."""
LEAST_CELLS = 90
"""Bars over which returns are correlated at the least, where the configured days have fewer."""

__all__ = ["CLOSED_DAYS", "Clusters", "correlated", "daily_returns", "grouped", "midnight_before"]


class Clusters(Struct, frozen=True):
    """Assets that move together, as of a midnight (epoch seconds)."""

    midnight: int
    groups: tuple[tuple[str, ...], ...] = ()


def midnight_before(seconds: int) -> int:
    """Return the last midnight of UTC at or before a time."""
    return seconds // DAY * DAY


def span_seconds(settings: ModelsSettings) -> int:
    """Say over how many seconds returns are correlated."""
    return max(settings.readings.correlation_days * DAY, LEAST_CELLS * settings.bar_seconds)


def correlated(candles: Mapping[str, Candles], midnight: int, settings: ModelsSettings) -> list[Pair]:
    """Correlate the returns of every two assets up to the midnight."""
    step = settings.bar_seconds
    found: dict[str, Closes] = {}
    for symbol, series in candles.items():
        own = _closed_by(series, midnight)
        if len(own.ts):
            # A bar that opens at half past is whole in the slice after its own close.
            found[symbol] = Closes(-(-own.close_ts // step) * step, own.close)
    return correlations(found, midnight, span_seconds(settings), step)


def grouped(candles: Mapping[str, Candles], midnight: int, settings: ModelsSettings) -> Clusters:
    """Find the clusters as of the midnight."""
    return Clusters(midnight, clusters(correlated(candles, midnight, settings), settings.readings.cluster_correlation))


def daily_returns(candles: Mapping[str, Candles], midnight: int) -> tuple[Returns, ...]:
    """Return each asset's last 90 daily log returns up to the midnight, or fewer, in order of symbol.

    A day's close is the last one known at its midnight, so all assets' days are the same days, and a closed market's
    return is 0. Assets that have been silent for longer than a market stays closed are left out.
    """
    midnights = midnight - DAY * np.arange(RETURN_DAYS, -1, -1, dtype=np.int64)
    found: list[Returns] = []
    for symbol, series in sorted(candles.items()):
        own = _closed_by(series, midnight)
        if len(own.ts) == 0 or midnight - int(own.close_ts[-1]) > CLOSED_DAYS * DAY:
            continue
        rows = np.searchsorted(own.close_ts, midnights, side="right") - 1
        closes = own.close[rows[rows >= 0]]
        with np.errstate(invalid="ignore", divide="ignore"):
            moved = np.diff(np.log(closes))
        # What is before a price that is no price (a negative one of oil) does not join what is after it.
        holes = np.flatnonzero(~np.isfinite(moved))
        moved = moved[holes[-1] + 1 :] if len(holes) else moved
        if len(moved):
            found.append(Returns(symbol, tuple(moved.tolist())))
    return tuple(found)


def _closed_by(series: Candles, midnight: int) -> Candles:
    """Return the bars that are looked at: the last ones closed by the midnight, in the units of the last."""
    stop = int(np.searchsorted(series.ts, midnight - SECONDS[series.timeframe], side="right"))
    return series.between(max(0, stop - reach(series.asset_class, series.timeframe)), stop).restated()
