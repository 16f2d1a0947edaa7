"""Made-up tables with gaps of knowledge, and quick parameters of every model made of trees."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from services.inference import features, models
from services.inference.series import Floats, Ints

HORIZON = 12

VOLATILITY = features.column("volatility_168")

COMMON: Mapping[str, Any] = {
    "depth": 4,
    "rows_per_leaf": 8,
    "feature_share": 0.5,
    "row_share": 0.6,
    "l2": 3.0,
    "holdout_share": 0.25,
    "clip": 4.0,
}

PARAMS: Mapping[str, dict[str, Any]] = {
    "lightgbm": {**COMMON, "rounds": 12, "learning_rate": 0.1, "leaves": 9, "bins": 31},
    "xgboost": {**COMMON, "rounds": 12, "learning_rate": 0.1, "bins": 31},
    "random_forest": {**COMMON, "trees": 12},
}


def table(n: int, seed: int = 1) -> models.Table:
    """Chance in every column, some of it unknown; one column never known, the volatility always."""
    chance = np.random.default_rng(seed)
    x = chance.normal(size=(n, len(features.FEATURES)))
    x[chance.random(x.shape) < 0.1] = np.nan
    x[:, 1] = np.nan_to_num(x[:, 1])
    x[:, 2] = np.nan
    x[:, VOLATILITY] = 0.01 * np.exp(0.2 * chance.normal(size=n))
    return models.Table(x, np.arange(1, n + 1))


def labels(table: models.Table, seed: int = 1) -> tuple[Ints, Floats]:
    """Rows that have a label, and labels of which two columns know a little, one of them by being unknown."""
    chance = np.random.default_rng(seed)
    rows = np.arange(len(table.x) - HORIZON)
    x = table.x[rows]
    units = chance.normal(size=len(rows)) + np.nan_to_num(x[:, 0]) + np.isnan(x[:, 3])
    return rows, units * x[:, VOLATILITY] * np.sqrt(HORIZON)


def built(name: str, **changed: Any) -> Any:
    """A model with its quick parameters, some of them changed."""
    return models.build(name, {**PARAMS[name], **changed}, HORIZON)
