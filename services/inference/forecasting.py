"""From candles and trained models to the forecasts of slices, many slices at once or one, with the same result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from services.contracts.messages import Bar, Forecast, ForecastPart, ForecastsMade, Missing, SliceClosed
from services.domain.market_days import bars_per_day
from services.inference import decide, ensemble, features, models, readings
from services.inference.asset_readings import reach
from services.inference.bars import bars_by_symbol, rows_of_bars
from services.inference.daily_readings import Clusters
from services.inference.decide import Params, Parts, ScoreHistory
from services.inference.ensemble import Blend
from services.inference.market import Market
from services.inference.models import Prediction, Table
from services.inference.registry import TrainedModel, by_model, checked_artefact
from services.inference.series import Candles, Floats, Ints, epoch, row_at
from services.inference.settings import ModelsSettings

UNTRAINED = "untrained"
"""The version of a part whose model needs no training and has none yet."""

CHUNK = 512
"""Windows that are laid out in memory at once."""

Histories = Mapping[str, ScoreHistory]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One asset's rows in a batch: which slices (n,), their rows in the table (n,), closes (n,), and what cannot be."""

    symbol: str
    asset_class: str
    slices: list[int]
    moments: Ints
    rows: Ints
    close: Floats
    table: Table
    missing: dict[int, str]


class Forecaster:
    """Forecasts slices with, for each of them, the newest models that were trained only on what was known by then."""

    def __init__(self, settings: ModelsSettings, trained: Sequence[TrainedModel]) -> None:
        self.settings = settings
        self.models = models.build_all(settings)
        self.bars = max(model.bars for model in self.models.values())
        """Feature rows that the model with the longest sequence reads."""
        self.trained = by_model(trained)
        self.starts = {
            key: np.array([epoch(row.valid_from) for row in rows], dtype=np.int64) for key, rows in self.trained.items()
        }
        self.since = {
            (row.symbol, row.model, row.version): row.valid_from
            for rows in self.trained.values()
            for row in rows
            if row.model in settings.counted
        }
        self.params = Params(
            settings.counted, settings.horizon_hours, settings.confidence.history, settings.confidence.at_least
        )
        self._equal = ensemble.equal(settings.counted, settings.ensemble)
        self._features_hash = features.features_hash()
        # Only the last one of each symbol and model: slices come in order, and trees take memory.
        self._loaded: dict[tuple[str, str], tuple[str, object]] = {}

    def bars_back(self, asset_class: str) -> int:
        """Candles of an asset before a slice's own that forecasts and readings look at."""
        # The readings of a midnight look as far back from there.
        day = bars_per_day(asset_class, self.settings.timeframe)
        return max(self.history, reach(asset_class, self.settings.timeframe) + day)

    @property
    def history(self) -> int:
        """Candles before a slice's own that the longest sequence reads."""
        return features.WINDOW + self.bars

    def forecast(
        self,
        market: Market,
        slices: Sequence[SliceClosed],
        histories: Histories,
        clusters: Clusters | None = None,
    ) -> tuple[list[ForecastsMade], dict[str, ScoreHistory]]:
        """Forecast the slices, in ascending order; return one message each and the score histories after them.

        ``market`` holds for each symbol what closed by the newest slice, and ``bars_back`` bars before the oldest;
        later candles than a slice are not looked at. ``clusters`` are those of the midnight before the first slice,
        where they are known. Raises :class:`ModelError` for a changed artefact.
        """
        after = dict(histories)
        made: list[list[Forecast]] = [[] for _ in slices]
        missing: list[list[Missing]] = [list(one.missing) for one in slices]
        batches = [self._batch(symbol, market, bars, slices) for symbol, bars in sorted(bars_by_symbol(slices).items())]
        said = self._say(batches)
        for batch, parts_of in zip(batches, said, strict=True):
            for i, reason in batch.missing.items():
                missing[i].append(Missing(batch.symbol, reason))
            history = after.get(batch.symbol, ScoreHistory())
            blends = self._blends(batch)
            for row, (i, parts) in enumerate(zip(batch.slices, parts_of, strict=True)):
                if not parts:
                    missing[i].append(Missing(batch.symbol, "no model was trained on hours before this slice"))
                    continue
                event = Parts(
                    batch.symbol,
                    batch.asset_class,
                    float(batch.close[row]),
                    tuple(parts),
                    blends[row],
                    self._trained_at(batch.symbol, parts),
                )
                history, forecast = decide.decide(history, event, self.params)
                made[i].append(forecast)
            after[batch.symbol] = history
        said_beside = readings.read(market, slices, self.settings, clusters)
        return [
            ForecastsMade(
                ts=one.ts,
                timeframe=one.timeframe,
                forecasts=tuple(made[i]),
                missing=tuple(sorted(missing[i], key=lambda absent: absent.symbol)),
                **said_beside[i]._asdict(),
            )
            for i, one in enumerate(slices)
        ], after

    def _batch(self, symbol: str, market: Market, bars: Mapping[int, Bar], slices: Sequence[SliceClosed]) -> Batch:
        """Find each slice's row and compute the features of all rows that are read."""
        asset_class = next(iter(bars.values())).asset_class
        series = market.candles.get(symbol)
        nothing = Table(np.empty((0, len(features.FEATURES))), np.empty(0, dtype=np.int64))
        none = np.empty(0, dtype=np.int64)
        if series is None:
            absent = dict.fromkeys(bars, "no candles are stored")
            return Batch(symbol, asset_class, [], none, none, np.empty(0), nothing, absent)
        rows = rows_of_bars(series, bars, slices, self.settings.bar_seconds)
        there = rows[rows >= 0]
        if len(there) == 0:
            absent = dict.fromkeys(bars, "its candle of this slice is not stored")
            return Batch(symbol, asset_class, [], none, none, np.empty(0), nothing, absent)
        start = max(0, int(there.min()) - self.history + 1)
        part = series.between(start, int(there.max()) + 1)
        table = features.table(part, market.context(symbol))
        missing: dict[int, str] = {}
        found: list[tuple[int, int]] = []
        for i, row in zip(bars, rows, strict=True):
            if row < 0:
                missing[i] = "its candle of this slice is not stored"
            elif table.run[row - start] == 0:
                missing[i] = f"fewer than {features.WINDOW} sound candles without a gap up to this slice"
            else:
                found.append((i, int(row) - start))
        kept = np.array([row for _, row in found], dtype=np.int64)
        moments = np.array([epoch(slices[i].ts) for i, _ in found], dtype=np.int64)
        close = np.array([bars[i].close for i, _ in found])
        return Batch(symbol, asset_class, [i for i, _ in found], moments, kept, close, table, missing)

    def _say(self, batches: Sequence[Batch]) -> list[list[list[ForecastPart]]]:
        """Ask every model about every row: by batch and slice, the parts in the models' order."""
        parts: list[list[list[ForecastPart]]] = [[[] for _ in batch.slices] for batch in batches]
        for name, model in self.models.items():
            single = [(k, batch) for k, batch in enumerate(batches) if len(batch.slices) == 1]
            if len(single) > 1:
                self._say_each(name, model, single, parts)
                rest = [(k, batch) for k, batch in enumerate(batches) if len(batch.slices) > 1]
            else:
                rest = list(enumerate(batches))
            for k, batch in rest:
                for rows, version, fitted in self._stretches(batch, name, model):
                    said = _predict(fitted, batch.table, batch.rows[rows], model.bars)
                    pairs = zip(rows, said.expected_return.tolist(), said.uncertainty.tolist(), strict=True)
                    for row, expected, uncertainty in pairs:
                        parts[k][row].append(ForecastPart(name, version, expected, uncertainty))
        return parts

    def _say_each(
        self,
        name: str,
        model: models.Model,
        single: Sequence[tuple[int, Batch]],
        parts: list[list[list[ForecastPart]]],
    ) -> None:
        """Ask one model about one row of each of many assets, in one go."""
        asked: list[int] = []
        versions: list[str] = []
        fitted: list[object] = []
        windows: list[Floats] = []
        for k, batch in single:
            for rows, version, one in self._stretches(batch, name, model):
                asked.append(k)
                versions.append(version)
                fitted.append(one)
                windows.append(batch.table.windows(batch.rows[rows], model.bars))
        if not asked:
            return
        said = model.predict_each(fitted, np.concatenate(windows))
        pairs = zip(asked, versions, said.expected_return.tolist(), said.uncertainty.tolist(), strict=True)
        for k, version, expected, uncertainty in pairs:
            parts[k][0].append(ForecastPart(name, version, expected, uncertainty))

    def _stretches(self, batch: Batch, name: str, model: models.Model) -> list[tuple[Ints, str, models.Fitted]]:
        """Group the batch's rows that have the model's whole sequence by the version that was the newest at each."""
        whole = batch.table.run[batch.rows] >= model.bars
        found: list[tuple[Ints, str, models.Fitted]] = []
        newest = self._newest(batch, name)
        for index in np.unique(newest[whole]):
            rows = np.flatnonzero(whole & (newest == index)).astype(np.int64)
            if index < 0:
                fitted = model.untrained()
                version = UNTRAINED
            else:
                row = self.trained[(batch.symbol, name)][index]
                fitted, version = self._load(row), row.version
            if fitted is not None:
                found.append((rows, version, fitted))
        return found

    def _newest(self, batch: Batch, name: str) -> Ints:
        """Say for each row which trained version is in use: its place in ``trained``, -1 where there is none yet."""
        starts = self.starts.get((batch.symbol, name))
        if starts is None:
            return np.full(len(batch.moments), -1, dtype=np.int64)
        return np.searchsorted(starts, batch.moments, side="right").astype(np.int64) - 1

    def _trained_at(self, symbol: str, parts: Sequence[ForecastPart]) -> datetime | None:
        """Say since when the oldest of the models that had a say has been in use."""
        since = (self.since.get((symbol, part.model, part.version)) for part in parts)
        return min((at for at in since if at is not None), default=None)

    def _blends(self, batch: Batch) -> list[Blend]:
        """Return the blend in use at each row."""
        rows = self.trained.get((batch.symbol, ensemble.NAME), [])
        return [
            self._equal if index < 0 else self._blend(rows[index])
            for index in self._newest(batch, ensemble.NAME).tolist()
        ]

    def _load(self, row: TrainedModel) -> models.Fitted:
        held = self._held(row)
        if held is None:
            held = self.models[row.model].load(self._artefact(row))
            self._loaded[(row.symbol, row.model)] = (row.version, held)
        return held  # type: ignore[return-value]

    def _blend(self, row: TrainedModel) -> Blend:
        held = self._held(row)
        if held is None:
            held = ensemble.load(self._artefact(row))
            self._loaded[(row.symbol, row.model)] = (row.version, held)
        return held  # type: ignore[return-value]

    def _held(self, row: TrainedModel) -> object | None:
        held = self._loaded.get((row.symbol, row.model))
        return held[1] if held is not None and held[0] == row.version else None

    def _artefact(self, row: TrainedModel) -> bytes:
        return checked_artefact(row, self._features_hash, self.settings.horizon_hours)


def _predict(fitted: models.Fitted, table: Table, rows: Ints, bars: int) -> Prediction:
    """Ask about many rows, laying out no more windows at once than fit into memory well."""
    said = [fitted.predict(table.windows(rows[start : start + CHUNK], bars)) for start in range(0, len(rows), CHUNK)]
    return Prediction(
        np.concatenate([one.expected_return for one in said]), np.concatenate([one.uncertainty for one in said])
    )


def slices_of(candles: Mapping[str, Candles], moments: Sequence[datetime], timeframe: str = "1h") -> list[SliceClosed]:
    """Make the slices that close at ``moments`` out of the candles themselves, for research and training reports."""
    wanted = np.array([epoch(ts) for ts in moments], dtype=np.int64)
    rows = {symbol: row_at(series.close_ts, wanted) for symbol, series in candles.items()}
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
