"""What is read off the market for slices besides forecasts, many slices at once or one, with the same result."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.contracts.messages import Bar, SliceClosed
from services.contracts.readings import MarketReading, Reading, Returns
from services.domain.market_regimes import market_state, share_at
from services.inference.asset_readings import OwnReading, read_bars
from services.inference.bars import bars_by_symbol, rows_of_bars
from services.inference.context import Observed
from services.inference.daily_readings import Clusters, daily_returns, grouped, midnight_before
from services.inference.features import READINGS
from services.inference.market import Market
from services.inference.series import epoch, moment
from services.inference.settings import ModelsSettings

DAY = 86_400
EARNINGS_DAYS = 10
NO_CANDLE = OwnReading()
TOLD = ("btc_dominance", "usdt_dominance", "sentiment", "mentions", "posts", "earnings")
MAX_AGE = {one.name: one.max_age for one in READINGS}
"""Seconds after which a value counts no more, as for the features."""

Column = tuple[list[int], list[float]]
"""When each value became known, ascending, and what it was."""


class SliceReadings(NamedTuple):
    """What goes into one slice's message, see :class:`services.contracts.messages.ForecastsMade`."""

    readings: tuple[Reading, ...]
    market: MarketReading
    clusters: tuple[tuple[str, ...], ...]
    returns: tuple[Returns, ...]


def read(
    market: Market, slices: Sequence[SliceClosed], settings: ModelsSettings, known: Clusters | None = None
) -> list[SliceReadings]:
    """Read the slices, in ascending order; nothing that closed or became known after a slice is looked at in it.

    ``market`` holds each asset's bars from so far before the oldest slice on as :func:`asset_readings.reach` and a day
    say; for a midnight also those of assets that have no bar in a slice. ``known`` are the clusters of the midnight
    before the first slice, where they were found before.
    """
    moments = [epoch(one.ts) for one in slices]
    found: list[list[Reading]] = [[] for _ in slices]
    for symbol, bars in sorted(bars_by_symbol(slices).items()):
        told = _Told({**market.values, **market.values_of.get(symbol, {})})
        for i, own in _own(market, symbol, bars, slices, settings).items():
            found[i].append(told.reading(symbol, own, moments[i]))
    dominance = _Told(market.values)
    said: list[SliceReadings] = []
    for i, now in enumerate(moments):
        midnight = midnight_before(now)
        if known is None or known.midnight != midnight:
            known = grouped(market.candles, midnight, settings)
        returns = daily_returns(market.candles, midnight) if now == midnight else ()
        said.append(SliceReadings(tuple(found[i]), dominance.market(now), known.groups, returns))
    return said


def _own(
    market: Market, symbol: str, bars: Mapping[int, Bar], slices: Sequence[SliceClosed], settings: ModelsSettings
) -> dict[int, OwnReading]:
    """Read the asset's candles at each slice that has a bar of it."""
    found = dict.fromkeys(bars, NO_CANDLE)
    series = market.candles.get(symbol)
    if series is not None:
        rows = rows_of_bars(series, bars, slices, settings.bar_seconds)
        said = read_bars(series, rows[rows >= 0], settings.leverage.get(symbol))
        there = [i for i, row in zip(bars, rows.tolist(), strict=True) if row >= 0]
        found.update(zip(there, said, strict=True))
    return found


class _Told:
    """What became known besides candles, of the whole market or of one asset, by name."""

    def __init__(self, values: Mapping[str, Observed]) -> None:
        self.columns = {
            name: (values[name].available.tolist(), values[name].value.tolist()) for name in TOLD if name in values
        }

    def reading(self, symbol: str, own: OwnReading, now: int) -> Reading:
        """Put one asset's reading of a slice together."""
        mentions, earnings = self._newest("mentions", now), self._earnings(now)
        return Reading(
            symbol,
            *own,
            sentiment=self._newest("sentiment", now),
            mentions=None if mentions is None else int(mentions),
            posts=self._posts(now),
            earnings_at=None if earnings is None else moment(earnings),
        )

    def market(self, now: int) -> MarketReading:
        """Name the whole market's regime."""
        state = market_state(now, *(share_at(*self._of(name), now) for name in ("btc_dominance", "usdt_dominance")))
        as_of = None if state.known is None else moment(state.known)
        return MarketReading(state.regime, state.why, state.btc, state.usdt, as_of)

    def _of(self, name: str) -> Column:
        return self.columns.get(name, ([], []))

    def _newest(self, name: str, now: int) -> float | None:
        known, values = self._of(name)
        row = bisect_right(known, now) - 1
        return values[row] if row >= 0 and now - known[row] < MAX_AGE[name] else None

    def _posts(self, now: int) -> int | None:
        known, values = self._of("posts")
        part = values[bisect_right(known, now - DAY) : bisect_right(known, now)]
        return int(sum(part)) if part else None

    def _earnings(self, now: int) -> int | None:
        known, dates = self._of("earnings")
        near = [int(at) for at in dates[: bisect_right(known, now)] if abs(at - now) <= EARNINGS_DAYS * DAY]
        return min(near, key=lambda at: (abs(at - now), at), default=None)
