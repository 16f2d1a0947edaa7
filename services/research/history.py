"""Recorded candles as the slices and forecasts that the services would have seen: what a back-test runs on."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.contracts.messages import Bar, ForecastsMade, SliceClosed
from services.domain.candles import SECONDS, Timeframe, moment
from services.inference import training
from services.inference.forecasting import Forecaster
from services.inference.registry import TrainedModel
from services.inference.series import Candles
from services.inference.settings import ModelsSettings
from services.ingestion.clock import SECOND, by_slice, close_slice
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
    """Close every slice in (begins, until] as the clock does, with the bars that close in it."""
    step = timedelta(seconds=SECONDS[timeframe])
    bars: list[tuple[datetime, Bar]] = []
    for one in series:
        part = one.candles.between(span.begins - step + SECOND, span.until - step + SECOND)
        columns = [column.tolist() for column in (part.ts, part.open, part.high, part.low, part.close, part.volume)]
        bars += [(moment(ts), Bar(one.symbol, one.asset_class, *values)) for ts, *values in zip(*columns, strict=True)]
    found = by_slice(bars, step)
    symbols = {one.symbol: one.asset_class for one in sorted(series, key=lambda s: s.symbol)}
    count = int((span.until - span.begins) / step)
    moments = [span.begins + (i + 1) * step for i in range(count)]
    return [close_slice(ts, timeframe, found.get(ts, {}), symbols, step) for ts in moments]


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
