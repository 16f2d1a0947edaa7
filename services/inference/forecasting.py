"""From candles and trained models to the forecasts of slices, many slices at once or one, with the same result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from services.contracts.messages import Bar, Forecast, ForecastPart, ForecastsMade, Missing, SliceClosed
from services.inference import decide, features, models
from services.inference.decide import Params, Parts, ScoreHistory
from services.inference.registry import TrainedModel, by_model, checked_artefact
from services.inference.series import BAR_SECONDS, Candles, Floats, Ints, epoch, row_at
from services.inference.settings import ModelsSettings

UNTRAINED = "untrained"
"""The version of a part whose model needs no training and has none yet."""

Histories = Mapping[str, ScoreHistory]


@dataclass(frozen=True, slots=True)
class Batch:
    """One asset's rows in a batch: which slices, what is known at each of them, and why some cannot be forecast."""

    slices: list[int]
    close: Floats
    x: Floats
    missing: dict[int, str]


class Forecaster:
    """Forecasts slices with, for each of them, the newest model that was trained only on what was known by then."""

    def __init__(self, settings: ModelsSettings, trained: Sequence[TrainedModel]) -> None:
        self.settings = settings
        self.models = models.build_all(settings)
        self.trained = by_model(trained)
        self.params = Params(
            settings.weights, settings.horizon_hours, settings.confidence.history, settings.confidence.at_least
        )
        self._features_hash = features.features_hash()
        # Only the last one of each symbol and model: slices come in order, and trees take memory.
        self._loaded: dict[tuple[str, str], tuple[str, models.Fitted]] = {}

    def forecast(
        self, candles: Mapping[str, Candles], slices: Sequence[SliceClosed], histories: Histories
    ) -> tuple[list[ForecastsMade], dict[str, ScoreHistory]]:
        """Forecast the slices, in ascending order; return one message each and the score histories after them.

        ``candles`` holds for each symbol what closed by the newest slice, and ``features.WINDOW`` bars before the
        oldest; later candles than a slice are not looked at. Raises :class:`ModelError` for a changed artefact.
        """
        after = dict(histories)
        made: list[list[Forecast]] = [[] for _ in slices]
        missing: list[list[Missing]] = [list(one.missing) for one in slices]
        for symbol, bars in _bars_by_symbol(slices).items():
            batch = _batch(candles.get(symbol), bars, slices)
            for i, reason in batch.missing.items():
                missing[i].append(Missing(symbol, reason))
            moments = [slices[i].ts for i in batch.slices]
            history = after.get(symbol, ScoreHistory())
            for row, (i, parts) in enumerate(zip(batch.slices, self._parts(symbol, moments, batch.x), strict=True)):
                if not parts:
                    missing[i].append(Missing(symbol, "no model was trained on hours before this slice"))
                    continue
                event = Parts(symbol, bars[i].asset_class, float(batch.close[row]), parts)
                history, forecast = decide.decide(history, event, self.params)
                made[i].append(forecast)
            after[symbol] = history
        return [
            ForecastsMade(
                ts=one.ts,
                timeframe=one.timeframe,
                forecasts=tuple(sorted(made[i], key=lambda forecast: forecast.symbol)),
                missing=tuple(sorted(missing[i], key=lambda absent: absent.symbol)),
            )
            for i, one in enumerate(slices)
        ], after

    def _parts(self, symbol: str, moments: Sequence[datetime], x: Floats) -> list[tuple[ForecastPart, ...]]:
        """Ask every model about every row (n, F), in one call per stretch of rows that share a trained version."""
        parts: list[list[ForecastPart]] = [[] for _ in moments]
        for name in self.models:
            for rows, version, fitted in self._stretches(symbol, name, moments):
                said = fitted.predict(x[rows])
                pairs = zip(rows, said.expected_return.tolist(), said.uncertainty.tolist(), strict=True)
                for row, expected, uncertainty in pairs:
                    parts[row].append(ForecastPart(name, version, expected, uncertainty))
        return [tuple(of_row) for of_row in parts]

    def _stretches(self, symbol: str, name: str, moments: Sequence[datetime]) -> list[tuple[Ints, str, models.Fitted]]:
        known = self.trained.get((symbol, name), [])
        starts = np.array([epoch(row.valid_from) for row in known], dtype=np.int64)
        newest = np.searchsorted(starts, np.array([epoch(ts) for ts in moments], dtype=np.int64), side="right") - 1
        found: list[tuple[Ints, str, models.Fitted]] = []
        for index in np.unique(newest):
            rows = np.flatnonzero(newest == index).astype(np.int64)
            fitted = self._load(known[index]) if index >= 0 else self.models[name].untrained()
            if fitted is not None:
                found.append((rows, known[index].version if index >= 0 else UNTRAINED, fitted))
        return found

    def _load(self, row: TrainedModel) -> models.Fitted:
        key = (row.symbol, row.model)
        held = self._loaded.get(key)
        if held is not None and held[0] == row.version:
            return held[1]
        artefact = checked_artefact(row, self._features_hash, self.settings.horizon_hours)
        fitted = self.models[row.model].load(artefact)
        self._loaded[key] = (row.version, fitted)
        return fitted


def slices_of(candles: Mapping[str, Candles], moments: Sequence[datetime], timeframe: str = "1h") -> list[SliceClosed]:
    """Make the slices that close at ``moments`` out of the candles themselves, for research and training reports."""
    wanted = np.array([epoch(ts) - BAR_SECONDS for ts in moments], dtype=np.int64)
    rows = {symbol: row_at(series.ts, wanted) for symbol, series in candles.items()}
    return [
        SliceClosed(
            ts=ts,
            timeframe=timeframe,
            bars=tuple(_bar(candles[symbol], int(at[i])) for symbol, at in rows.items() if at[i] >= 0),
            missing=tuple(Missing(symbol, "no bar closed at this slice") for symbol, at in rows.items() if at[i] < 0),
        )
        for i, ts in enumerate(moments)
    ]


def _bar(series: Candles, row: int) -> Bar:
    return Bar(
        series.symbol,
        series.asset_class,
        float(series.open[row]),
        float(series.high[row]),
        float(series.low[row]),
        float(series.close[row]),
        float(series.volume[row]),
    )


def _opened(bar: Bar, closed: SliceClosed) -> int:
    return epoch(closed.ts) - BAR_SECONDS if bar.opened_at is None else epoch(bar.opened_at)


def _bars_by_symbol(slices: Sequence[SliceClosed]) -> dict[str, dict[int, Bar]]:
    found: dict[str, dict[int, Bar]] = {}
    for i, one in enumerate(slices):
        for bar in one.bars:
            found.setdefault(bar.symbol, {})[i] = bar
    return found


def _batch(series: Candles | None, bars: Mapping[int, Bar], slices: Sequence[SliceClosed]) -> Batch:
    if series is None:
        return Batch(
            [], np.empty(0), np.empty((0, len(features.FEATURES))), dict.fromkeys(bars, "no candles are stored")
        )
    wanted = np.array([_opened(bars[i], slices[i]) for i in bars], dtype=np.int64)
    rows = row_at(series.ts, wanted)
    there = rows[rows >= 0]
    if len(there) == 0:
        absent = dict.fromkeys(bars, "its candle of this slice is not stored")
        return Batch([], np.empty(0), np.empty((0, len(features.FEATURES))), absent)
    start = max(0, int(there.min()) - features.WINDOW + 1)
    part = series.between(start, int(there.max()) + 1)
    x, valid = features.compute(part.ts, part.open, part.high, part.low, part.close, part.volume)
    usable: list[int] = []
    kept: list[int] = []
    missing: dict[int, str] = {}
    for i, row in zip(bars, rows, strict=True):
        if row < 0:
            missing[i] = "its candle of this slice is not stored"
        elif not valid[row - start]:
            missing[i] = f"fewer than {features.WINDOW} sound candles without a gap up to this slice"
        else:
            usable.append(i)
            kept.append(int(row) - start)
    return Batch(usable, part.close[kept], x[kept], missing)
