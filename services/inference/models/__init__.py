"""The models: one file each, named in ``models.yaml`` by its file name.

A file has a class ``Model`` that satisfies the protocol below. Nothing else has to be told about a new one.
"""

import importlib
import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from pydantic import BaseModel, ValidationError

from services.inference.series import Floats, Ints
from services.inference.settings import ModelsSettings
from services.kernel.config import Strict
from services.kernel.errors import ConfigError

_FILE_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Params(Strict):
    """A model's own parameters; unknown keys are refused."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One asset's feature rows in time order: what models learn from and forecast from."""

    x: Floats
    """(N, F); NaN throughout where a row's own window is not whole, NaN in single columns that nothing is known of."""
    run: Ints
    """(N,) how many rows in an unbroken line end here, this one included; 0 where the row is not valid."""

    def windows(self, rows: Ints, bars: int) -> Floats:
        """Return the last ``bars`` rows of each of ``rows`` (n,), oldest first: (n, bars, F).

        Only rows with ``run >= bars`` have one.
        """
        found: Floats = self.x[rows[:, None] + np.arange(1 - bars, 1)]
        return found

    def ahead(self, rows: Ints, bars: int, column: int) -> Floats:
        """Return one column over the next ``bars`` rows of each of ``rows``: (n, bars); NaN where the line breaks."""
        after = rows[:, None] + np.arange(1, bars + 1)
        known = after < len(self.x)
        after = np.where(known, after, 0)
        return np.where(known & (self.run[after] > np.arange(1, bars + 1)), self.x[after, column], np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Log return over the horizon and its standard deviation, each (n,)."""

    expected_return: Floats
    uncertainty: Floats


class Fitted(Protocol):
    """A model that can forecast. Each row's result depends on that row alone, to the bit."""

    def predict(self, windows: Floats) -> Prediction:
        """Forecast from windows of feature rows (n, bars, F); the last row of each is the newest."""
        ...


class Model(Protocol):
    """A kind of model, with its parameters and horizon."""

    bars: int
    """Feature rows that one forecast reads: 1, or the length of the model's sequence."""

    def fit(self, table: Table, rows: Ints, y: Floats, seed: int) -> bytes:
        """Train on ``rows`` (n,) of the table, ascending, and their log returns (n,); equal input gives equal bytes.

        Every row has its window. Rows after the last one of ``rows`` are never read, but for the ``horizon`` rows
        that its own label covers.
        """
        ...

    def load(self, artefact: bytes) -> Fitted:
        """Read what ``fit`` returned, without running any of it."""
        ...

    def untrained(self) -> Fitted | None:
        """Return what can forecast without any training, or None."""
        ...

    def predict_each(self, fitted: Sequence[Any], windows: Floats) -> Prediction:
        """Forecast windows (A, bars, F), each with its own fitted model, in one go.

        The same bits as ``fitted[i].predict(windows[i : i + 1])`` for each.
        """
        ...


def one_by_one(fitted: Sequence[Fitted], windows: Floats) -> Prediction:
    """Forecast each window with its own model, one after the other: for models that have no faster way."""
    said = [one.predict(windows[i : i + 1]) for i, one in enumerate(fitted)]
    return Prediction(
        np.concatenate([one.expected_return for one in said]), np.concatenate([one.uncertainty for one in said])
    )


def check(kind: type[BaseModel], params: Mapping[str, Any]) -> Any:
    """Read a model's parameters as ``kind``; raises ``ValidationError``."""
    return kind.model_validate(dict(params))


def build(name: str, params: Mapping[str, Any], horizon_bars: int) -> Model:
    """Construct the model of that file name; raises :class:`ConfigError` that names the key of ``models.yaml``."""
    module = f"{__name__}.{name}"
    if not _FILE_NAME.fullmatch(name) or importlib.util.find_spec(module) is None:
        raise ConfigError(f"models.yaml: key 'models.{name}': there is no file services/inference/models/{name}.py")
    try:
        model: Model = importlib.import_module(module).Model(params, horizon_bars)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(("models", name, "params", *map(str, first["loc"])))
        raise ConfigError(f"models.yaml: key '{key}': {first['msg']}, got {first['input']!r}") from None
    except ImportError as error:
        raise ConfigError(f"models.yaml: key 'models.{name}': cannot be imported: {error}") from None
    return model


def build_all(settings: ModelsSettings) -> dict[str, Model]:
    """Construct every model that ``models.yaml`` names."""
    return {name: build(name, line.params, settings.horizon_bars) for name, line in settings.models.items()}
