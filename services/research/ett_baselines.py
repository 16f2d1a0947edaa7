"""The simple forecasters that stand beside the Informer on ETTh1: each maps 48 hours to the next 24."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from services.research import ett_informer
from services.research.ett_data import HISTORY, HORIZON, EttData, Floats
from services.research.ett_informer import Budget, Say

PENALTIES = (0.1, 1.0, 10.0, 100.0, 1e3, 1e4)
TREND_HOURS = 25


def repeat_last(data: EttData) -> Floats:
    """Forecast that the newest hour stays: (n, 24, C)."""
    return np.repeat(data.history(data.starts("test"))[:, -1:], HORIZON, axis=1)


def seasonal(data: EttData) -> Floats:
    """Forecast that each hour is as it was a day before: (n, 24, C)."""
    return data.history(data.starts("test"))[:, -HORIZON:]


def ridge_nlinear(data: EttData) -> tuple[Floats, dict[str, Any]]:
    """Forecast by one ridge regression on the history less its newest value (Zeng et al. 2022, NLinear).

    All columns share the weights; the penalty is the best one of the validation part.
    """
    x, y = _level(data, "train")
    products, cross = x.T @ x, x.T @ y
    held_x, held_y = _level(data, "validation")
    fits = {one: np.linalg.solve(products + one * np.eye(HISTORY), cross) for one in PENALTIES}
    errors = {one: float(np.mean((held_x @ fit - held_y) ** 2)) for one, fit in fits.items()}
    best = min(errors, key=errors.__getitem__)
    history = data.history(data.starts("test")).astype(np.float64)
    last = history[:, -1:]
    said = np.einsum("nlc,lh->nhc", history - last, fits[best]) + last
    return said.astype(np.float32), {"penalty": best, "validation_mse": errors[best]}


def _level(data: EttData, split: str) -> tuple[Any, Any]:
    """Return histories (n * C, 48) and futures (n * C, 24), both less the newest value."""
    starts = data.starts(split)
    history, future = data.history(starts).astype(np.float64), data.future(starts).astype(np.float64)
    last = history[:, -1:]
    return tuple((part - last).transpose(0, 2, 1).reshape(-1, part.shape[1]) for part in (history, future))  # type: ignore[return-value]


class DLinear(nn.Module):
    """One linear map for the moving average and one for the rest, shared by all columns (Zeng et al. 2022)."""

    def __init__(self) -> None:
        super().__init__()
        self.trend, self.rest = nn.Linear(HISTORY, HORIZON), nn.Linear(HISTORY, HORIZON)

    def forward(self, history: Tensor, time: Tensor) -> Tensor:
        """Map (B, 48, C) to (B, 24, C); the calendar is not used."""
        x = history.transpose(1, 2)  # (B, C, 48)
        half = TREND_HOURS // 2
        trend = functional.avg_pool1d(functional.pad(x, (half, half), mode="replicate"), TREND_HOURS, stride=1)
        said: Tensor = self.trend(trend) + self.rest(x - trend)
        return said.transpose(1, 2)


def dlinear(data: EttData, seed: int, say: Say) -> tuple[Floats, dict[str, Any]]:
    """Train DLinear with the Informer's loop at a rate that suits two linear maps."""
    torch.manual_seed(seed)
    net = DLinear()
    budget = Budget(epochs=10, patience=3, rate=5e-3, precision="float32")
    notes = ett_informer.train(net, data, seed, budget, say)
    return ett_informer.predict(net, data, data.starts("test"), "float32"), notes
