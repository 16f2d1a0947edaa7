"""The models: one file each, named in ``models.yaml`` by its file name.

A file has a class ``Model`` that satisfies the protocol below. Nothing else has to be told about a new one.
"""

import importlib
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from services.inference.series import Floats
from services.inference.settings import ModelsSettings
from services.kernel.config import Strict
from services.kernel.errors import ConfigError

_FILE_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Params(Strict):
    """A model's own parameters; unknown keys are refused."""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Log return over the horizon and its standard deviation, each (n,)."""

    expected_return: Floats
    uncertainty: Floats


class Fitted(Protocol):
    """A model that can forecast. Each row's result depends on that row alone, to the bit."""

    def predict(self, x: Floats) -> Prediction:
        """Forecast from features (n, F)."""
        ...


class Model(Protocol):
    """A kind of model, with its parameters and horizon."""

    def fit(self, x: Floats, y: Floats, seed: int) -> bytes:
        """Train on features (n, F) and log returns (n,) in time order; equal input gives equal bytes."""
        ...

    def load(self, artefact: bytes) -> Fitted:
        """Read what ``fit`` returned."""
        ...

    def untrained(self) -> Fitted | None:
        """Return what can forecast without any training, or None."""
        ...


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
