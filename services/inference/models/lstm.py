"""A small LSTM on the last 48 hours of features: one layer, read out at the newest hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from services.inference import layers
from services.inference.layers import Arrays, Singles
from services.inference.net_training import NetParams
from services.inference.nets import SequenceModel

if TYPE_CHECKING:
    from torch import Tensor, nn


class Params(NetParams):
    """``width`` features are made of each hour's columns; ``hidden`` is what the net remembers."""

    width: int = Field(default=32, ge=1)
    hidden: int = Field(default=32, ge=1)


def network(columns: int, p: Params) -> nn.Module:
    """Build the torch module: (B, bars, F) -> (B, 1)."""
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(columns, p.width)
            self.cell = nn.LSTM(p.width, p.hidden, batch_first=True)
            self.dropout = nn.Dropout(p.dropout)
            self.head = nn.Linear(p.hidden, 1)
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)

        def forward(self, x: Tensor) -> Tensor:
            states, _ = self.cell(self.embed(x))  # (B, bars, H)
            said: Tensor = self.head(self.dropout(states[:, -1]))
            return said

    return Network()


class Model(SequenceModel):
    """Linear mix of each hour's columns, LSTM, linear read-out of its last state."""

    KIND = Params

    def network(self, columns: int) -> nn.Module:
        """Build the torch module."""
        return network(columns, self.params)

    def prepare(self, weights: Arrays) -> Arrays:
        """Bring torch's gates (input, forget, cell, output) into the order and halves that ``layers.lstm`` reads."""
        size = self.params.hidden
        order = np.r_[0 : 2 * size, 3 * size : 4 * size, 2 * size : 3 * size]
        half = np.repeat(np.array([0.5, 1.0], dtype=np.float32), [3 * size, size])[:, None]

        def gates(name: str) -> npt.NDArray[Any]:
            found: npt.NDArray[Any] = weights[f"cell.{name}_l0"].reshape(4 * size, -1)[order] * half
            return found

        w = {name: value for name, value in weights.items() if not name.startswith("cell.")}
        w |= {"input.weight": gates("weight_ih"), "hidden.weight": gates("weight_hh")}
        w["input.bias"] = (gates("bias_ih") + gates("bias_hh"))[:, 0]
        return layers.ready(w)

    def forward(self, w: Arrays, x: Singles) -> Singles:
        """Map x (A, bars, F) to (A, 1)."""
        gates = layers.linear(w, "input", layers.linear(w, "embed", x))  # (A, bars, 4H), all hours in one product
        state = layers.lstm(gates, w["hidden.weight"])  # (A, 1, H)
        return layers.linear(w, "head", state)[:, 0]
