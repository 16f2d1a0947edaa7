"""The walk forward: every model of every asset on every window, and how their forecasts are weighed at each.

A window's blend is learnt from what the earlier windows' models had forecast, and what had come, by its start.
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
        past = rows.labelled & (rows.known_ts <= start) & (rows.close_ts > start - asked.history_days * DAY)
        past &= np.isfinite(self.uncertainty[WALK])
        past &= np.any([np.isfinite(self.expected[name]) for name in counted], axis=0)
        which = np.flatnonzero(past)
        if len(which) == 0 or rows.close_ts[which[-1]] - rows.close_ts[which[0]] < (asked.min_days - 1) * DAY:
            return None
        blend = ensemble.fit(
            Past(
                {name: self.expected[name][which] for name in counted},
                {name: self.uncertainty[name][which] for name in counted},
                self.uncertainty[WALK][which],
                rows.y[which],
            ),
            settings.counted,
            settings.horizon_bars,
            asked,
        )
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
            yield replace(blend, valid_until=None if window.end is None else moment(window.end))
        for name in settings.models:
            outcome = next(outcomes)
            done += 1
            if outcome is None:
                continue
            record.add(name, outcome.rows, outcome.said)
            if progress is not None:
                progress(done, len(jobs), outcome.model)
            yield outcome.model
