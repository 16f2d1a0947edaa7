"""Walk-forward training: each model learns only from what was known before the hours it forecasts.

Windows start at 00:00 UTC on whole multiples of ``retrain_days`` since 1970-01-01, so that later data moves no window.
A row takes part in the window starting at ``w`` when its label was known by then: close + horizon <= w (purge).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np

from services.inference import features, models
from services.inference.evaluate import measure
from services.inference.registry import TrainedModel, digest
from services.inference.series import (
    BAR_SECONDS,
    BARS_PER_DAY,
    Candles,
    Flags,
    Floats,
    Ints,
    forward_log_return,
    moment,
)
from services.inference.settings import ModelsSettings

DAY = 86_400

Progress = Callable[[int, int, TrainedModel], None]
"""Called with (done, total, the model just trained)."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What models of one asset learn from: closes (n,), features (n, F), log returns ahead (n,), NaN if unknown."""

    close_ts: Ints
    x: Floats
    y: Floats
    labelled: Flags


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One training of one asset's models: rows ``train`` before ``start``, forecasting ``start <= close < end``."""

    symbol: str
    start: int
    end: int | None
    train: Ints


def rows_of(candles: Candles, horizon_bars: int) -> Rows:
    """Compute features and labels of every bar; only rows with a whole feature window are labelled."""
    x, valid = features.compute(candles.ts, candles.open, candles.high, candles.low, candles.close, candles.volume)
    y = forward_log_return(candles.ts, candles.close, horizon_bars)
    return Rows(candles.ts + BAR_SECONDS, x, y, valid & np.isfinite(y))


def windows(symbol: str, rows: Rows, settings: ModelsSettings) -> list[Window]:
    """List the windows with enough training rows, oldest first; the newest is open-ended."""
    if len(rows.close_ts) == 0:
        return []
    walk, horizon = settings.walk_forward, settings.horizon_hours * 3_600
    every = walk.retrain_days * DAY
    first, last = int(rows.close_ts[0]), int(rows.close_ts[-1])
    found: list[Window] = []
    for start in range(-(-first // every) * every, last + 1, every):
        known = rows.labelled & (rows.close_ts + horizon <= start) & (rows.close_ts > start - walk.max_train_days * DAY)
        train = np.flatnonzero(known)
        if len(train) >= walk.min_train_days * BARS_PER_DAY:
            if found:
                found[-1] = replace(found[-1], end=start)
            found.append(Window(symbol, start, None, train))
    return found


def train_window(
    name: str, model: models.Model, candles: Candles, rows: Rows, window: Window, settings: ModelsSettings
) -> TrainedModel:
    """Train one model on one window and measure it, in sample and on the hours it is then used for."""
    x, y = rows.x[window.train], rows.y[window.train]
    artefact = model.fit(x, y, settings.seed)
    fitted = model.load(artefact)
    used = rows.labelled & (rows.close_ts >= window.start)
    if window.end is not None:
        used &= rows.close_ts < window.end
    sha256 = digest(artefact)
    closes = rows.close_ts[window.train]
    start = moment(window.start)
    return TrainedModel(
        model=name,
        version=f"{start:%Y%m%d}-{sha256[:8]}",
        symbol=candles.symbol,
        asset_class=candles.asset_class,
        horizon_hours=settings.horizon_hours,
        trained_from=moment(closes[0]),
        trained_through=moment(closes[-1]),
        valid_from=start,
        valid_until=None if window.end is None else moment(window.end),
        features_hash=features.features_hash(),
        params={**settings.models[name].params, "seed": settings.seed},
        metrics={
            "in_sample": _errors(fitted, x, y, settings.horizon_bars),
            "out_of_sample": _errors(fitted, rows.x[used], rows.y[used], settings.horizon_bars),
        },
        artefact=artefact,
        artefact_sha256=sha256,
    )


def walk_forward(
    candles: Mapping[str, Candles], settings: ModelsSettings, progress: Progress | None = None
) -> Iterator[TrainedModel]:
    """Train every model of every asset on every window, window by window within each asset."""
    built = models.build_all(settings)
    prepared = {symbol: rows_of(series, settings.horizon_bars) for symbol, series in candles.items()}
    plan = [window for symbol, rows in prepared.items() for window in windows(symbol, rows, settings)]
    done, total = 0, len(plan) * len(built)
    for window in plan:
        for name, model in built.items():
            trained = train_window(name, model, candles[window.symbol], prepared[window.symbol], window, settings)
            done += 1
            if progress is not None:
                progress(done, total, trained)
            yield trained


def training_span(settings: ModelsSettings) -> timedelta:
    """Say how much past the newest window needs, its feature windows included."""
    days = settings.walk_forward.max_train_days + settings.walk_forward.retrain_days + 1
    return timedelta(days=days, hours=features.WINDOW)


def _errors(fitted: models.Fitted, x: Floats, y: Floats, horizon_bars: int) -> dict[str, Any] | None:
    if len(x) == 0:
        return None
    errors = measure(fitted.predict(x).expected_return, y, horizon_bars)
    return None if errors is None else asdict(errors)
