"""The training loop of the nets. torch is imported here and only when it runs: serving does without."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from services.inference import models
from services.inference.layers import Arrays, Singles
from services.inference.series import Ints
from services.kernel.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor, nn

Loss = Callable[["Tensor", "Tensor"], "Tensor"]
"""Of what the net says (B, ...) and the targets (B, T); a mean over the rows."""


class NetParams(models.Params):
    """What all nets have in common; the values left out are those of a full training."""

    bars: int = Field(default=48, ge=1)
    """Rows of features that one forecast reads."""
    volatility: str = "volatility_168"
    """The feature that forecasts are in units of, together with the square root of the horizon."""
    clip: float = Field(default=4.0, gt=0)
    """Targets beyond so many units count as this many: one wild hour shall not pull the net."""
    pull: float = Field(default=3.0, ge=0)
    """Weight of the squared forecast in the loss: towards the random walk by a factor of 1 + pull. Most of what a net
    finds in hourly returns is noise."""
    holdout_share: float = Field(default=0.15, gt=0, lt=1)
    """The newest share of the span: it stops the training and measures the uncertainty."""
    stride: int = Field(default=1, ge=1)
    """Learn from every so manieth row; neighbours share all but one hour of their labels."""
    epochs: int = Field(default=20, ge=0)
    patience: int = Field(default=4, ge=1)
    """Epochs without a better loss on the newest part before training ends."""
    batch: int = Field(default=256, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.1, ge=0)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    column_dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the feature columns that each training window has to do without."""
    gradient_norm: float = Field(default=1.0, gt=0)
    members: int = Field(default=1, ge=1)
    """Nets trained alike but for the seed, whose forecasts are averaged: much of what one net says is its own noise."""
    threads: int = Field(default=1, ge=1)
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """Where to train and to forecast batches. Only on ``cpu`` are both the same to the bit, every time and for any
    batch."""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Rows of a table (n,) and what the net is to say of them (n, T); NaN where a target is not known."""

    rows: Ints
    targets: Singles


def chosen_device(asked: str) -> str:
    """Resolve ``auto``; raises ConfigError where CUDA is asked for and absent."""
    if asked == "cpu":
        return asked
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if asked == "cuda":
        raise ConfigError("models.yaml: key 'device': cuda is asked for and there is none here; use auto or cpu")
    return "cpu"


def train(
    network: Callable[[], nn.Module],
    loss: Loss,
    x: Singles,
    learn: Examples,
    held: Examples,
    params: NetParams,
    seed: int,
) -> dict[str, npt.NDArray[Any]]:
    """Train a net on windows of scaled rows ``x`` (N, F) and return its weights as torch names them.

    The weights are those of the epoch with the lowest loss on ``held``. The state before the first epoch competes too:
    a net that learns nothing of use stays what it started as, the random walk.
    """
    import torch

    device = chosen_device(params.device)
    with _quiet_torch(params.threads, seed, device):
        net = network().to(device)
        table = torch.from_numpy(np.ascontiguousarray(x)).to(device)
        optimiser = torch.optim.AdamW(net.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay)
        chance = np.random.default_rng(seed)
        best, lowest, since = copy.deepcopy(net.state_dict()), _held_loss(net, loss, table, held, params), 0
        for _ in range(params.epochs if len(learn.rows) and len(held.rows) else 0):
            net.train()
            for part in np.array_split(chance.permutation(len(learn.rows)), -(-len(learn.rows) // params.batch)):
                optimiser.zero_grad()
                windows = _windows(table, learn.rows[part], params.bars)
                # One draw per window and column, not per hour: what is left out is left out of the whole window.
                kept = torch.nn.functional.dropout(windows.new_ones(len(part), 1, x.shape[1]), params.column_dropout)
                torch.autograd.backward(loss(net(windows * kept), _tensor(learn.targets[part], device)))
                torch.nn.utils.clip_grad_norm_(net.parameters(), params.gradient_norm)
                optimiser.step()
            reached = _held_loss(net, loss, table, held, params)
            if reached < lowest:
                best, lowest, since = copy.deepcopy(net.state_dict()), reached, 0
            else:
                since += 1
                if since >= params.patience:
                    break
        return {name: value.cpu().numpy() for name, value in best.items()}


def outputs(net: nn.Module, x: Singles, device: str) -> Singles:
    """Return what a trained torch net says of scaled windows (n, bars, F): (n, ...)."""
    import torch

    # Reduced-precision products would make CUDA's answers differ from the CPU's in the third digit.
    with torch.no_grad(), torch.backends.cudnn.flags(allow_tf32=False):
        said: Singles = net.to(device).eval()(_tensor(x, device)).cpu().numpy()
    return said


def restored(net: nn.Module, weights: Arrays) -> nn.Module:
    """Put weights as torch names them into a freshly built net."""
    import torch

    net.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in weights.items()})
    return net


def window_rows(rows: Ints, bars: int) -> Ints:
    """List the rows of each window: (n, bars), oldest first."""
    found: Ints = rows[:, None] + np.arange(1 - bars, 1)
    return found


@contextmanager
def _quiet_torch(threads: int, seed: int, device: str) -> Iterator[None]:
    """Set torch's threads and random state, and put both back: other code in the process has its own."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[0] if device == "cuda" else []):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)


def _held_loss(net: nn.Module, loss: Loss, table: Tensor, held: Examples, params: NetParams) -> float:
    import torch

    net.eval()
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(held.rows), 1_024):
            part = slice(start, start + 1_024)
            said = net(_windows(table, held.rows[part], params.bars))
            reached = loss(said, _tensor(held.targets[part], table.device))
            total += float(reached) * len(held.rows[part])
    return total


def _windows(table: Tensor, rows: Ints, bars: int) -> Tensor:
    import torch

    return table[torch.from_numpy(window_rows(rows, bars)).to(table.device)]  # (B, bars, F)


def _tensor(values: Singles, device: Any) -> Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(values)).to(device)
