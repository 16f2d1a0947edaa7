"""The walk forward: every model of every asset on every window, and how their forecasts are weighed at each.

A window's blend is learnt from what the earlier windows' models had forecast, and what had come, by its start; its
interval is learnt anew within the window, from what was known by then.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from services.inference import ensemble, features
from services.inference.ensemble import Past
from services.inference.market import Market
from services.inference.models import Prediction
from services.inference.parallel import Bench, spread
from services.inference.registry import TrainedModel, digest
from services.inference.series import Floats, Ints, epoch, moment
from services.inference.settings import ModelsSettings
from services.inference.training import DAY, Outcome, Progress, Rows, Window, train_window, windows

WALK = "random_walk"
"""The model whose uncertainty is the unit in which the parts are compared."""


class Record:
    """What one asset's models have forecast out of sample so far, row by row: what the ensemble learns from."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.expected: dict[str, Floats] = {}
        self.uncertainty: dict[str, Floats] = {}

    def add(self, name: str, rows: Ints, said: Prediction) -> None:
        """Enter forecasts; a later window's replace an earlier one's."""
        for held, values in ((self.expected, said.expected_return), (self.uncertainty, said.uncertainty)):
            column = held.setdefault(name, np.full(len(self.rows.close_ts), np.nan))
            column[rows] = values

    def blend_at(self, start: int, settings: ModelsSettings) -> TrainedModel | None:
        """Learn the blend in use from ``start`` on; None with too little past."""
        rows, asked = self.rows, settings.ensemble
        counted = [name for name in settings.counted if name in self.expected]
        if WALK not in self.uncertainty or not counted:
            return None
        which = self._known(counted, start, asked.history_days, settings)
        if which is None:
            return None
        blend = ensemble.fit(self._past(counted, which), settings.counted, settings.horizon_bars, asked)
        newest = self._known(counted, start, asked.interval_history_days, settings)
        if newest is not None:
            blend = ensemble.with_interval(blend, self._past(counted, newest), asked)
        artefact = blend.dump()
        sha256, valid_from = digest(artefact), moment(start)
        return TrainedModel(
            model=ensemble.NAME,
            version=f"{valid_from:%Y%m%d}-{sha256[:8]}",
            symbol=rows.symbol,
            asset_class=rows.asset_class,
            horizon_hours=settings.horizon_hours,
            trained_from=moment(rows.close_ts[which[0]]),
            trained_through=moment(rows.close_ts[which[-1]]),
            valid_from=valid_from,
            valid_until=None,
            features_hash=features.features_hash(),
            params={"preset": settings.preset, **asked.model_dump()},
            metrics={"rows": len(which), "independent": blend.evidence, "slope": blend.slope},
            artefact=artefact,
            artefact_sha256=sha256,
        )

    def interval_at(self, start: int, held: TrainedModel, settings: ModelsSettings) -> TrainedModel | None:
        """Learn the interval of the blend in use anew, from ``start`` on; None with too little past."""
        asked = settings.ensemble
        counted = [name for name in settings.counted if name in self.expected]
        newest = self._known(counted, start, asked.interval_history_days, settings)
        if newest is None:
            return None
        blend = ensemble.with_interval(ensemble.load(held.artefact), self._past(counted, newest), asked)
        artefact = blend.dump()
        sha256, valid_from = digest(artefact), moment(start)
        version = f"{valid_from:%Y%m%d}-{sha256[:8]}"
        return replace(
            held,
            version=version,
            trained_through=moment(self.rows.close_ts[newest[-1]]),
            valid_from=valid_from,
            artefact=artefact,
            artefact_sha256=sha256,
        )

    def _known(self, counted: Sequence[str], start: int, days: int, settings: ModelsSettings) -> Ints | None:
        """Find the forecasts of the last so many days whose outcome was known at ``start``; None for too few days."""
        rows = self.rows
        past = rows.labelled & (rows.known_ts <= start) & (rows.close_ts > start - days * DAY)
        past &= np.isfinite(self.uncertainty[WALK])
        past &= np.any([np.isfinite(self.expected[name]) for name in counted], axis=0)
        which = np.flatnonzero(past).astype(np.int64)
        least = (settings.ensemble.min_days - 1) * DAY
        return None if len(which) == 0 or rows.close_ts[which[-1]] - rows.close_ts[which[0]] < least else which

    def _past(self, counted: Sequence[str], which: Ints) -> Past:
        return Past(
            {name: self.expected[name][which] for name in counted},
            {name: self.uncertainty[name][which] for name in counted},
            self.uncertainty[WALK][which],
            self.rows.y[which],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """One model on one window."""

    name: str
    window: Window

    @property
    def symbol(self) -> str:
        """Whose model."""
        return self.window.symbol


def fit_window(bench: Bench, job: Fit) -> Outcome | None:
    """Train one model on one window; None with too few rows for it."""
    return train_window(job.name, bench.models[job.name], bench.rows(job.symbol), job.window, bench.settings)


def walk_forward(
    market: Market,
    settings: ModelsSettings,
    progress: Progress | None = None,
    symbols: Sequence[str] | None = None,
    workers: int = 1,
    since: datetime | None = None,
) -> Iterator[TrainedModel]:
    """Train every model of every asset on every window, window by window within each asset.

    ``since`` leaves out the windows that were over by then.

    Each window's blend comes before its models; with ``workers`` above 1 the fits run in as many processes and the
    results are the same.
    """
    bench = Bench(market, settings)
    wanted = sorted(market.candles) if symbols is None else list(symbols)
    over = 0 if since is None else epoch(since)
    planned = [
        window
        for symbol in wanted
        for window in windows(bench.rows(symbol), settings)
        if window.end is None or window.end > over
    ]
    jobs = [Fit(name, window) for window in planned for name in settings.models]
    outcomes = spread(fit_window, jobs, bench, workers)
    done, record = 0, None
    for window in planned:
        if record is None or record.rows.symbol != window.symbol:
            record = Record(bench.rows(window.symbol))
        blend = record.blend_at(window.start, settings)
        if blend is not None:
            blend = replace(blend, valid_until=None if window.end is None else moment(window.end))
            yield blend
        for name in settings.models:
            outcome = next(outcomes)
            done += 1
            if outcome is None:
                continue
            record.add(name, outcome.rows, outcome.said)
            if progress is not None:
                progress(done, len(jobs), outcome.model)
            yield outcome.model
        if blend is not None:
            yield from intervals(record, window, blend, settings)


def intervals(record: Record, window: Window, held: TrainedModel, settings: ModelsSettings) -> Iterator[TrainedModel]:
    """Learn the interval of a window's blend anew, every few days until the window or the record ends."""
    step = settings.ensemble.interval_every_days * DAY
    end = int(record.rows.close_ts[-1]) if window.end is None else window.end
    for start in range(window.start + step, end, step):
        found = record.interval_at(start, held, settings)
        if found is not None:
            yield found
