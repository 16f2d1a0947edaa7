"""Made-up tables for the tests of the nets: any number of columns, and labels that follow one of them or nothing."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.inference import models
from services.inference.features import column
from services.inference.models import Table
from services.inference.nets import Fitted, SequenceModel, packed
from services.inference.series import Floats, Ints

HORIZON = 12
NETS = ("lstm", "transformer", "multi_task")
COLUMNS = max(column("return_1"), column("volatility_168"), 40) + 7
PLANTED = next(i for i in range(COLUMNS) if i not in (column("return_1"), column("volatility_168")))
TINY: dict[str, dict[str, Any]] = {
    "lstm": {"bars": 6, "width": 5, "hidden": 4},
    "transformer": {"bars": 6, "width": 8, "layers": 2, "heads": 2, "feed": 8},
    "multi_task": {"bars": 6, "patch": 3, "hour_width": 8, "stretch_width": 8, "width": 8},
}


def build(name: str, **params: Any) -> SequenceModel:
    """A net of its committed size unless ``params`` say otherwise."""
    made = models.build(name, params, HORIZON)
    assert isinstance(made, SequenceModel)
    return made


def build_tiny(name: str, **params: Any) -> SequenceModel:
    """A net that trains in a fraction of a second."""
    return build(name, **{**TINY[name], "epochs": 2, "batch": 64, **params})


def made_up(n: int, seed: int = 1, columns: int = COLUMNS) -> Table:
    """Noise in every column, one constant and one unknown throughout; hourly returns and their volatility fit."""
    chance = np.random.default_rng(seed)
    x = chance.normal(0.0, 3.0, (n, columns)) + chance.normal(0.0, 5.0, columns)
    x[chance.random((n, columns)) < 0.01] = np.nan
    x[:, -1], x[:, -2] = 4.2, np.nan
    x[:, PLANTED] = np.convolve(chance.normal(0.0, 1.0, n + 23), np.full(24, 24**-0.5), mode="valid")
    x[:, column("return_1")] = chance.normal(0.0, 0.006, n)
    x[:, column("volatility_168")] = 0.006 * np.exp(chance.normal(0.0, 0.2, n))
    return Table(x, np.arange(1, n + 1))


def labelled(table: Table, bars: int, strength: float = 0.0, seed: int = 2) -> tuple[Ints, Floats]:
    """Rows that have a window and a label, and the labels: noise, plus ``strength`` times the planted column."""
    rows = np.arange(bars - 1, len(table.x) - HORIZON)
    unit = table.x[rows, column("volatility_168")] * np.sqrt(HORIZON)
    noise = np.random.default_rng(seed).normal(0.0, 1.0, len(rows))
    return rows, (noise + strength * table.x[rows, PLANTED]) * unit


def drawn(model: SequenceModel, table: Table, seed: int) -> Fitted:
    """A net with weights drawn at random in every layer, as if it had been trained to say something."""
    import torch

    chance = np.random.default_rng(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        shapes = model.network(table.x.shape[1]).state_dict()
    weights: dict[str, NDArray[Any]] = {
        name: (value.numpy() + chance.normal(0.0, 0.2, tuple(value.shape))).astype(np.float32)
        for name, value in shapes.items()
    }
    known = np.nan_to_num(table.x)
    scale = {"mean": known.mean(axis=0)[None], "deviation": known.std(axis=0)[None] + 0.1}
    artefact = packed(type(model).__module__, {**scale, "error": np.array(1.0 + seed / 10)}, [weights])
    return model.load(artefact)
