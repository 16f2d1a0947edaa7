"""Recorded candles as the slices and forecasts that the services would have seen: what a back-test runs on."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.contracts.messages import Bar, ForecastsMade, SliceClosed
from services.domain.candles import SECONDS, moment
from services.domain.corporate_actions import CORPORATE_ACTIONS_FILE, CorporateActions, dated_splits, raw_splits
from services.inference.forecasting import Forecaster
from services.inference.market import Market
from services.inference.parallel import cores
from services.inference.registry import TrainedModel
from services.inference.series import Candles
from services.inference.settings import ModelsSettings
from services.inference.walk_forward import walk_forward
from services.ingestion.clock import SECOND, by_slice, close_slice
from services.ingestion.files import CandleFile
from services.ingestion.service import Span
from services.ingestion.slice_splits import with_splits
from services.kernel.config import load


def for_inference(series: Sequence[CandleFile]) -> dict[str, Candles]:
    """Hand recorded candles to inference, by symbol, with the declared splits that they show."""
    declared = load(CorporateActions, CORPORATE_ACTIONS_FILE).actions
    splits = {one.candles.timeframe: dated_splits(declared, one.candles.timeframe) for one in series}
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
            one.candles.timeframe,
            raw_splits(
                splits[one.candles.timeframe].get(one.symbol, ()), one.candles.ts, one.candles.open, one.candles.close
            ),
        )
        for one in series
    }


def market_of(series: Sequence[CandleFile], settings: ModelsSettings) -> Market:
    """Hand recorded candles to inference with the assets that lead each class; files hold no other values."""
    return Market(for_inference(series), settings.leaders)


def slices(series: Sequence[CandleFile], span: Span, actions: CorporateActions | None = None) -> list[SliceClosed]:
    """Close every slice in (begins, until] as the clock does, with the bars that close in it and their splits.

    ``actions`` None: those that the configuration declares, as the clock reads them; raises ConfigError.
    """
    timeframe = series[0].candles.timeframe
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
    plain = [close_slice(ts, timeframe, found.get(ts, {}), symbols, step) for ts in moments]
    declared = actions or load(CorporateActions, CORPORATE_ACTIONS_FILE)
    return with_splits(plain, {}, dated_splits(declared.actions, timeframe), step)[0]


def forecasts(
    series: Sequence[CandleFile],
    closed: Sequence[SliceClosed],
    settings: ModelsSettings,
    trained: Sequence[TrainedModel] | None = None,
) -> list[ForecastsMade]:
    """Forecast all slices, training by walk-forward first where no models are given."""
    market = market_of(series, settings)
    models = list(walk_forward(market, settings, workers=cores())) if trained is None else trained
    made, _ = Forecaster(settings, models).forecast(market, closed, {})
    return made
