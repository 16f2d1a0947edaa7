"""What an evaluation looks at: each asset's forecasts in columns, beside what came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.contracts.messages import Forecast, ForecastsMade
from services.domain.assets import AssetClass
from services.domain.candles import SECONDS
from services.domain.market_days import bars_per_day
from services.domain.regimes import classify
from services.execution.settings import PaperSettings
from services.inference.series import Candles, Floats, Ints, epoch
from services.research.outcomes import outcomes

ENSEMBLE = "ensemble"
RANDOM_WALK = "random_walk"
"""The yardstick: a forecast of no move. A part of this name only lends it an uncertainty."""

NO_BUCKET = -1


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What one model said at each row: log return and its standard deviation, (n,) each, NaN where it was silent."""

    expected: Floats
    uncertainty: Floats


@dataclass(frozen=True, slots=True, eq=False)
class AssetForecasts:
    """One asset's forecasts of one horizon in time order, all (n,): log returns, NaN where unknown or not given.

    ``bar`` numbers the rows in the market's own sequence: a horizon is ``horizon_bars`` of them. ``low`` and ``high``
    bound the 80 % interval. ``bucket`` is ``NO_BUCKET`` where there is no confidence.
    """

    symbol: str
    asset_class: str
    horizon_hours: int
    horizon_bars: int
    cost_bps: float
    """Of one round trip: fees, half the spread and slippage, twice."""
    close_ts: Ints
    """Epoch seconds of the slice."""
    bar: Ints
    close: Floats
    realised: Floats
    low: Floats
    high: Floats
    p_up: Floats
    confidence: Floats
    bucket: Ints
    regime: NDArray[np.str_]
    ensemble: Said
    parts: Mapping[str, Said] = field(default_factory=dict)
    untrained: int = 0
    """Slices left out because only the random walk had forecast: they would flatter every ratio towards 1."""

    @property
    def models(self) -> dict[str, Said]:
        """The ensemble and its parts without the random walk, which is the yardstick."""
        return {ENSEMBLE: self.ensemble, **{name: said for name, said in self.parts.items() if name != RANDOM_WALK}}


def round_trip_bps(costs: AssetClass, paper: PaperSettings) -> float:
    """Add up what going in and out costs at the paper venue; the impact of size is left out, for it has none here."""
    return float(2 * (costs.fee_bps + costs.spread_bps / 2 + paper.slippage_bps))


def rows_of(
    candles: Mapping[str, Candles],
    made: Sequence[ForecastsMade],
    horizon_bars: int,
    costs_bps: Mapping[str, float],
) -> list[AssetForecasts]:
    """Put forecasts beside the candles, by symbol; ``costs_bps`` maps asset classes to the cost of a round trip.

    Outcomes that lie beyond the candles are NaN. A forecast without its candle is left out, and so are those from
    before the first model was trained: an asset may have no rows at all.
    """
    found: dict[str, list[tuple[int, Forecast]]] = {}
    for one in made:
        for forecast in one.forecasts:
            found.setdefault(forecast.symbol, []).append((epoch(one.ts), forecast))
    built = (
        _asset(candles[symbol], said, horizon_bars, costs_bps[said[0][1].asset_class])
        for symbol, said in sorted(found.items())
        if symbol in candles
    )
    return [one for one in built if len(one.close_ts) or one.untrained]


def _asset(series: Candles, said: Sequence[tuple[int, Forecast]], horizon_bars: int, cost_bps: float) -> AssetForecasts:
    spoken = [one for one in said if any(part.model != RANDOM_WALK for part in one[1].parts)]
    untrained, said = len(said) - len(spoken), spoken
    moments = np.array([ts for ts, _ in said], dtype=np.int64)
    # The newest bar that has closed by the slice: exchanges that open at half past close between two slices.
    row = np.searchsorted(series.close_ts, moments, side="right") - 1
    series = series.restated()
    position = series.position()
    there = (row >= 0) & (moments - series.close_ts[np.maximum(row, 0)] < SECONDS[series.timeframe])
    there &= position[np.maximum(row, 0)] >= 0
    row, kept = row[there].astype(np.int64), [said[i] for i in np.flatnonzero(there).tolist()]
    moments = moments[there]
    forecasts = [forecast for _, forecast in kept]
    expected = np.array([f.expected_return for f in forecasts], dtype=np.float64)
    confidence = np.array([f.confidence for f in forecasts], dtype=np.float64)
    # A forecast of no move has no direction to be confident in, and one of 0.0 is given before there is a history.
    unsure = (expected == 0.0) | (confidence == 0.0)
    return AssetForecasts(
        symbol=series.symbol,
        asset_class=series.asset_class,
        horizon_hours=forecasts[0].horizon_hours if forecasts else 0,
        horizon_bars=horizon_bars,
        cost_bps=cost_bps,
        close_ts=moments,
        bar=position[row],
        close=series.close[row],
        realised=outcomes(series.asset_class, series.timeframe, series.ts, series.close, moments, horizon_bars),
        low=_optional([f.low for f in forecasts]),
        high=_optional([f.high for f in forecasts]),
        p_up=_optional([f.p_up for f in forecasts]),
        confidence=np.where(unsure, np.nan, confidence),
        bucket=np.where(unsure, NO_BUCKET, np.array([f.bucket for f in forecasts], dtype=np.int64)),
        regime=classify(series.close, bars_per_day(series.asset_class, series.timeframe))[row],
        ensemble=Said(expected, np.array([f.uncertainty for f in forecasts], dtype=np.float64)),
        parts=_parts(forecasts),
        untrained=untrained,
    )


def _optional(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _parts(forecasts: Sequence[Forecast]) -> dict[str, Said]:
    found: dict[str, Said] = {}
    for i, forecast in enumerate(forecasts):
        for part in forecast.parts:
            said = found.get(part.model)
            if said is None:
                silent = np.full(len(forecasts), np.nan)
                said = found[part.model] = Said(silent, silent.copy())
            said.expected[i], said.uncertainty[i] = part.expected_return, part.uncertainty
    return dict(sorted(found.items()))
