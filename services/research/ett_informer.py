"""Train the Informer on ETTh1 by the paper's protocol: Adam halved each epoch, early stopping on validation."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from services.inference.informer_net import Informer, InformerConfig
from services.research.ett_data import HORIZON, EttData, Floats, Rows

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Budget:
    """How long and how wide to train; the defaults are the paper's."""

    epochs: int = 6
    patience: int = 3
    batch: int = 32
    stride: int = 1  # learn from every so manieth window
    rate: float = 1e-4
    d_model: int = 512
    d_ff: int = 2048
    heads: int = 8
    factor: int = 3
    label: int = 48  # newest hours of the history that start the decoder
    precision: str = "bfloat16"  # of the products in training; the weights and the test stay float32
    device: str = "cpu"


def forecast(data: EttData, seed: int, budget: Budget, say: Say) -> tuple[Floats, dict[str, Any]]:
    """Train on the training part and forecast all test windows: (n, 24, C), and how the training went."""
    torch.manual_seed(seed)
    columns = data.values.shape[1]
    config = InformerConfig(
        enc_in=columns,
        dec_in=columns,
        c_out=columns,
        seq_len=data.lookback,
        label_len=budget.label,
        out_len=HORIZON,
        factor=budget.factor,
        d_model=budget.d_model,
        n_heads=budget.heads,
        d_ff=budget.d_ff,
        sample_seed=seed,
    )
    net = Informer(config).to(budget.device)
    notes = train(net, data, seed, budget, say)
    return predict(net, data, data.starts("test"), "float32"), {
        "factor": budget.factor,
        "lookback": data.lookback,
        **notes,
    }


def train(net: nn.Module, data: EttData, seed: int, budget: Budget, say: Say) -> dict[str, Any]:
    """Train in place, leave the weights of the best epoch in `net`, and return how it went."""
    order = np.random.default_rng(seed)
    starts, held_out = data.starts("train")[:: budget.stride], data.starts("validation")
    optimizer = torch.optim.Adam(net.parameters(), lr=budget.rate)
    best, best_epoch, best_weights = float("inf"), 0, net.state_dict()
    epoch = 0
    for epoch in range(1, budget.epochs + 1):
        began = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = budget.rate * 0.5 ** (epoch - 1)
        loss = _epoch(net, data, order.permutation(starts), optimizer, budget)
        error = float(np.mean((predict(net, data, held_out, budget.precision) - data.future(held_out)) ** 2))
        say(f"epoch {epoch}: train {loss:.4f}, validation {error:.4f}, {time.perf_counter() - began:.0f} s")
        if error < best:
            best, best_epoch = error, epoch
            best_weights = {name: value.clone() for name, value in net.state_dict().items()}
        elif epoch - best_epoch >= budget.patience:
            break
    net.load_state_dict(best_weights)
    return {"epochs": epoch, "best_epoch": best_epoch, "patience": budget.patience, "validation_mse": best}


def _epoch(net: nn.Module, data: EttData, order: Rows, optimizer: torch.optim.Optimizer, budget: Budget) -> float:
    net.train()
    losses = []
    for first in range(0, len(order) - budget.batch + 1, budget.batch):
        rows = order[first : first + budget.batch]
        optimizer.zero_grad()
        said = _run(net, data, rows, budget.precision)
        loss = (said - torch.from_numpy(data.future(rows)).to(said.device)).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    return float(np.mean(losses))


@torch.no_grad()
def predict(net: nn.Module, data: EttData, starts: Rows, precision: str, batch: int = 128) -> Floats:
    """Forecast the windows: (n, 24, C)."""
    net.eval()
    said = [_run(net, data, starts[i : i + batch], precision).cpu().numpy() for i in range(0, len(starts), batch)]
    return np.concatenate(said)


def _run(net: nn.Module, data: EttData, rows: Rows, precision: str) -> Tensor:
    device = next(net.parameters()).device
    history, calendar = (torch.from_numpy(part(rows)).to(device) for part in (data.history, data.calendar))
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        said: Tensor = net(history, calendar)
    return said.float()
