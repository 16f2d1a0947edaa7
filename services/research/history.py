"""Recorded candles as the slices and forecasts that the services would have seen: what a back-test runs on."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from services.contracts.messages import Bar, ForecastsMade, Missing, SliceClosed
from services.domain.calendars import expected_opens
from services.domain.candles import SECONDS, Timeframe, epoch, moment
from services.inference import training
from services.inference.forecasting import Forecaster
from services.inference.registry import TrainedModel
from services.inference.series import Candles
from services.inference.settings import ModelsSettings
from services.ingestion.files import CandleFile
from services.ingestion.service import Span


def for_inference(series: Sequence[CandleFile]) -> dict[str, Candles]:
    """Hand recorded candles to inference, by symbol."""
    return {
        one.symbol: Candles(
            one.symbol,
            one.asset_class,
            one.candles.ts,
            one.candles.open,
            one.candles.high,
            one.candles.low,
            one.candles.close,
            one.candles.volume,
        )
        for one in series
    }


def slices(series: Sequence[CandleFile], span: Span, timeframe: Timeframe = "1h") -> list[SliceClosed]:
    """Close every slice in (begins, until], with the bars there are and the names of those that should be there."""
    step = timedelta(seconds=SECONDS[timeframe])
    seconds = SECONDS[timeframe]
    first = epoch(span.begins)
    count = (epoch(span.until) - first) // seconds
    bars: list[list[Bar]] = [[] for _ in range(count)]
    missing: list[list[Missing]] = [[] for _ in range(count)]
    for one in sorted(series, key=lambda s: s.symbol):
        part = one.candles.between(span.begins, span.until - step + timedelta(seconds=1))
        columns = [column.tolist() for column in (part.open, part.high, part.low, part.close, part.volume)]
        places = ((part.ts - first) // seconds).tolist()
        for place, *values in zip(places, *columns, strict=True):
            bars[place].append(Bar(one.symbol, one.asset_class, *values))
        owed = expected_opens(one.asset_class, timeframe, span.begins, span.until)
        for ts in np.setdiff1d(owed, part.ts).tolist():
            missing[(ts - first) // seconds].append(Missing(one.symbol, "no candle by the close"))
    return [
        SliceClosed(moment(first + (i + 1) * seconds), timeframe, tuple(bars[i]), tuple(missing[i]))
        for i in range(count)
    ]


def forecasts(
    series: Sequence[CandleFile],
    closed: Sequence[SliceClosed],
    settings: ModelsSettings,
    trained: Sequence[TrainedModel] | None = None,
) -> list[ForecastsMade]:
    """Forecast all slices, training by walk-forward first where no models are given."""
    candles = for_inference(series)
    models = list(training.walk_forward(candles, settings)) if trained is None else trained
    made, _ = Forecaster(settings, models).forecast(candles, closed, {})
    return made
