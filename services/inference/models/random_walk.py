"""The random walk: the price is expected to stay; only its spread is learnt. All others are measured against it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.inference import models
from services.inference.features import column
from services.inference.series import Floats


class Params(models.Params):
    """``volatility`` names the feature that holds the recent volatility per hour."""

    volatility: str = "volatility_72"


@dataclass(frozen=True, slots=True)
class Fitted:
    """Expected return 0; uncertainty = recent volatility * sqrt(horizon) * ``scale``."""

    volatility: int
    root_horizon: float
    scale: float

    def predict(self, x: Floats) -> models.Prediction:
        """Forecast from features (n, F)."""
        spread = x[:, self.volatility] * self.root_horizon * self.scale
        return models.Prediction(np.zeros(len(x)), spread)


class Model:
    """Learns one number: how much wider or narrower realised returns are than volatility alone says."""

    def __init__(self, params: Mapping[str, Any], horizon_bars: int) -> None:
        self.params: Params = models.check(Params, params)
        self.volatility = column(self.params.volatility)
        self.root_horizon = math.sqrt(horizon_bars)

    def fit(self, x: Floats, y: Floats, seed: int) -> bytes:
        """Scale the spread so that it equals the returns' root mean square in units of volatility."""
        spread = x[:, self.volatility] * self.root_horizon
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
