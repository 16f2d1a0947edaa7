"""A small Transformer encoder on the last 48 hours of features, read out at the newest hour.

Norms stand before attention and feed-forward (Xiong et al. 2020, arXiv 2002.04745), which trains without a warm-up.
Positions are learnt. Nothing is masked: the whole window is past. Only the newest hour is read, so the last layer asks
for that one alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from services.inference import layers
from services.inference.layers import Arrays, Singles
from services.inference.net_training import NetParams
from services.inference.nets import SequenceModel

if TYPE_CHECKING:
    from torch import Tensor, nn


class Params(NetParams):
    """``width`` is the size of each hour's vector, ``feed`` that of the feed-forward's inner layer."""

    width: int = Field(default=32, ge=1)
    layers: int = Field(default=2, ge=1)
    heads: int = Field(default=4, ge=1)
    feed: int = Field(default=64, ge=1)

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be shared among {self.heads} heads")
        return self


def layer(p: Params, asked: int) -> nn.Module:
    """Build one layer of which only the newest ``asked`` hours come out: (B, bars, D) -> (B, asked, D)."""
    from torch import nn
    from torch.nn import functional

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before = nn.LayerNorm(p.width)
            self.query = nn.Linear(p.width, p.width)
            self.memory = nn.Linear(p.width, 2 * p.width)
            self.join = nn.Linear(p.width, p.width)
            self.between = nn.LayerNorm(p.width)
            self.up = nn.Linear(p.width, p.feed)
            self.down = nn.Linear(p.feed, p.width)
            self.dropout = nn.Dropout(p.dropout)

        def forward(self, x: Tensor) -> Tensor:
            normed = self.before(x)
            query, key, value = (
                part.unflatten(-1, (p.heads, -1)).transpose(1, 2)  # (B, heads, L, D / heads)
                for part in (self.query(normed[:, -asked:]), *self.memory(normed).chunk(2, dim=-1))
            )
            found = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
            x = x[:, -asked:] + self.dropout(self.join(found))
            inner = functional.relu(self.up(self.between(x)))
            out: Tensor = x + self.dropout(self.down(inner))
            return out

    return Layer()


def network(columns: int, p: Params) -> nn.Module:
    """Build the torch module: (B, bars, F) -> (B, 1)."""
    import torch
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(columns, p.width)
            self.position = nn.Parameter(torch.randn(p.bars, p.width) * 0.02)
            asked = [p.bars] * (p.layers - 1) + [1]
            self.layers = nn.Sequential(*(layer(p, count) for count in asked))
            self.norm = nn.LayerNorm(p.width)
            self.dropout = nn.Dropout(p.dropout)
            self.head = nn.Linear(p.width, 1)
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)

        def forward(self, x: Tensor) -> Tensor:
            newest = self.layers(self.embed(x) + self.position)[:, -1]  # (B, D)
            said: Tensor = self.head(self.dropout(self.norm(newest)))
            return said

    return Network()


class Model(SequenceModel):
    """Linear mix of each hour's columns, encoder layers, linear read-out of the newest hour."""

    KIND = Params

    def network(self, columns: int) -> nn.Module:
        """Build the torch module."""
        return network(columns, self.params)

    def forward(self, w: Arrays, x: Singles) -> Singles:
        """Map x (A, bars, F) to (A, 1)."""
        p: Params = self.params
        x = layers.linear(w, "embed", x)  # (A, bars, D)
        x += w["position"]
        for number in range(p.layers):
            x = self._layer(w, f"layers.{number}", x, p.bars if number < p.layers - 1 else 1)
        return layers.linear(w, "head", layers.layer_norm(w, "norm", x))[:, 0]

    def _layer(self, w: Arrays, name: str, x: Singles, asked: int) -> Singles:
        width = self.params.width
        normed = layers.layer_norm(w, f"{name}.before", x)
        query = layers.linear(w, f"{name}.query", normed[:, -asked:])  # (A, asked, D)
        memory = layers.linear(w, f"{name}.memory", normed)  # (A, bars, 2D)
        found = layers.attention(query, memory[..., :width], memory[..., width:], self.params.heads)
        x = x[:, -asked:] + layers.linear(w, f"{name}.join", found)
        inner = layers.relu(layers.linear(w, f"{name}.up", layers.layer_norm(w, f"{name}.between", x)))
        x += layers.linear(w, f"{name}.down", inner)
        return x
