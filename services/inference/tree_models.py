"""What models made of trees share: the target, the measured uncertainty, the artefact, and forecasting many at once.

The target is the log return over the horizon in units of recent volatility, so that quiet and wild months count alike;
the forecast is turned back into a log return. The span's mean is taken out and never put back: over two years its
standard error is as large as any drift one may hope for. So everything starts from zero, which is the random walk.

Uncertainty is the root mean square error, again in units of volatility, on the newest part of the span, forecast by
trees grown on the part before it, less the rows whose labels reach into it. Those trees are grown at a quarter of the
effort: a boosted model in a quarter of the rounds at four times the learning rate, a random forest as a quarter of the
trees. Hourly returns are so nearly unpredictable that the error hardly depends on it. Out-of-bag errors would cost
nothing, but flatter: a row left out of a sample has neighbours in it whose labels overlap its own by eleven of twelve.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from services.inference import forest, models
from services.inference.features import column
from services.inference.forest import Forest, Walk
from services.inference.series import Floats, Ints
from services.kernel.errors import ConfigError

THRIFT = 4
"""How many times less effort goes into the trees that only measure the error."""


class Params(models.Params):
    """What bounds the trees; ``holdout_share`` is the newest share of the span, kept to measure the uncertainty.

    ``rows_per_leaf`` and ``l2`` are in rows: a leaf of n rows moves n / (n + l2) of the way to their mean.
    ``clip`` is in units of volatility: no wild hour shall grow a branch of its own.
    """

    depth: int = Field(default=6, ge=1, le=12)
    rows_per_leaf: int = Field(ge=1)
    feature_share: float = Field(gt=0, le=1)
    row_share: float = Field(gt=0, le=1)
    l2: float = Field(ge=0)
    holdout_share: float = Field(gt=0, lt=1)
    clip: float = Field(gt=0)
    volatility: str = "volatility_168"


class Boosting(Params):
    """Trees that each correct those before."""

    rounds: int = Field(ge=1)
    learning_rate: float = Field(gt=0, le=1)
    bins: int = Field(ge=2, le=255)

    def pace(self, thrift: int) -> tuple[int, float]:
        """Return rounds and learning rate, fewer and higher by ``thrift``: about the same fit."""
        times = min(thrift, 1.0 / self.learning_rate)
        return math.ceil(self.rounds / times), self.learning_rate * times


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Grown trees, and the error they made on rows they had not seen, in units of volatility."""

    trees: Forest
    walk: Walk
    volatility: int
    root_horizon: float
    error: float

    def predict(self, windows: Floats) -> models.Prediction:
        """Forecast from feature rows (n, 1, F)."""
        x = windows[:, -1, :]
        spread = x[:, self.volatility] * self.root_horizon
        return models.Prediction(self.walk.shared(x) * spread, spread * self.error)


class TreeModel(ABC):
    """Grows trees twice: once thriftily, to measure the error out of sample, once on the whole span."""

    bars = 1
    kind: ClassVar[type[Params]]

    def __init__(self, params: Mapping[str, Any], horizon_bars: int) -> None:
        self.params: Any = models.check(self.kind, params)
        self.volatility = column(self.params.volatility)
        self.horizon_bars = horizon_bars
        self.root_horizon = math.sqrt(horizon_bars)
        self._together: tuple[Sequence[Fitted], Walk] | None = None

    @abstractmethod
    def grow(self, x: Floats, units: Floats, seed: int, thrift: int) -> Forest:
        """Grow trees on features (n, F) and centred targets (n,), on one thread, at 1 / ``thrift`` of the effort."""

    def fit(self, table: models.Table, rows: Ints, y: Floats, seed: int) -> bytes:
        """Train; raises :class:`ConfigError` where the library that grows the trees is not installed."""
        spread = table.x[rows, self.volatility] * self.root_horizon
        moved = spread > 0.0
        rows, units = rows[moved], y[moved] / spread[moved]
        if len(rows) == 0:
            return forest.dump(forest.gather([], table.x.shape[1]), {"error": 1.0})
        x, target = table.x[rows], np.clip(units, -self.params.clip, self.params.clip)
        kept = int(len(rows) * (1.0 - self.params.holdout_share))
        # Rows whose label reaches into the holdout would leak it.
        before = int(np.searchsorted(rows, rows[kept] - self.horizon_bars, side="right"))
        missed = units[kept:]
        if before:
            missed = missed - Walk([self._grown(x[:before], target[:before], seed, THRIFT)]).shared(x[kept:])
        error = math.sqrt(float(np.mean(missed * missed)))
        return forest.dump(self._grown(x, target, seed, 1), {"error": error})

    def load(self, artefact: bytes) -> Fitted:
        """Read what ``fit`` returned."""
        trees, notes = forest.parse(artefact)
        return Fitted(trees, Walk([trees]), self.volatility, self.root_horizon, float(notes["error"]))

    def untrained(self) -> None:
        """Return None: trees know nothing before they are grown."""
        return

    def predict_each(self, fitted: Sequence[Fitted], windows: Floats) -> models.Prediction:
        """Forecast windows (A, 1, F), each with its own trees, all walked together."""
        x = windows[:, -1, :]
        if len(x) == 0:
            return models.Prediction(np.zeros(0), np.zeros(0))
        spread = x[:, self.volatility] * self.root_horizon
        error = np.array([one.error for one in fitted])
        return models.Prediction(self._walk(fitted).own(x) * spread, spread * error)

    def _grown(self, x: Floats, target: Floats, seed: int, thrift: int) -> Forest:
        return self.grow(x, target - np.mean(target), seed, thrift)

    def _walk(self, fitted: Sequence[Fitted]) -> Walk:
        # The same models forecast slice after slice: putting them together costs more than walking them.
        if self._together is None or not _same(self._together[0], fitted):
            self._together = (tuple(fitted), Walk([one.trees for one in fitted]))
        return self._together[1]


def _same(these: Sequence[Fitted], those: Sequence[Fitted]) -> bool:
    return len(these) == len(those) and all(this is that for this, that in zip(these, those, strict=True))


def library(model: str, name: str) -> Any:
    """Import what grows a model's trees, and only to train; raises :class:`ConfigError` naming the model's key."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(f"models.yaml: key 'models.{model}': cannot be imported: {error}") from None
