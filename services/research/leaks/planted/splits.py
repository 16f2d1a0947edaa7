"""Planted in who learns from what: training rows that overlap with, or come after, what is forecast."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from services.inference import models
from services.inference.market import Market
from services.inference.models import Table
from services.inference.series import BAR_SECONDS, Flags, Floats, Ints
from services.inference.training import DAY, Outcome, Rows, Window, predict
from services.research.leaks.pipeline import Pipeline, Score
from services.research.leaks.planted.kinds import Leak, step
from services.research.leaks.world import World

DEEP_TREES = {
    "rounds": 60, "learning_rate": 0.2, "leaves": 31, "depth": 10, "rows_per_leaf": 3, "feature_share": 0.5,
    "row_share": 0.9, "l2": 0.1, "bins": 63, "holdout_share": 0.1, "clip": 4.0,
}  # fmt: skip
"""Trees as they are found in notebooks: deep enough to learn neighbours by heart."""


@step("windows", "no purge: rows before the window whose labels reach into it", "label firewall")
def no_purge(pipeline: Pipeline, rows: Rows) -> list[Window]:
    return _trained_on(pipeline, rows, lambda window: rows.close_ts <= window.start)


@step("windows", "a purge of six bars where labels reach over twelve", "label firewall")
def purge_too_short(pipeline: Pipeline, rows: Rows) -> list[Window]:
    return _trained_on(pipeline, rows, lambda window: rows.known_ts <= window.start + 6 * BAR_SECONDS)


@step("windows", "the first day of what is forecast is trained on too", "label firewall")
def training_reaches_into_the_test(pipeline: Pipeline, rows: Rows) -> list[Window]:
    return _trained_on(pipeline, rows, lambda window: rows.known_ts <= window.start + DAY)


@step("windows", "training rows drawn at random from the whole history", "label firewall")
def shuffled_split(pipeline: Pipeline, rows: Rows) -> list[Window]:
    drawn = np.random.default_rng(5).random(len(rows.y)) < 0.7
    return _trained_on(pipeline, rows, lambda window: drawn)


@step("windows", "k folds: each window is forecast by what was learnt before and after it", "label firewall")
def k_folds(pipeline: Pipeline, rows: Rows) -> list[Window]:
    def outside(window: Window) -> Flags:
        end = window.end or int(rows.close_ts[-1]) + 1
        return (rows.close_ts < window.start) | (rows.close_ts >= end)

    return _trained_on(pipeline, rows, outside)


@step("windows", "random folds: neighbours whose labels overlap stand on both sides", "label firewall")
def random_k_folds(pipeline: Pipeline, rows: Rows) -> list[Window]:
    fold = np.random.default_rng(6).integers(0, 5, len(rows.y))
    found = Pipeline.windows(pipeline, rows)
    return [
        replace(window, train=np.flatnonzero(rows.labelled & (fold != i % 5)).astype(np.int64))
        for i, window in enumerate(found)
    ]


@step("rows", "labels stamped as known one bar after their row, so that the purge keeps too much", "label firewall")
def labels_said_to_be_known_at_once(pipeline: Pipeline, world: World, market: Market, symbol: str) -> Rows:
    clean = Pipeline.rows(pipeline, world, market, symbol)
    return replace(clean, known_ts=clean.close_ts + BAR_SECONDS)


@step("windows", "training rows that stand twice: a file read a second time", "label firewall")
def rows_stand_twice(pipeline: Pipeline, rows: Rows) -> list[Window]:
    return [
        replace(window, train=np.sort(np.concatenate((window.train, window.train[-48:]))))
        for window in Pipeline.windows(pipeline, rows)
    ]


@step("rows", "copies of later rows among the earlier ones: duplicates across the split", "truncation")
def duplicated_rows_across_the_split(pipeline: Pipeline, world: World, market: Market, symbol: str) -> Rows:
    clean = Pipeline.rows(pipeline, world, market, symbol)
    valid = np.flatnonzero(clean.labelled)
    x, y = clean.table.x.copy(), clean.y.copy()
    # The last days' rows, written once more over every seventh row.
    copied = valid[::7]
    x[copied], y[copied] = x[valid[-len(copied) :]], y[valid[-len(copied) :]]
    return replace(clean, table=Table(x, clean.table.run), y=y)


@step("scores", "the evaluation shuffles: half of the rows at random train, their neighbours test", "noise")
def shuffled_evaluation(pipeline: Pipeline, rows: Rows, outcomes: Sequence[Outcome]) -> dict[str, Score]:
    drawn = np.random.default_rng(7).random(len(rows.y)) < 0.75
    return _judged(pipeline, rows, [(rows.labelled & drawn, rows.labelled & ~drawn)])


@step("scores", "the evaluation averages over random folds", "noise")
def random_folds_in_the_evaluation(pipeline: Pipeline, rows: Rows, outcomes: Sequence[Outcome]) -> dict[str, Score]:
    fold = np.random.default_rng(8).integers(0, 4, len(rows.y))
    return _judged(pipeline, rows, [(rows.labelled & (fold != k), rows.labelled & (fold == k)) for k in range(4)])


@step("scores", "the evaluation reports the rows that were trained on", "noise")
def judged_in_sample(pipeline: Pipeline, rows: Rows, outcomes: Sequence[Outcome]) -> dict[str, Score]:
    return _judged(pipeline, rows, [(rows.labelled, rows.labelled)])


@step("scores", "the half of the days on which the forecast did worst is left out as bad data", "label firewall")
def bad_days_left_out(pipeline: Pipeline, rows: Rows, outcomes: Sequence[Outcome]) -> dict[str, Score]:
    found: dict[str, Score] = {}
    for name, (said, came) in Pipeline.scores(pipeline, rows, outcomes).items():
        daily = _daily(said * came)
        good = np.repeat(daily >= np.median(daily), 24)[: len(said)]
        found[name] = said[good], came[good]
    return found


def _daily(gain: Floats) -> Floats:
    """Sum by day (rows are hours), the last one short."""
    padded = np.concatenate((np.nan_to_num(gain), np.zeros(-len(gain) % 24)))
    found: Floats = padded.reshape(-1, 24).sum(axis=1)
    return found


def _trained_on(pipeline: Pipeline, rows: Rows, which: Callable[[Window], Flags]) -> list[Window]:
    return [
        replace(window, train=np.flatnonzero(rows.labelled & which(window)).astype(np.int64))
        for window in Pipeline.windows(pipeline, rows)
    ]


def _judged(pipeline: Pipeline, rows: Rows, parts: Sequence[tuple[Flags, Flags]]) -> dict[str, Score]:
    """Train deep trees on one part and forecast the other, for each pair; in time order."""
    model = models.build("lightgbm", DEEP_TREES, pipeline.horizon)
    said = np.full(len(rows.y), np.nan)
    for train, test in parts:
        learnt, asked = (np.flatnonzero(part).astype(np.int64) for part in (train, test))
        fitted = model.load(model.fit(rows.table, learnt, rows.y[learnt], pipeline.settings.seed))
        said[asked] = predict(fitted, rows.table, asked, model.bars).expected_return
    judged: Ints = np.flatnonzero(np.isfinite(said))
    return {"lightgbm": (said[judged], rows.y[judged])}


LEAKS: tuple[Leak, ...] = (
    no_purge,
    purge_too_short,
    training_reaches_into_the_test,
    shuffled_split,
    k_folds,
    random_k_folds,
    labels_said_to_be_known_at_once,
    rows_stand_twice,
    duplicated_rows_across_the_split,
    shuffled_evaluation,
    random_folds_in_the_evaluation,
    judged_in_sample,
    bad_days_left_out,
)
