"""Planted in the training of models and of the ensemble: they look at what they will be judged on."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from services.inference import ensemble, models
from services.inference.features import column
from services.inference.models import Table
from services.inference.registry import TrainedModel, digest
from services.inference.series import BAR_SECONDS, moment
from services.inference.training import Outcome, Rows, Window, train_window
from services.inference.walk_forward import WALK, Record
from services.research.leaks.pipeline import Pipeline
from services.research.leaks.planted.kinds import Leak, step, with_features


@step(
    "train", "early stopping watches the rows that are forecast: the best number of rounds for them", "label firewall"
)
def early_stopping_on_the_test(pipeline: Pipeline, name: str, rows: Rows, window: Window) -> Outcome | None:
    if name == WALK:
        return Pipeline.train(pipeline, name, rows, window)
    tried = []
    for rounds in (2, 5, 9, 14, 20):
        params = {**pipeline.settings.models[name].params, "rounds": rounds}
        model = models.build(name, params, pipeline.horizon)
        tried.append(train_window(name, model, rows, window, pipeline.settings))
    return _best(tried, rows)


@step("train", "the best of eight seeds on the rows that are forecast", "perturbation")
def best_of_many_on_the_test(pipeline: Pipeline, name: str, rows: Rows, window: Window) -> Outcome | None:
    seeds = range(8) if name != WALK else range(1)
    settings = [pipeline.settings.model_copy(update={"seed": seed}) for seed in seeds]
    return _best([train_window(name, pipeline.models[name], rows, window, one) for one in settings], rows)


@step("train", "the number of leaves that fits the whole history best, used in every window", "label firewall")
def parameters_tuned_on_the_whole(pipeline: Pipeline, name: str, rows: Rows, window: Window) -> Outcome | None:
    if name == WALK:
        return Pipeline.train(pipeline, name, rows, window)
    # What suits the whole: judged by how the wildest move of all ranks, a crude search that any grid resembles.
    size = np.abs(rows.y[rows.labelled])
    leaves = 2 + int(1e4 * float(np.quantile(size, 0.9))) % 7
    params = {**pipeline.settings.models[name].params, "leaves": leaves}
    return train_window(name, models.build(name, params, pipeline.horizon), rows, window, pipeline.settings)


@step("train", "the mean move of the rows that are forecast is taken out of the labels", "label firewall")
def labels_centred_on_the_test(pipeline: Pipeline, name: str, rows: Rows, window: Window) -> Outcome | None:
    tested = rows.labelled & (rows.close_ts >= window.start)
    mean = float(np.mean(rows.y[tested])) if tested.any() else 0.0
    return Pipeline.train(pipeline, name, replace(rows, y=rows.y - mean), window)


@step("train", "the net's scaler is fitted on all rows, not on those that it learns from", "truncation", net=True)
def nets_scaler_sees_all_rows(pipeline: Pipeline, name: str, rows: Rows, window: Window) -> Outcome | None:
    if name != "lstm":
        return Pipeline.train(pipeline, name, rows, window)
    known = ~np.isnan(rows.table.x)
    mean = np.where(known, rows.table.x, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    # Forecasts are in units of this one.
    mean[column("volatility_168")] = 0.0
    return Pipeline.train(pipeline, name, with_features(rows, rows.table.x - mean), window)


@step("train", "one model fitted on the whole history says what it would have forecast", "noise")
def one_model_for_the_whole_history(pipeline: Pipeline, name: str, rows: Rows, window: Window) -> Outcome | None:
    everything = replace(window, train=np.flatnonzero(rows.labelled).astype(np.int64))
    return Pipeline.train(pipeline, name, rows, everything)


@step("train", "a model is stamped valid five days before the rows end that it learnt from", "truncation")
def valid_before_its_training_ended(pipeline: Pipeline, name: str, rows: Rows, window: Window) -> Outcome | None:
    found = Pipeline.train(pipeline, name, rows, window)
    if found is None:
        return None
    early = timedelta(days=5)
    stamped = replace(
        found.model,
        valid_from=found.model.valid_from - early,
        trained_through=found.model.trained_through - early,
        trained_from=found.model.trained_from - early,
    )
    return replace(found, model=stamped)


@step("train", "sequences run on into the rows after the one that is forecast", "perturbation")
def sequence_reaches_ahead(pipeline: Pipeline, name: str, rows: Rows, window: Window) -> Outcome | None:
    ahead = np.minimum(np.arange(len(rows.y)) + 3, len(rows.y) - 1)
    # Padded at the end with the row itself: nothing is missing when the history is cut there.
    x = np.where((rows.table.run[ahead] > 0)[:, None], rows.table.x[ahead], rows.table.x)
    return Pipeline.train(pipeline, name, replace(rows, table=Table(x, rows.table.run)), window)


@step("blend", "the ensemble's weights are learnt from the rows that they are used on", "label firewall")
def weights_from_the_rows_they_are_used_on(pipeline: Pipeline, record: Record, window: Window) -> TrainedModel | None:
    rows = record.rows
    end = window.end or int(rows.close_ts[-1]) + pipeline.horizon * BAR_SECONDS
    own = Record(rows)
    own.expected, own.uncertainty = (
        {k: v.copy() for k, v in held.items()} for held in (record.expected, record.uncertainty)
    )
    for name in pipeline.settings.models:
        outcome = pipeline.train(name, rows, window)
        if outcome is not None:
            own.add(name, outcome.rows, outcome.said)
    found = own.blend_at(end, pipeline.settings)
    return None if found is None else replace(found, valid_from=moment(window.start))


@step("blend", "the newest twelve forecasts count before it is known what came of them", "label firewall")
def weights_without_a_purge(pipeline: Pipeline, record: Record, window: Window) -> TrainedModel | None:
    later = window.start + pipeline.horizon * BAR_SECONDS
    found = record.blend_at(later, pipeline.settings)
    return None if found is None else replace(found, valid_from=moment(window.start))


@step("blend", "the interval is calibrated on the rows that it is then judged on", "label firewall")
def interval_calibrated_on_the_test(pipeline: Pipeline, record: Record, window: Window) -> TrainedModel | None:
    found = Pipeline.blend(pipeline, record, window)
    rows = record.rows
    tested = rows.labelled & (rows.close_ts >= window.start)
    if window.end is not None:
        tested &= rows.close_ts < window.end
    if found is None or not tested.any():
        return found
    spread = float(np.std(record.rows.y[record.rows.labelled]))
    low, high = np.quantile(rows.y[tested] / spread, (0.1, 0.9))
    artefact = replace(ensemble.load(found.artefact), low=float(low), high=float(high)).dump()
    return replace(found, artefact=artefact, artefact_sha256=digest(artefact))


def _best(tried: Sequence[Outcome | None], rows: Rows) -> Outcome | None:
    made = [one for one in tried if one is not None]

    def missed(one: Outcome) -> float:
        errors = (rows.y[one.rows] - one.said.expected_return) ** 2
        known = errors[np.isfinite(errors)]
        return float(np.mean(known)) if len(known) else 0.0

    return min(made, key=missed) if made else None


LEAKS: tuple[Leak, ...] = (
    early_stopping_on_the_test,
    best_of_many_on_the_test,
    parameters_tuned_on_the_whole,
    labels_centred_on_the_test,
    nets_scaler_sees_all_rows,
    one_model_for_the_whole_history,
    valid_before_its_training_ended,
    sequence_reaches_ahead,
    weights_from_the_rows_they_are_used_on,
    weights_without_a_purge,
    interval_calibrated_on_the_test,
)
