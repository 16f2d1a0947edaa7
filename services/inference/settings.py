"""Typed settings of inference: ``models.yaml``."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from services.inference.series import BARS_PER_DAY
from services.kernel import config
from services.kernel.config import Strict


class WalkForward(Strict):
    """How much past a model is trained on, and how often it is trained again; in days."""

    min_train_days: int = Field(ge=1)
    max_train_days: int = Field(ge=1)
    retrain_days: int = Field(ge=1)

    @model_validator(mode="after")
    def _span_is_possible(self) -> Self:
        if self.max_train_days < self.min_train_days:
            raise ValueError(f"max_train_days {self.max_train_days} is below min_train_days {self.min_train_days}")
        return self


class ConfidenceSettings(Strict):
    """How confidence is ranked: among the asset's last ``history`` scores, once there are ``at_least`` of them."""

    history: int = Field(ge=1)
    at_least: int = Field(ge=1)

    @model_validator(mode="after")
    def _history_holds_enough(self) -> Self:
        if self.at_least > self.history:
            raise ValueError(
                f"at_least {self.at_least} is above history {self.history}: confidence would never be given"
            )
        return self


class ModelSettings(Strict):
    """One model's line: its weight in the forecast and its own parameters, which its file checks."""

    weight: float = Field(ge=0)
    params: dict[str, Any] = Field(default_factory=dict)


class ModelsSettings(Strict):
    """The whole of ``models.yaml``."""

    timeframe: Literal["1h"]
    horizon_hours: int = Field(ge=1, le=168)
    seed: int = Field(ge=0)
    walk_forward: WalkForward
    confidence: ConfidenceSettings
    models: dict[str, ModelSettings] = Field(min_length=1)

    @model_validator(mode="after")
    def _some_model_counts(self) -> Self:
        if not any(model.weight > 0 for model in self.models.values()):
            raise ValueError("models: at least one needs a weight above zero")
        return self

    @property
    def horizon_bars(self) -> int:
        """The horizon in bars of the timeframe."""
        return self.horizon_hours * BARS_PER_DAY // 24

    @property
    def weights(self) -> dict[str, float]:
        """Each model's weight in the forecast."""
        return {name: model.weight for name, model in self.models.items()}


def load(folder: Path | None = None) -> ModelsSettings:
    """Read ``models.yaml``; raises :class:`ConfigError` naming file and key."""
    return config.load(ModelsSettings, "models.yaml", folder)
