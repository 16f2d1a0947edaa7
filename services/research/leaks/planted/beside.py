"""Planted in what is read off the market beside forecasts: regimes, levels, usual volatility."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from services.contracts.messages import ForecastsMade, SliceClosed
from services.contracts.readings import Reading
from services.inference.asset_readings import OwnReading, read_bars
from services.inference.market import Market
from services.inference.registry import TrainedModel
from services.inference.series import BARS_PER_DAY, epoch
from services.research.leaks.pipeline import SLICE_HOURS, Pipeline
from services.research.leaks.planted.kinds import Leak, step


@step("forecast", "the regime is the one that the next slice confirms", "perturbation")
def regime_of_the_next_slice(
    pipeline: Pipeline, market: Market, trained: Sequence[TrainedModel], slices: Sequence[SliceClosed]
) -> list[ForecastsMade]:
    def later(reading: Reading, row: int) -> Reading:
        return msgspec.structs.replace(reading, regime=_read(market, reading.symbol, row + SLICE_HOURS).regime)

    return _each(Pipeline.forecast(pipeline, market, trained, slices), market, later)


@step("forecast", "support and resistance are looked for in the day to come as well", "truncation")
def levels_of_the_day_to_come(
    pipeline: Pipeline, market: Market, trained: Sequence[TrainedModel], slices: Sequence[SliceClosed]
) -> list[ForecastsMade]:
    def later(reading: Reading, row: int) -> Reading:
        own = _read(market, reading.symbol, row + BARS_PER_DAY)
        return msgspec.structs.replace(reading, supports=own.supports, resistances=own.resistances)

    return _each(Pipeline.forecast(pipeline, market, trained, slices), market, later)


@step("forecast", "the usual volatility is the median of the whole history's", "truncation")
def usual_volatility_of_the_whole(
    pipeline: Pipeline, market: Market, trained: Sequence[TrainedModel], slices: Sequence[SliceClosed]
) -> list[ForecastsMade]:
    usual = {
        symbol: float(np.median(np.abs(np.diff(np.log(series.close))))) for symbol, series in market.candles.items()
    }
    made = Pipeline.forecast(pipeline, market, trained, slices)
    return _each(made, market, lambda one, _: msgspec.structs.replace(one, usual_volatility=usual[one.symbol]))


def _read(market: Market, symbol: str, row: int) -> OwnReading:
    series = market.candles[symbol]
    return read_bars(series, np.array([min(row, len(series.ts) - 1)], dtype=np.int64))[0]


def _each(
    made: Sequence[ForecastsMade], market: Market, change: Callable[[Reading, int], Reading]
) -> list[ForecastsMade]:
    """Change every reading, given the row of its bar."""
    found = []
    for one in made:
        rows = {
            reading.symbol: int(np.searchsorted(market.candles[reading.symbol].close_ts, epoch(one.ts), side="right"))
            for reading in one.readings
        }
        changed = tuple(change(reading, rows[reading.symbol] - 1) for reading in one.readings)
        found.append(msgspec.structs.replace(one, readings=changed))
    return found


LEAKS: tuple[Leak, ...] = (regime_of_the_next_slice, levels_of_the_day_to_come, usual_volatility_of_the_whole)
