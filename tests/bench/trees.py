"""The models made of trees: training one asset, and forecasting one slice of many assets, each with its own trees."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.nets import HORIZON, table
from services.inference import features, models

TREES = ("random_forest", "xgboost", "lightgbm")


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds to train each, for one slice of so many assets, all together (p50 and p99), and for a long batch."""

    training: Mapping[str, float]
    slice_p50: float
    slice_p99: float
    batch: Mapping[str, float]


def measure(
    params: Mapping[str, Mapping[str, Any]], rows: int = 17_500, assets: int = 32, batch: int = 8_784, turns: int = 200
) -> Measured:
    """Train each named model on so many hours of noise, which grows trees as large as they may be, and ask it."""
    made = table(rows + HORIZON)
    learnt = np.arange(rows)
    y = made.ahead(learnt, HORIZON, features.column("return_1")).sum(axis=1)
    training, batches, slices = {}, {}, np.zeros(turns)
    many, newest = made.windows(learnt[:batch], 1), made.windows(learnt[-assets:], 1)
    for name, given in params.items():
        model = models.build(name, given, HORIZON)
        begun = time.perf_counter()
        artefact = model.fit(made, learnt, y, 7)
        training[name] = time.perf_counter() - begun
        fitted = [model.load(artefact) for _ in range(assets)]
        begun = time.perf_counter()
        fitted[0].predict(many)
        batches[name] = time.perf_counter() - begun
        model.predict_each(fitted, newest)
        for turn in range(turns):
            begun = time.perf_counter()
            model.predict_each(fitted, newest)
            slices[turn] += time.perf_counter() - begun
    return Measured(training, float(np.quantile(slices, 0.5)), float(np.quantile(slices, 0.99)), batches)
