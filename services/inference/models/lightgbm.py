"""Gradient-boosted trees on the features, strongly regularised.

The target is the log return over the horizon in units of recent volatility, so that quiet and wild months count alike;
the forecast is turned back into a log return. Trees start from zero, which is the random walk, and not from the span's
mean. Uncertainty is the root mean square error, again in units of volatility, on the newest part of the training span,
forecast by trees that were grown on the part before it.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from pydantic import Field

from services.inference import models
from services.inference.features import column
from services.inference.series import Floats


class Params(models.Params):
    """What bounds the trees; ``holdout_share`` is the newest share of the span, kept to measure the uncertainty."""

    rounds: int = Field(ge=1)
    learning_rate: float = Field(gt=0, le=1)
    leaves: int = Field(ge=2)
    rows_per_leaf: int = Field(ge=1)
    feature_share: float = Field(gt=0, le=1)
    row_share: float = Field(gt=0, le=1)
    l2: float = Field(ge=0)
    bins: int = Field(ge=2, le=255)
    holdout_share: float = Field(gt=0, lt=1)
    clip: float = Field(gt=0)
    volatility: str = "volatility_168"


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Grown trees, and the error they made on rows they had not seen, in units of volatility."""

    trees: lgb.Booster
    volatility: int
    root_horizon: float
    error: float

    def predict(self, x: Floats) -> models.Prediction:
        """Forecast from features (n, F)."""
        spread = x[:, self.volatility] * self.root_horizon
        units = np.asarray(self.trees.predict(x, num_threads=1), dtype=np.float64)
        return models.Prediction(units * spread, spread * self.error)


class Model:
    """Grows trees twice: once to measure the error out of sample, once on the whole span."""

    def __init__(self, params: Mapping[str, Any], horizon_bars: int) -> None:
        self.params: Params = models.check(Params, params)
        self.volatility = column(self.params.volatility)
        self.horizon_bars = horizon_bars
        self.root_horizon = math.sqrt(horizon_bars)

    def fit(self, x: Floats, y: Floats, seed: int) -> bytes:
        """Train; the artefact is one line of JSON and LightGBM's text model."""
        spread = x[:, self.volatility] * self.root_horizon
        moved = spread > 0.0
        x, units = x[moved], y[moved] / spread[moved]
        kept = int(len(x) * (1.0 - self.params.holdout_share))
        # Rows whose label reaches into the holdout would leak it.
        before = max(kept - self.horizon_bars, 1)
        seen = self._grow(x[:before], units[:before], seed)
        missed = units[kept:] - np.asarray(seen.predict(x[kept:], num_threads=1))
        head = {"error": math.sqrt(float(np.mean(missed * missed)))}
        trees = self._grow(x, units, seed)
        text: str = trees.model_to_string()
        return json.dumps(head).encode() + b"\n" + text.encode()

    def load(self, artefact: bytes) -> Fitted:
        """Read what ``fit`` returned."""
        head, _, text = artefact.partition(b"\n")
        trees = lgb.Booster(model_str=text.decode())
        return Fitted(trees, self.volatility, self.root_horizon, float(json.loads(head)["error"]))

    def untrained(self) -> None:
        """Return None: trees know nothing before they are grown."""
        return

    def _grow(self, x: Floats, units: Floats, seed: int) -> lgb.Booster:
        p = self.params
        options = {
            "objective": "regression",
            "boost_from_average": False,
            "learning_rate": p.learning_rate,
            "num_leaves": p.leaves,
            "min_data_in_leaf": p.rows_per_leaf,
            "feature_fraction": p.feature_share,
            "bagging_fraction": p.row_share,
            "bagging_freq": 1,
            "lambda_l2": p.l2,
            "max_bin": p.bins,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }
        # One wild hour shall not grow a branch of its own.
        rows = lgb.Dataset(x, label=np.clip(units, -p.clip, p.clip), params=options)
        return lgb.train(options, rows, num_boost_round=p.rounds)
