"""The nets alone: training one asset, and forecasting one slice of many assets, each with nets of its own."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.inference import features, models
from services.inference.models import Table

NETS = ("lstm", "transformer", "multi_task")
HORIZON = 12


@dataclass(frozen=True, slots=True)
class Served:
    """Seconds for one slice of so many assets, all nets together (p50 and p99), and for a long batch of one asset."""

    slice_p50: float
    slice_p99: float
    batch: Mapping[str, float]


def table(rows: int, seed: int = 1) -> Table:
    """Noise in every column of the features, with returns and a volatility that fit each other."""
    chance = np.random.default_rng(seed)
    x = chance.normal(size=(rows, len(features.FEATURES)))
    x[:, features.column("return_1")] = chance.normal(0.0, 0.006, rows)
    x[:, features.column("volatility_168")] = 0.006 * np.exp(chance.normal(0.0, 0.2, rows))
    return Table(x, np.arange(1, rows + 1))


def train(name: str, params: Mapping[str, Any], rows: int) -> tuple[bytes, float]:
    """Train one net on so many hours of noise; returns the artefact and the seconds it took.

    Noise ends early: give a ``patience`` as long as ``epochs`` to see the longest that a training can take.
    """
    model = models.build(name, params, HORIZON)
    made = table(rows + model.bars + HORIZON)
    learnt = np.arange(model.bars, rows + model.bars)
    y = made.ahead(learnt, HORIZON, features.column("return_1")).sum(axis=1)
    begun = time.perf_counter()
    artefact = model.fit(made, learnt, y, 7)
    return artefact, time.perf_counter() - begun


def serve(params: Mapping[str, Mapping[str, Any]], assets: int = 32, batch: int = 8_784, turns: int = 200) -> Served:
    """Time forecasts of nets that were hardly trained: how long they take does not depend on what they learnt."""
    made, chance = table(2_000), np.random.default_rng(2)
    slices, batches = np.zeros(turns), {}
    for name, given in params.items():
        artefact, _ = train(name, {**given, "epochs": 1}, 400)
        model = models.build(name, given, HORIZON)
        fitted = [model.load(artefact) for _ in range(assets)]
        windows = made.windows(np.arange(model.bars, model.bars + assets), model.bars)
        model.predict_each(fitted, windows)
        for turn in range(turns):
            begun = time.perf_counter()
            model.predict_each(fitted, windows)
            slices[turn] += time.perf_counter() - begun
        many = made.windows(chance.integers(model.bars, 2_000, batch), model.bars)
        begun = time.perf_counter()
        fitted[0].predict(many)
        batches[name] = time.perf_counter() - begun
    return Served(float(np.quantile(slices, 0.5)), float(np.quantile(slices, 0.99)), batches)
