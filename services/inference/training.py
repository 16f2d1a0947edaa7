"""Walk-forward training: each model learns only from what was known before the bars it forecasts.

Windows start at 00:00 UTC on whole multiples of ``retrain_days`` since 1970-01-01, so that later data moves no window.
A row takes part in the window starting at ``w`` when its label was known by then (purge); the bars that it is used for
come after ``w``, so nothing has to be embargoed behind them.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np

from services.inference import features, models
from services.inference.evaluate import measure
from services.inference.market import Market
from services.inference.models import Prediction, Table
from services.inference.registry import TrainedModel, digest
from services.inference.series import Flags, Floats, Ints, forward_log_return, moment, row_ahead
from services.inference.settings import ModelsSettings

DAY = 86_400
CHUNK = 512
IN_SAMPLE_ROWS = 256
"""The newest training rows on which the error in sample is measured."""

Progress = Callable[[int, int, TrainedModel], None]
"""Called with (done, total, the model just trained)."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What models of one asset learn from: closes (n,), feature rows (n, F), log returns ahead (n,), NaN if unknown.

    ``known_ts`` is when each row's label is known: the close of the bar that it reaches to.
    """

    symbol: str
    asset_class: str
    close_ts: Ints
    known_ts: Ints
    table: Table
    y: Floats
    labelled: Flags


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One training of one asset's models: rows ``train`` before ``start``, forecasting ``start <= close < end``."""

    symbol: str
    start: int
    end: int | None
    train: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One model trained on one window, and what it then forecast: (rows (m,), prediction (m,))."""

    model: TrainedModel
    rows: Ints
    said: Prediction


def rows_of(market: Market, symbol: str, horizon_bars: int) -> Rows:
    """Compute features and labels of every bar; only rows with a whole feature window are labelled."""
    candles = market.candles[symbol]
    position = candles.position()
    table = features.table(candles, market.context(symbol))
    y = forward_log_return(candles, horizon_bars)
    ahead = row_ahead(position, horizon_bars)
    known = candles.close_ts[np.maximum(ahead, 0)]
    return Rows(
        symbol, candles.asset_class, candles.close_ts, known, table, y, (table.run > 0) & np.isfinite(y) & (ahead >= 0)
    )


def windows(rows: Rows, settings: ModelsSettings) -> list[Window]:
    """List the windows with enough training rows, oldest first; the newest is open-ended."""
    if len(rows.close_ts) == 0:
        return []
    every = settings.walk_forward.retrain_days * DAY
    first, last = int(rows.close_ts[0]), int(rows.close_ts[-1])
    found: list[Window] = []
    for start in range(-(-first // every) * every, last + 1, every):
        window = window_at(rows, start, settings)
        if window is not None:
            if found:
                found[-1] = replace(found[-1], end=start)
            found.append(window)
    return found


def window_at(rows: Rows, start: int, settings: ModelsSettings) -> Window | None:
    """Return the open-ended window that starts then, or None with too few rows to learn from."""
    walk = settings.walk_forward
    known = rows.labelled & (rows.known_ts <= start) & (rows.close_ts > start - walk.max_train_days * DAY)
    train = np.flatnonzero(known).astype(np.int64)
    # Counted in bars that the class owes: a stock has fewer of them in a day.
    spanned = 0 if len(train) == 0 else int(rows.close_ts[train[-1]] - rows.close_ts[train[0]])
    enough = spanned >= (walk.min_train_days - 1) * DAY and len(train) >= walk.min_train_days
    return Window(rows.symbol, start, None, train) if enough else None


def train_window(
    name: str, model: models.Model, rows: Rows, window: Window, settings: ModelsSettings
) -> Outcome | None:
    """Train one model on one window and forecast the bars it is then used for; None without any row to learn from."""
    train = window.train[rows.table.run[window.train] >= model.bars]
    if len(train) < 2 * settings.horizon_bars:
        return None
    artefact = model.fit(rows.table, train, rows.y[train], settings.seed)
    fitted = model.load(artefact)
    used = used_rows(rows, window, model.bars)
    said = predict(fitted, rows.table, used, model.bars)
    newest = train[-IN_SAMPLE_ROWS:]
    sha256 = digest(artefact)
    start = moment(window.start)
    trained = TrainedModel(
        model=name,
        version=f"{start:%Y%m%d}-{sha256[:8]}",
        symbol=rows.symbol,
        asset_class=rows.asset_class,
        horizon_hours=settings.horizon_hours,
        trained_from=moment(rows.close_ts[train[0]]),
        trained_through=moment(rows.close_ts[train[-1]]),
        valid_from=start,
        valid_until=None if window.end is None else moment(window.end),
        features_hash=features.features_hash(),
        params={**settings.models[name].params, "seed": settings.seed, "preset": settings.preset},
        metrics={
            "in_sample": errors_of(
                predict(fitted, rows.table, newest, model.bars).expected_return, rows.y[newest], settings.horizon_bars
            ),
            "out_of_sample": errors_of(said.expected_return, rows.y[used], settings.horizon_bars),
        },
        artefact=artefact,
        artefact_sha256=sha256,
    )
    return Outcome(trained, used, said)


def used_rows(rows: Rows, window: Window, bars: int) -> Ints:
    """Rows that the window's models forecast: closed in it, with the model's whole sequence."""
    used = (rows.table.run >= bars) & (rows.close_ts >= window.start)
    if window.end is not None:
        used &= rows.close_ts < window.end
    return np.flatnonzero(used).astype(np.int64)


def predict(fitted: models.Fitted, table: Table, rows: Ints, bars: int) -> Prediction:
    """Forecast many rows, laying out no more windows at once than fit into memory well."""
    said = [fitted.predict(table.windows(rows[at : at + CHUNK], bars)) for at in range(0, len(rows), CHUNK)]
    empty = np.empty(0)
    return Prediction(
        np.concatenate([empty, *(one.expected_return for one in said)]),
        np.concatenate([empty, *(one.uncertainty for one in said)]),
    )


def training_span(settings: ModelsSettings) -> timedelta:
    """Say how much past the newest window needs, its feature windows included."""
    days = settings.walk_forward.max_train_days + settings.walk_forward.retrain_days + 1
    return timedelta(days=days, seconds=2 * features.WINDOW * settings.bar_seconds)


def errors_of(expected: Floats, realised: Floats, horizon_bars: int) -> dict[str, Any] | None:
    """Measure forecasts beside the random walk, as the registry keeps it; None without any row."""
    if len(expected) == 0:
        return None
    errors = measure(expected, realised, horizon_bars)
    return None if errors is None else asdict(errors)
