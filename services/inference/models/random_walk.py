"""The random walk: the price is expected to stay; only its spread is learnt. All others are measured against it."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.inference import models
from services.inference.features import column
from services.inference.series import Floats, Ints


class Params(models.Params):
    """``volatility`` names the feature that holds the recent volatility per hour."""

    volatility: str = "volatility_72"


@dataclass(frozen=True, slots=True)
class Fitted:
    """Expected return 0; uncertainty = recent volatility * sqrt(horizon) * ``scale``."""

    volatility: int
    root_horizon: float
    scale: float

    def predict(self, windows: Floats) -> models.Prediction:
        """Forecast from feature rows (n, 1, F)."""
        spread = windows[:, -1, self.volatility] * self.root_horizon * self.scale
        return models.Prediction(np.zeros(len(windows)), spread)


class Model:
    """Learns one number: how much wider or narrower realised returns are than volatility alone says."""

    bars = 1

    def __init__(self, params: Mapping[str, Any], horizon_bars: int) -> None:
        self.params: Params = models.check(Params, params)
        self.volatility = column(self.params.volatility)
        self.root_horizon = math.sqrt(horizon_bars)

    def fit(self, table: models.Table, rows: Ints, y: Floats, seed: int) -> bytes:
        """Scale the spread so that it equals the returns' root mean square in units of volatility."""
        spread = table.x[rows, self.volatility] * self.root_horizon
        moved = spread > 0.0
        units = y[moved] / spread[moved]
        scale = math.sqrt(float(np.mean(units * units))) if moved.any() else 1.0
        return json.dumps({"scale": scale or 1.0}).encode()

    def load(self, artefact: bytes) -> Fitted:
        """Read what ``fit`` returned."""
        return Fitted(self.volatility, self.root_horizon, float(json.loads(artefact)["scale"]))

    def untrained(self) -> Fitted:
        """Return the textbook random walk, whose spread grows with the square root of time."""
        return Fitted(self.volatility, self.root_horizon, 1.0)

    def predict_each(self, fitted: Sequence[Fitted], windows: Floats) -> models.Prediction:
        """Forecast windows (A, 1, F), each with its own spread."""
        scale = np.array([one.scale for one in fitted])
        spread = windows[:, -1, self.volatility] * self.root_horizon * scale
        return models.Prediction(np.zeros(len(windows)), spread)
