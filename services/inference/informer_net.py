"""The Informer network: ProbSparse attention, a distilling encoder and a decoder that writes all steps at once.

Source: Zhou et al. 2021, "Informer: Beyond Efficient Transformer for Long Sequence Time-Series Forecasting"
(arXiv 2012.07436). Letters in shapes: B windows, L steps, D model width, H heads, E = D / H.

Two choices where the paper leaves room. The keys that judge each query are drawn once from the configured seed and kept
with the weights, so the same window always gives the same forecast. In the decoder a query is judged by keys of its own
past and ranked among the queries before it: masked attention then never depends on a later step, not even through the
choice of the queries.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class InformerConfig:
    """Sizes of one Informer; the defaults are those of the paper's ETTh1 table."""

    enc_in: int  # input columns
    dec_in: int  # of these the first so many go into the decoder's start token
    c_out: int  # columns to forecast
    seq_len: int  # steps of history
    label_len: int  # of these the newest so many are the start token
    out_len: int  # steps to forecast
    time_features: int = 4  # calendar columns per step; 0 leaves the calendar out
    factor: int = 3  # c: of L queries about c ln L attend, judged by c ln L keys each
    d_model: int = 512
    n_heads: int = 8
    e_layers: int = 2
    d_layers: int = 1
    d_ff: int = 2048
    dropout: float = 0.05
    distil: bool = True
    activation: Literal["gelu", "relu"] = "gelu"  # of the feed-forward; the paper's is gelu
    sample_seed: int = 0  # of the keys drawn for the sparsity measurement


def sparse_count(length: int, factor: int) -> int:
    """Return how many of `length` queries (or keys) ProbSparse keeps: c times ln L, rounded up, at most all."""
    return min(length, factor * max(1, math.ceil(math.log(max(length, 1)))))


def draw_keys(length: int, factor: int, causal: bool, generator: torch.Generator) -> Tensor:
    """Draw for each query the keys that judge it: (L, U) indices; causal ones lie at or before the query."""
    share = torch.rand(length, sparse_count(length, factor), generator=generator)
    reach = torch.arange(1, length + 1)[:, None] if causal else torch.full((length, 1), length)
    return (share * reach).long().clamp(max=length - 1)


def attend(query: Tensor, key: Tensor, value: Tensor, hidden: Tensor | None = None) -> Tensor:
    """Return softmax(Q K / sqrt E) V for (B, H, L, E) queries; `hidden` (L, S) is true where a query may not look."""
    # Written out: at these lengths two batched products are quicker on a CPU than the fused kernel and its gradient.
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)  # (B, H, L, S)
    if hidden is not None:
        scores = scores.masked_fill(hidden, float("-inf"))
    mixed: Tensor = scores.softmax(-1).to(value.dtype) @ value
    return mixed


class Dropout(nn.Module):
    """Dropout whose rate is rounded to 1/256, so that one 64-bit draw decides on eight numbers."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.cut = round(rate * 256)

    def forward(self, x: Tensor) -> Tensor:
        """Return x with a share of its numbers set to zero and the others scaled up; x itself outside training."""
        if not self.training or not self.cut:
            return x
        draws = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device).random_(-(2**63), None)
        keep = draws.view(torch.uint8)[: x.numel()].view(x.shape) >= self.cut
        return torch.where(keep, x * (256 / (256 - self.cut)), 0)


class ProbSparseAttention(nn.Module):
    """Let the queries that stand out attend, and give the others the mean of the values (section 3.2 of the paper).

    A query stands out by the max-mean measurement of its scores on the drawn keys. With `causal` the mean runs over
    the steps so far, and a query attends when fewer than u of the queries so far stand out more.
    """

    sample: Tensor
    future: Tensor

    def __init__(self, length: int, factor: int, causal: bool, generator: torch.Generator) -> None:
        super().__init__()
        self.active = sparse_count(length, factor)
        self.causal = causal
        self.register_buffer("sample", draw_keys(length, factor, causal, generator))  # (L, U)
        self.register_buffer("future", torch.ones(length, length, dtype=torch.bool).triu(1), persistent=False)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Map (B, H, L, E) queries, keys and values of one sequence to (B, H, L, E)."""
        if self.causal:
            return self._causal(query, key, value)
        size = query.shape[-1]
        top = self.measure(query, key).topk(self.active, dim=-1).indices[..., None].expand(-1, -1, -1, size)
        attended = attend(query.gather(2, top), key, value)  # (B, H, u, E)
        lazy = value.mean(dim=2, keepdim=True).expand_as(value).to(attended.dtype)
        return lazy.scatter(2, top, attended)

    @torch.no_grad()
    def measure(self, query: Tensor, key: Tensor) -> Tensor:
        """Return each query's sparsity measurement (B, H, L): the largest minus the mean of its scores on its keys."""
        # One dense product is quicker than collecting every query's keys at the lengths in use (below 1,000); one head
        # after the other, because all at once would not fit the processor's cache.
        drawn = torch.stack([self._drawn(query[:, i], key[:, i]) for i in range(query.shape[1])], dim=1).float()
        return drawn.amax(-1) - drawn.mean(-1)

    def _drawn(self, query: Tensor, key: Tensor) -> Tensor:
        """Return the scores of (B, L, E) queries on the keys drawn for each: (B, L, U)."""
        return (query @ key.transpose(-1, -2)).gather(-1, self.sample.expand(len(query), -1, -1))

    def _causal(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        measured = self.measure(query, key)
        ahead = (measured[..., None, :] > measured[..., :, None]).tril()  # (B, H, L, L): earlier and more sparse
        attends = (ahead.sum(-1) < self.active)[..., None]  # (B, H, L, 1)
        attended = attend(query, key, value, self.future)
        steps = torch.arange(1, value.shape[2] + 1, device=value.device)[:, None]
        lazy = (value.float().cumsum(2) / steps).to(attended.dtype)
        return torch.where(attends, attended, lazy)


class FullAttention(nn.Module):
    """Let every query attend to every key: the decoder's look at the encoded history."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Map (B, H, L, E) queries on (B, H, S, E) keys and values to (B, H, L, E)."""
        return attend(query, key, value)


class MultiHead(nn.Module):
    """Project to heads, attend, and project back."""

    def __init__(self, config: InformerConfig, attention: nn.Module) -> None:
        super().__init__()
        self.heads = config.n_heads
        self.query = nn.Linear(config.d_model, config.d_model)
        self.key = nn.Linear(config.d_model, config.d_model)
        self.value = nn.Linear(config.d_model, config.d_model)
        self.out = nn.Linear(config.d_model, config.d_model)
        self.attention = attention

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """Map (B, L, D) looking at (B, S, D) to (B, L, D)."""
        attended = self.attention(
            self._split(self.query(x)), self._split(self.key(memory)), self._split(self.value(memory))
        )
        mixed: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return mixed

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (B, L, D) -> (B, H, L, E)


class FeedForward(nn.Sequential):
    """The two linear layers after each attention, step by step."""

    def __init__(self, config: InformerConfig) -> None:
        super().__init__(
            nn.Linear(config.d_model, config.d_ff),
            nn.GELU() if config.activation == "gelu" else nn.ReLU(),
            Dropout(config.dropout),
            nn.Linear(config.d_ff, config.d_model),
            Dropout(config.dropout),
        )


class EncoderLayer(nn.Module):
    """ProbSparse self-attention and a feed-forward, each with a residual and a norm behind it."""

    def __init__(self, config: InformerConfig, length: int, generator: torch.Generator) -> None:
        super().__init__()
        self.attend = MultiHead(config, ProbSparseAttention(length, config.factor, False, generator))
        self.feed = FeedForward(config)
        self.norms = nn.ModuleList(nn.LayerNorm(config.d_model) for _ in range(2))
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, L, D) to (B, L, D)."""
        x = self.norms[0](x + self.dropout(self.attend(x, x)))
        out: Tensor = self.norms[1](x + self.feed(x))
        return out


class DecoderLayer(nn.Module):
    """Causal ProbSparse self-attention, a look at the encoded history, and a feed-forward."""

    def __init__(self, config: InformerConfig, generator: torch.Generator) -> None:
        super().__init__()
        length = config.label_len + config.out_len
        self.attend = MultiHead(config, ProbSparseAttention(length, config.factor, True, generator))
        self.look = MultiHead(config, FullAttention())
        self.feed = FeedForward(config)
        self.norms = nn.ModuleList(nn.LayerNorm(config.d_model) for _ in range(3))
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, memory: Tensor, newest: int) -> Tensor:
        """Map (B, L, D) looking at (B, S, D) to the `newest` steps of the layer's output: (B, newest, D).

        Behind the self-attention each step goes its own way, so what nobody reads need not be worked out.
        """
        x = self.norms[0]((x + self.dropout(self.attend(x, x)))[:, -newest:])
        x = self.norms[1](x + self.dropout(self.look(x, memory)))
        out: Tensor = self.norms[2](x + self.feed(x))
        return out


class Distil(nn.Module):
    """Halve the steps between encoder layers: convolution, norm, ELU, max-pool of width 3 and stride 2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, kernel_size=3, padding=1, padding_mode="replicate")
        self.norm = nn.BatchNorm1d(width)
        self.pool = nn.MaxPool1d(kernel_size=3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, L, D) to (B, ceil(L / 2), D)."""
        pooled: Tensor = self.pool(functional.elu(self.norm(self.conv(x.transpose(1, 2)))))
        return pooled.transpose(1, 2)


class Embedding(nn.Module):
    """Put values (a convolution over three steps), position (sines) and calendar (a linear map) into one token each."""

    position: Tensor

    def __init__(self, columns: int, length: int, config: InformerConfig) -> None:
        super().__init__()
        self.token = nn.Conv1d(columns, config.d_model, 3, padding=1, padding_mode="replicate", bias=False)
        nn.init.kaiming_normal_(self.token.weight, mode="fan_in", nonlinearity="leaky_relu")
        self.time = nn.Linear(config.time_features, config.d_model) if config.time_features else None
        self.dropout = Dropout(config.dropout)
        self.register_buffer("position", sines(length, config.d_model))

    def forward(self, values: Tensor, time: Tensor | None) -> Tensor:
        """Map (B, L, columns) values and (B, L, time_features) calendar to (B, L, D)."""
        token = self.token(values.transpose(1, 2)).transpose(1, 2) + self.position
        if self.time is not None:
            token = token + self.time(time)
        out: Tensor = self.dropout(token)
        return out


def sines(length: int, width: int) -> Tensor:
    """Return the fixed position code (L, D): sines and cosines of falling frequency."""
    step = torch.arange(length, dtype=torch.float32)[:, None]
    angle = step * torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10_000.0) / width))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]


class Informer(nn.Module):
    """Forecast `out_len` steps in one pass from `seq_len` steps of history."""

    def __init__(self, config: InformerConfig) -> None:
        super().__init__()
        self.config = config
        generator = torch.Generator().manual_seed(config.sample_seed)
        self.enc_embedding = Embedding(config.enc_in, config.seq_len, config)
        self.dec_embedding = Embedding(config.dec_in, config.label_len + config.out_len, config)
        self.encoder = nn.ModuleList()
        length = config.seq_len
        for layer in range(config.e_layers):
            self.encoder.append(EncoderLayer(config, length, generator))
            if config.distil and layer < config.e_layers - 1:
                self.encoder.append(Distil(config.d_model))
                length = (length + 1) // 2
        self.enc_norm = nn.LayerNorm(config.d_model)
        self.decoder = nn.ModuleList(DecoderLayer(config, generator) for _ in range(config.d_layers))
        self.dec_norm = nn.LayerNorm(config.d_model)
        self.head = nn.Linear(config.d_model, config.c_out)

    def forward(self, history: Tensor, time: Tensor | None = None) -> Tensor:
        """Map history (B, seq_len, enc_in) to forecasts (B, out_len, c_out).

        `time` (B, seq_len + out_len, time_features) is the calendar of the history and of the steps to forecast.
        """
        seq, label, out = self.config.seq_len, self.config.label_len, self.config.out_len
        memory = self.enc_embedding(history, None if time is None else time[:, :seq])
        for layer in self.encoder:
            memory = layer(memory)
        memory = self.enc_norm(memory)
        # The start token is the newest history; the steps to forecast are zeros that carry position and calendar only.
        start = functional.pad(history[:, seq - label :, : self.config.dec_in], (0, 0, 0, out))
        x = self.dec_embedding(start, None if time is None else time[:, seq - label :])
        for number, layer in enumerate(self.decoder, 1):
            x = layer(x, memory, out if number == len(self.decoder) else label + out)
        forecast: Tensor = self.head(self.dec_norm(x))
        return forecast
