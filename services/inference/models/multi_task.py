"""One net for three tasks: the return, how volatile the next hours will be, and whether the price rises.

Volatility can be forecast where returns hardly can, and what the net learns of it steadies the rest. Its body is a
pyramid of strided convolutions: hours are joined into stretches of ``patch`` hours, and the stretches into one vector.
The uncertainty is the volatility head's, scaled to the errors that were made on the held-out part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from services.inference import features, layers, models
from services.inference.layers import Arrays, Singles
from services.inference.net_training import NetParams
from services.inference.nets import SequenceModel
from services.inference.series import Floats, Ints

if TYPE_CHECKING:
    from torch import Tensor, nn

RETURN, VOLATILITY, DIRECTION = range(3)
"""Columns of what is said and wanted: units; log of volatility to come over recent; log odds, and 0, 1/2 or 1."""

REACH = 3.0
"""The log ratio of volatilities is cut here: a factor of 20 either way."""


class Params(NetParams):
    """``patch`` hours make a stretch; each hour, stretch and window becomes so many numbers."""

    patch: int = Field(default=6, ge=1)
    hour_width: int = Field(default=16, ge=1)
    stretch_width: int = Field(default=32, ge=1)
    width: int = Field(default=32, ge=1)
    volatility_weight: float = Field(default=1.0, ge=0)
    direction_weight: float = Field(default=0.5, ge=0)

    @model_validator(mode="after")
    def _stretches_fill_the_window(self) -> Self:
        if self.bars % self.patch:
            raise ValueError(f"bars {self.bars} is not a multiple of patch {self.patch}")
        return self


def network(columns: int, p: Params) -> nn.Module:
    """Build the torch module: (B, bars, F) -> (B, 3)."""
    from torch import nn
    from torch.nn import functional

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hour = nn.Linear(columns, p.hour_width)
            self.stretch = nn.Linear(p.patch * p.hour_width, p.stretch_width)
            self.window = nn.Linear(p.bars // p.patch * p.stretch_width, p.width)
            self.dropout = nn.Dropout(p.dropout)
            self.heads = nn.Linear(p.width, 3)
            nn.init.zeros_(self.heads.weight)
            nn.init.zeros_(self.heads.bias)

        def forward(self, x: Tensor) -> Tensor:
            hours = functional.relu(self.hour(x))  # (B, bars, hour_width)
            joined = hours.reshape(len(x), p.bars // p.patch, -1)  # (B, stretches, patch * hour_width)
            stretches = self.dropout(functional.relu(self.stretch(joined)))
            body = self.dropout(functional.relu(self.window(stretches.flatten(1))))  # (B, width)
            said: Tensor = self.heads(body)
            return said

    return Network()


class Model(SequenceModel):
    """Convolutions shared by three linear heads."""

    KIND = Params

    def __init__(self, params: Mapping[str, Any], horizon_bars: int) -> None:
        super().__init__(params, horizon_bars)
        self.step = features.column("return_1")

    def network(self, columns: int) -> nn.Module:
        """Build the torch module."""
        return network(columns, self.params)

    def forward(self, w: Arrays, x: Singles) -> Singles:
        """Map x (A, bars, F) to (A, 3)."""
        p: Params = self.params
        hours = layers.relu(layers.linear(w, "hour", x))  # (A, bars, hour_width)
        joined = hours.reshape(len(x), p.bars // p.patch, p.patch * p.hour_width)
        stretches = layers.relu(layers.linear(w, "stretch", joined))  # (A, stretches, stretch_width)
        joined = stretches.reshape(len(x), 1, p.bars // p.patch * p.stretch_width)
        body = layers.relu(layers.linear(w, "window", joined))  # (A, 1, width)
        return layers.linear(w, "heads", body)[:, 0]

    def targets(self, table: models.Table, rows: Ints, units: Floats) -> Floats:
        """Return (n, 3); the volatility is NaN where the hours to come have a gap or do not move."""
        steps = table.ahead(rows, self.horizon_bars, self.step)  # (n, horizon)
        realised = np.sqrt((steps * steps).sum(axis=1))
        recent = table.x[rows, self.volatility] * self.root_horizon
        ratio = np.where(realised > 0.0, realised, np.nan) / recent
        return np.stack([units, np.clip(np.log(ratio), -REACH, REACH), (np.sign(units) + 1.0) / 2.0], axis=1)

    def loss(self, said: Tensor, targets: Tensor) -> Tensor:
        """Add the three tasks' losses with fixed weights; the pull is on the return alone."""
        from torch.nn import functional

        known = ~targets[:, VOLATILITY].isnan()
        off = (said[:, VOLATILITY] - targets[:, VOLATILITY].nan_to_num()) * known
        direction = functional.binary_cross_entropy_with_logits(said[:, DIRECTION], targets[:, DIRECTION])
        found: Tensor = super().loss(said[:, RETURN], targets[:, RETURN])
        found += self.params.volatility_weight * off.square().mean() + self.params.direction_weight * direction
        return found

    def settle(self, said: Singles, targets: Floats) -> dict[str, npt.NDArray[Any]]:
        """Find the factor between the volatility that was said and the errors that were made."""
        missed = (said[:, RETURN] - targets[:, RETURN]) / np.exp(said[:, VOLATILITY].astype(np.float64))
        return {"error": np.array(math.sqrt(float(np.mean(missed * missed))))}

    def read(self, settled: Arrays, said: Singles) -> tuple[Floats, Floats]:
        """Return the first head, and the second as the standard deviation of its error."""
        expected = said[:, RETURN].astype(np.float64)
        return expected, np.exp(said[:, VOLATILITY].astype(np.float64)) * settled["error"]
