"""What every net on a sequence of hours shares: targets, scaling, artefact, serving.

A new net is one file in ``services/inference/models`` with a class ``Model(SequenceModel)`` that says

    KIND              its parameters, a ``NetParams`` with keys of its own (``bars`` is one of them)
    network(columns)  the torch module: scaled windows (B, bars, F) -> (B, ...); imports torch inside itself and sets
                      its last layer to zero, so that the untrained net is the random walk
    forward(w, x)     the same in NumPy: weights with a leading axis (A or 1, ...), x (A, bars, F) -> (A, ...),
                      leaving x as it is; the layers of ``services.inference.layers`` keep each window's bits its own

and, where it differs from "one output, the return in units of volatility", also

    prepare(weights)             torch's weights -> what ``forward`` reads; ``layers.ready`` unless overridden
    targets(table, rows, units)  what to learn: (n, T), NaN where unknown
    loss(said, targets)          torch, a mean over rows
    settle(said, targets)        what the held-out part teaches, as arrays that ``read`` gets back
    read(settled, said)          outputs (n, ...) -> expected return and its standard deviation, both in units, (n,)

A unit is ``volatility * sqrt(horizon)`` on the window's newest row. Examples whose unit is zero are not learnt from.
Serving never imports torch, unless ``device`` asks for CUDA and it is there; then batches of forecasts go to it and
their last bits may differ from the CPU's. One slice (``predict_each``) is always served by NumPy.
"""

from __future__ import annotations

import io
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from services.inference import features, models, net_training
from services.inference.layers import Arrays, Singles, ready
from services.inference.net_training import Examples, NetParams
from services.inference.registry import ModelError
from services.inference.series import Floats, Ints

if TYPE_CHECKING:
    from torch import Tensor, nn

Array = npt.NDArray[Any]

FORMAT = 1
"""Of the artefact; raise it when older ones can no longer be read."""

CHUNK = 64
"""Windows at once: what a net makes of them still fits the processor's cache."""

REACH = 5.0
"""Scaled features are cut at so many standard deviations."""


def scaled(x: Floats, mean: Floats, deviation: Floats) -> Singles:
    """Standardise columns and cut them at ±5; what is not known becomes 0, the average."""
    found = x - mean
    found /= deviation
    np.clip(found, -REACH, REACH, out=found)
    found[np.isnan(found)] = 0.0
    return found.astype(np.float32)


def scale_of(x: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of each column (1, F), of what is known; where nothing varies, infinity."""
    known = np.isfinite(x)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, x, 0.0).sum(axis=0) / count
    off = np.where(known, x - mean, 0.0)
    deviation = np.sqrt((off * off).sum(axis=0) / count)
    # Rounding alone gives a constant column a deviation that is tiny and not zero.
    varies = deviation > 1e-9 * np.maximum(np.abs(mean), 1e-9)
    return mean[None], np.where(varies, deviation, np.inf)[None]


def average(said: Sequence[Singles]) -> Singles:
    """Average what the members say, (n, ...), in their order; reuses the first one's memory."""
    total = said[0]
    for one in said[1:]:
        total += one
    total /= np.float32(len(said))
    return total


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """What forecasting reads, every array with a leading axis: A nets, or 1 for any number of windows."""

    settled: Arrays
    """``mean`` and ``deviation`` of the columns (A, 1, F), and what ``settle`` found (A, ...)."""
    members: tuple[Arrays, ...]
    """What ``prepare`` made of each member's weights."""


@dataclass(slots=True, eq=False)
class Fitted:
    """A trained net; ``weights`` are each member's as torch names them."""

    model: SequenceModel
    weights: tuple[Arrays, ...]
    served: Served
    _torch: list[nn.Module] = field(default_factory=list, init=False)

    def predict(self, windows: Floats) -> models.Prediction:
        """Forecast from windows (n, bars, F), a chunk at a time."""
        device = net_training.chosen_device(self.model.params.device)
        parts = [windows[start : start + CHUNK] for start in range(0, len(windows), CHUNK)] or [windows]
        if device == "cpu":
            said = [self.model.say(self.served, part) for part in parts]
        else:
            said = [self._on(device, part) for part in parts]
        return self.model.prediction(self.served, np.concatenate(said), windows)

    def _on(self, device: str, windows: Floats) -> Singles:
        if not self._torch:
            columns = windows.shape[-1]
            self._torch = [net_training.restored(self.model.network(columns), one) for one in self.weights]
        x = scaled(windows, self.served.settled["mean"], self.served.settled["deviation"])
        return average([net_training.outputs(net, x, device) for net in self._torch])


class SequenceModel(ABC):
    """A net that reads the last ``bars`` hours; see the top of this file for what one has to say of itself."""

    KIND: ClassVar[type[NetParams]]

    def __init__(self, params: Mapping[str, Any], horizon_bars: int) -> None:
        self.params: Any = models.check(self.KIND, params)
        self.bars: int = self.params.bars
        self.volatility = features.column(self.params.volatility)
        self.horizon_bars = horizon_bars
        self.root_horizon = math.sqrt(horizon_bars)
        self._together: tuple[tuple[Fitted, ...], Served] = ((), Served({}, ()))

    @abstractmethod
    def network(self, columns: int) -> nn.Module:
        """Build the torch module, which says the random walk until it is trained."""

    @abstractmethod
    def forward(self, w: Arrays, x: Singles) -> Singles:
        """Do in NumPy what the torch module does when it is not training."""

    def prepare(self, weights: Arrays) -> Arrays:
        """Lay torch's weights out for ``forward``."""
        return ready(weights)

    def targets(self, table: models.Table, rows: Ints, units: Floats) -> Floats:
        """Say what to learn of each row, (n, T)."""
        return units[:, None]

    def loss(self, said: Tensor, targets: Tensor) -> Tensor:
        """Return the mean squared error, plus ``pull`` times the mean square of what is said."""
        found: Tensor = (said - targets).square().mean() + self.params.pull * said.square().mean()
        return found

    def settle(self, said: Singles, targets: Floats) -> dict[str, Array]:
        """Measure the root mean square error on rows that the net did not learn from."""
        missed = said[:, 0] - targets[:, 0]
        return {"error": np.array(math.sqrt(float(np.mean(missed * missed))))}

    def read(self, settled: Arrays, said: Singles) -> tuple[Floats, Floats]:
        """Turn outputs into the expected return and its standard deviation, in units."""
        expected = said[:, 0].astype(np.float64)
        return expected, np.broadcast_to(settled["error"], expected.shape)

    def fit(self, table: models.Table, rows: Ints, y: Floats, seed: int) -> bytes:
        """Train on the older part, stop and measure on the newest; the artefact is an npz archive."""
        unit = table.x[rows, self.volatility] * self.root_horizon
        moved = unit > 0.0
        rows, y, unit = (part[moved][:: self.params.stride] for part in (rows, y, unit))
        units = np.clip(y / unit, -self.params.clip, self.params.clip)
        wanted = self.targets(table, rows, units)
        kept = min(int(len(rows) * (1.0 - self.params.holdout_share)), max(len(rows) - 1, 0))
        # Rows whose label reaches into the newest part would leak it.
        learnt = rows[:kept] + self.horizon_bars <= rows[kept] if len(rows) else np.zeros(0, dtype=np.bool_)
        learn = Examples(rows[:kept][learnt], wanted[:kept][learnt].astype(np.float32))
        held = Examples(rows[kept:], wanted[kept:].astype(np.float32))
        mean, deviation = scale_of(table.x[learn.rows])
        seeds = range(seed, seed + self.params.members)
        weights = tuple(self._trained(table, learn, held, (mean, deviation), one) for one in seeds)
        settled = {"mean": mean, "deviation": deviation}
        served = self._served(settled, weights)
        parts = [held.rows[start : start + CHUNK] for start in range(0, len(held.rows), CHUNK)]
        said = [self.say(served, table.windows(part, self.bars)) for part in parts]
        # A price that never moved teaches nothing: one unit is then as good a guess of the error as any.
        found = self.settle(np.concatenate(said), wanted[kept:]) if said else {"error": np.array(1.0)}
        return packed(type(self).__module__, {**settled, **found}, weights)

    def load(self, artefact: bytes) -> Fitted:
        """Read what ``fit`` returned; raises :class:`ModelError` where it is another model's."""
        settled, weights = unpacked(type(self).__module__, artefact)
        return Fitted(self, weights, self._served(settled, weights))

    def untrained(self) -> None:
        """Return None: a net knows nothing before it is trained."""
        return

    def predict_each(self, fitted: Sequence[Any], windows: Floats) -> models.Prediction:
        """Forecast windows (A, bars, F), each with its own weights, all in one pass."""
        held, served = self._together
        if len(held) != len(fitted) or any(one is not other for one, other in zip(held, fitted, strict=True)):
            held = tuple(fitted)
            members = zip(*(one.served.members for one in held), strict=True)
            served = Served(_stacked([one.served.settled for one in held]), tuple(map(_stacked, members)))
            self._together = held, served
        return self.prediction(served, self.say(served, windows), windows)

    def say(self, served: Served, windows: Floats) -> Singles:
        """Run the net on windows (A, bars, F) of features as they are."""
        x = scaled(windows, served.settled["mean"], served.settled["deviation"])
        return average([self.forward(w, x) for w in served.members])

    def prediction(self, served: Served, said: Singles, windows: Floats) -> models.Prediction:
        """Bring what the net said back to log returns."""
        unit = windows[:, -1, self.volatility] * self.root_horizon
        expected, deviation = self.read(served.settled, said)
        return models.Prediction(expected * unit, deviation * unit)

    def _served(self, settled: Arrays, weights: Sequence[Arrays]) -> Served:
        return Served({k: v[None] for k, v in settled.items()}, tuple(self.prepare(one) for one in weights))

    def _trained(
        self, table: models.Table, learn: Examples, held: Examples, scale: tuple[Floats, Floats], seed: int
    ) -> dict[str, Array]:
        """Hand the loop only the stretch of the table that the windows read."""
        every = np.concatenate((learn.rows, held.rows))
        first, last = (int(every[0]) - self.bars + 1, int(every[-1]) + 1) if len(every) else (0, 0)
        x = scaled(table.x[first:last], *scale)
        learn, held = (Examples(part.rows - first, part.targets) for part in (learn, held))
        columns = table.x.shape[1]
        return net_training.train(lambda: self.network(columns), self.loss, x, learn, held, self.params, seed)


def packed(kind: str, settled: Arrays, weights: Sequence[Arrays]) -> bytes:
    """Write the arrays of one trained net as an npz archive, with a line of JSON that says whose they are."""
    file = io.BytesIO()
    header = {"kind": kind, "format": FORMAT, "members": len(weights)}
    arrays = {f"settled/{name}": value for name, value in settled.items()}
    for member, one in enumerate(weights):
        arrays |= {f"weights/{member}/{name}": value for name, value in one.items()}
    np.savez(file, allow_pickle=False, header=np.frombuffer(json.dumps(header).encode(), dtype=np.uint8), **arrays)
    return file.getvalue()


def unpacked(kind: str, artefact: bytes) -> tuple[dict[str, Array], tuple[dict[str, Array], ...]]:
    """Read what ``packed`` wrote, running none of it; raises :class:`ModelError` where it is another kind's."""
    try:
        with np.load(io.BytesIO(artefact), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays.pop("header").tobytes())
        members = range(int(header.pop("members")))
    except Exception as error:
        raise ModelError(f"artefact of {kind}: cannot be read: {error}") from None
    if header != {"kind": kind, "format": FORMAT}:
        raise ModelError(f"artefact of {kind}: it is {header}; run 'chloe train'")
    return _under("settled/", arrays), tuple(_under(f"weights/{member}/", arrays) for member in members)


def _under(prefix: str, arrays: Arrays) -> dict[str, Array]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _stacked(arrays: Sequence[Arrays]) -> dict[str, Array]:
    return {name: np.concatenate([one[name] for one in arrays]) for name in arrays[0]}
