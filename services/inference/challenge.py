"""The scheduled retraining's question: is a model that was trained on newer data no worse than the one in use?

The challenger is trained on what was known before the newest ``holdout_days`` and compared on those with the version
that was in use when they began: neither has seen them. If it is not worse, the same model is fitted on everything known
and takes over; else the challenger is kept as refused, with the figures.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from services.inference import features, models
from services.inference.parallel import Bench
from services.inference.registry import TrainedModel, checked_artefact
from services.inference.series import Floats, epoch, moment
from services.inference.training import DAY, Rows, predict, train_window, window_at


@dataclass(frozen=True, slots=True, eq=False)
class Challenge:
    """One model of one asset, to be trained anew from ``start`` on, and the version in use as the holdout began."""

    symbol: str
    name: str
    start: datetime
    incumbent: TrainedModel | None


@dataclass(frozen=True, slots=True)
class Compared:
    """Squared errors on the same rows, as root means of log returns."""

    rows: int
    challenger: float
    incumbent: float

    def no_worse(self, tolerance: float) -> bool:
        """Whether the challenger's mean squared error is at most ``1 + tolerance`` times the incumbent's."""
        return self.challenger**2 <= self.incumbent**2 * (1.0 + tolerance)

    def __str__(self) -> str:
        return (
            f"RMSE {self.challenger:.4%} against {self.incumbent:.4%} of the one in use, on {self.rows} bars held out"
        )


def challenge(bench: Bench, job: Challenge) -> TrainedModel | None:
    """Train, compare, and return the new row of the registry; None with too few rows to train on."""
    settings, rows, model = bench.settings, bench.rows(job.symbol), bench.models[job.name]
    start = epoch(job.start)
    whole = window_at(rows, start, settings)
    if whole is None:
        return None
    if job.incumbent is None:
        first = train_window(job.name, model, rows, whole, settings)
        return None if first is None else replace(first.model, note="the first of its kind for this asset")
    held_out = window_at(rows, start - settings.retraining.holdout_days * DAY, settings)
    trial = None if held_out is None else train_window(job.name, model, rows, held_out, settings)
    compared = None if trial is None else compare(rows, job.incumbent, trial.model, model, bench, start)
    if trial is None or compared is None:
        return None
    if not compared.no_worse(settings.retraining.tolerance):
        return replace(trial.model, standing="refused", note=f"worse: {compared}", valid_from=moment(start))
    fitted = train_window(job.name, model, rows, whole, settings)
    return None if fitted is None else replace(fitted.model, note=f"not worse: {compared}")


def compare(
    rows: Rows, incumbent: TrainedModel, challenger: TrainedModel, model: models.Model, bench: Bench, start: int
) -> Compared | None:
    """Forecast the held-out rows with both; None where there are none to compare on."""
    begins = start - bench.settings.retraining.holdout_days * DAY
    held = rows.labelled & (rows.close_ts >= begins) & (rows.known_ts <= start) & (rows.table.run >= model.bars)
    which = np.flatnonzero(held).astype(np.int64)
    if len(which) <= bench.settings.horizon_bars:
        return None

    def error(one: TrainedModel) -> float:
        artefact = checked_artefact(one, features.features_hash(), bench.settings.horizon_hours)
        missed: Floats = predict(model.load(artefact), rows.table, which, model.bars).expected_return - rows.y[which]
        return math.sqrt(float(np.mean(missed * missed)))

    return Compared(len(which), error(challenger), error(incumbent))
