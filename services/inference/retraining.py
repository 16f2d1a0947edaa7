"""Training on stored candles: an asset's first walk forward, and from then on a challenge of every model in use."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from services.inference import ensemble, features
from services.inference.challenge import Challenge, challenge
from services.inference.drift import Drift, feature_drift
from services.inference.market import Market
from services.inference.parallel import Bench, spread
from services.inference.registry import TrainedModel, by_model, checked_artefact
from services.inference.series import epoch
from services.inference.settings import ModelsSettings
from services.inference.training import DAY, Window, predict, training_span, used_rows
from services.inference.walk_forward import Record, walk_forward

Tell = Callable[[int, int, str], None]
"""Hears how much is done, how much there is, and what was just done."""


@dataclass(frozen=True, slots=True, eq=False)
class Retrained:
    """What one run gives: rows of the registry, and by symbol how far the newest days have drifted."""

    models: list[TrainedModel]
    drift: dict[str, Drift]


def start_of(now: datetime) -> datetime:
    """Return the last midnight UTC: from when on a model trained now is used, and which its training never passes."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def next_run(now: datetime, settings: ModelsSettings) -> datetime:
    """Return when the scheduled training runs next: at its hour, on every ``every_days``-th day since 1970."""
    asked = settings.retraining
    at = start_of(now) + timedelta(hours=asked.at_hour)
    while at <= now or (epoch(at) // DAY) % asked.every_days:
        at += timedelta(days=1)
    return at


def retrain(
    market: Market,
    known: Sequence[TrainedModel],
    symbols: Iterable[str],
    now: datetime,
    settings: ModelsSettings,
    tell: Tell,
    workers: int,
) -> Retrained:
    """Walk forward the assets that have no model yet, challenge the others' models, and learn new blends."""
    start = start_of(now)
    wanted = sorted(symbol for symbol in symbols if symbol in market.candles)
    named = {row.symbol for row in known if row.model in settings.models}
    fresh = [symbol for symbol in wanted if symbol not in named]
    made: list[TrainedModel] = []
    heard = _Heard(tell)
    made += walk_forward(market, settings, heard.walked, fresh, workers)
    bench = Bench(market, settings)
    standing = [symbol for symbol in wanted if symbol in named]
    jobs = challenges(by_model([row for row in known if row.standing == "in use"]), standing, start, settings)
    for done, row in enumerate(spread(challenge, jobs, bench, workers), 1):
        tell(done, len(jobs), f"{jobs[done - 1].symbol} {jobs[done - 1].name}")
        if row is not None:
            made.append(row)
    for symbol in standing:
        blend = newest_blend(bench, [*known, *made], symbol, start)
        if blend is not None:
            made.append(blend)
    return Retrained(made, {symbol: drift for symbol in wanted if (drift := _drift(bench, symbol)) is not None})


def challenges(
    known: Mapping[tuple[str, str], Sequence[TrainedModel]],
    symbols: Sequence[str],
    start: datetime,
    settings: ModelsSettings,
) -> list[Challenge]:
    """List what is to be trained from ``start`` on; what was trained for it already is left alone."""
    held_out = start - timedelta(days=settings.retraining.holdout_days)
    found: list[Challenge] = []
    for symbol in symbols:
        for name in settings.models:
            rows = known.get((symbol, name), ())
            if any(row.valid_from == start for row in rows):
                continue
            before = [row for row in rows if row.valid_from <= held_out]
            if rows and not before:
                continue  # the one in use is too young to be judged: a later night will
            found.append(Challenge(symbol, name, start, before[-1] if before else None))
    return found


def newest_blend(bench: Bench, known: Sequence[TrainedModel], symbol: str, start: datetime) -> TrainedModel | None:
    """Learn the blend from ``start`` on out of what the models in use have forecast since ``history_days``."""
    settings = bench.settings
    rows = bench.rows(symbol)
    record = Record(rows)
    oldest = epoch(start) - settings.ensemble.history_days * DAY
    usable = by_model([row for row in known if row.symbol == symbol and row.standing == "in use"])
    for (_, name), versions in usable.items():
        if name == ensemble.NAME or name not in bench.models:
            continue
        model = bench.models[name]
        ends = [*(epoch(row.valid_from) for row in versions[1:]), epoch(start)]
        for row, end in zip(versions, ends, strict=True):
            window = Window(symbol, max(oldest, epoch(row.valid_from)), end, np.empty(0, dtype=np.int64))
            used = used_rows(rows, window, model.bars)
            if len(used):
                fitted = model.load(checked_artefact(row, features.features_hash(), settings.horizon_hours))
                record.add(name, used, predict(fitted, rows.table, used, model.bars))
    blend = record.blend_at(epoch(start), settings)
    return None if blend is None else replace(blend, note=f"from {blend.metrics['independent']} independent forecasts")


def span(settings: ModelsSettings) -> timedelta:
    """Say how much past of candles a scheduled training reads."""
    return training_span(settings) + timedelta(days=settings.retraining.holdout_days + settings.ensemble.history_days)


def _drift(bench: Bench, symbol: str) -> Drift | None:
    table = bench.rows(symbol).table
    sound = table.x[table.run > 0]
    newest = bench.settings.retraining.holdout_days * bench.settings.bars_per_day
    return feature_drift(sound, newest, tuple(spec.name for spec in features.FEATURES))


class _Heard:
    """Passes the walk forward's progress on in words."""

    def __init__(self, tell: Tell) -> None:
        self.tell = tell

    def walked(self, done: int, total: int, model: TrainedModel) -> None:
        """Tell which model is done."""
        self.tell(done, total, f"{model.symbol} {model.model} {model.version}")
