"""An Informer on the last 168 hours of features: it writes the returns of all hours to come in one pass.

The network is :mod:`services.inference.informer_net` (Zhou et al. 2021, arXiv 2012.07436), small, without a calendar
of its own (the features have one) and with its position code. It learns the next hours one by one, in units of recent
volatility; the forecast is their sum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from services.inference import features, layers, models
from services.inference import informer_serving as serving
from services.inference.layers import Arrays, Singles
from services.inference.net_training import NetParams
from services.inference.nets import SequenceModel
from services.inference.series import Floats, Ints

if TYPE_CHECKING:
    from torch import Tensor, nn


class Params(NetParams):
    """``width`` is the size of each hour's vector, ``feed`` that of the feed-forward, ``label`` the decoder's start."""

    bars: int = Field(default=168, ge=2)
    stride: int = Field(default=4, ge=1)
    epochs: int = Field(default=10, ge=0)
    patience: int = Field(default=3, ge=1)
    learning_rate: float = Field(default=3e-4, gt=0)
    dropout: float = Field(default=0.3, ge=0, lt=1)
    column_dropout: float = Field(default=0.4, ge=0, lt=1)
    label: int = Field(default=48, ge=1)
    width: int = Field(default=32, ge=2)
    heads: int = Field(default=4, ge=1)
    feed: int = Field(default=64, ge=1)
    encoder_layers: int = Field(default=2, ge=1)
    decoder_layers: int = Field(default=1, ge=1)
    factor: int = Field(default=3, ge=1)
    """c: about c ln L of L hours attend, each judged by as many."""
    sample_seed: int = Field(default=0, ge=0)
    """Of the hours that judge: drawn once and kept in the artefact."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"width {self.width} is odd or cannot be shared among {self.heads} heads")
        if self.label > self.bars:
            raise ValueError(f"label {self.label} is longer than bars {self.bars}")
        return self


class Model(SequenceModel):
    """ProbSparse attention, a distilling encoder, a generative decoder; one output per hour to come."""

    KIND = Params

    def __init__(self, params: Mapping[str, Any], horizon_bars: int) -> None:
        super().__init__(params, horizon_bars)
        self.step = features.column("return_1")

    def network(self, columns: int) -> nn.Module:
        """Build the torch module: (B, bars, F) -> (B, horizon)."""
        from torch import nn

        from services.inference.informer_net import Informer, InformerConfig

        class Network(Informer):
            def forward(self, history: Tensor, time: Tensor | None = None) -> Tensor:
                return super().forward(history, time)[..., 0]

        p: Params = self.params
        net = Network(
            InformerConfig(
                enc_in=columns,
                dec_in=columns,
                c_out=1,
                seq_len=p.bars,
                label_len=p.label,
                out_len=self.horizon_bars,
                time_features=0,
                factor=p.factor,
                d_model=p.width,
                n_heads=p.heads,
                e_layers=p.encoder_layers,
                d_layers=p.decoder_layers,
                d_ff=p.feed,
                dropout=p.dropout,
                activation="relu",
                sample_seed=p.sample_seed,
            )
        )
        nn.init.zeros_(net.head.weight)
        nn.init.zeros_(net.head.bias)
        return net

    def targets(self, table: models.Table, rows: Ints, units: Floats) -> Floats:
        """Return (n, horizon + 1): each hour's return in units of one hour's volatility, NaN behind a gap; the sum."""
        steps = table.ahead(rows, self.horizon_bars, self.step) / table.x[rows, self.volatility][:, None]
        return np.concatenate([np.clip(steps, -self.params.clip, self.params.clip), units[:, None]], axis=1)

    def loss(self, said: Tensor, targets: Tensor) -> Tensor:
        """Return the mean squared error over the hours that are known, and the pull of what is said."""
        steps = targets[:, :-1]
        off = (said - steps.nan_to_num()) * ~steps.isnan()
        found: Tensor = off.square().mean() + self.params.pull * said.square().mean()
        return found

    def settle(self, said: Singles, targets: Floats) -> dict[str, npt.NDArray[Any]]:
        """Measure the root mean square error of the sum on rows that the net did not learn from."""
        missed = self._sum(said) - targets[:, -1]
        return {"error": np.array(math.sqrt(float(np.mean(missed * missed))))}

    def read(self, settled: Arrays, said: Singles) -> tuple[Floats, Floats]:
        """Return the sum of the hours and the error of such sums, both in units of the horizon's volatility."""
        expected = self._sum(said)
        return expected, np.broadcast_to(settled["error"], expected.shape)

    def _sum(self, said: Singles) -> Floats:
        total: Floats = said.astype(np.float64).sum(axis=1)
        return total / self.root_horizon

    def prepare(self, weights: Arrays) -> Arrays:
        """Lay the weights out for NumPy."""
        return serving.prepare(weights)

    def forward(self, w: Arrays, x: Singles) -> Singles:
        """Map x (A, bars, F) to (A, horizon)."""
        p: Params = self.params
        memory = serving.embed(w, "enc_embedding", x)  # (A, bars, D)
        for number in range(2 * p.encoder_layers - 1):
            step = f"encoder.{number}"
            memory = serving.distil(w, step, memory) if number % 2 else serving.encode(w, step, memory, p.heads)
        memory = layers.layer_norm(w, "enc_norm", memory)
        coming = np.zeros((len(x), self.horizon_bars, x.shape[2]), np.float32)
        said = serving.embed(w, "dec_embedding", np.concatenate([x[:, -p.label :], coming], axis=1))
        for number in range(p.decoder_layers):
            newest = self.horizon_bars if number == p.decoder_layers - 1 else said.shape[1]
            said = serving.decode(w, f"decoder.{number}", said, memory, p.heads, newest)  # (A, newest, D)
        return layers.linear(w, "head", layers.layer_norm(w, "dec_norm", said))[..., 0]
