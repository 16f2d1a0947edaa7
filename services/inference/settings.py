"""Typed settings of inference: ``models.yaml``."""

import os
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.domain.candles import SECONDS, Timeframe
from services.kernel import config
from services.kernel.config import Strict
from services.kernel.errors import ConfigError

MODELS_FILE = "models.yaml"
PRESET = "CHLOE_MODELS_PRESET"
"""The environment variable that chooses another preset than the one the file names."""


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


class EnsembleSettings(Strict):
    """How parts become one forecast; see :mod:`services.inference.ensemble`."""

    interval: float = Field(gt=0, lt=1)
    """Share of outcomes that the interval shall hold."""
    history_days: int = Field(ge=1)
    """Out-of-sample days, newest first, that weights and calibration are learnt from."""
    min_days: int = Field(ge=1)
    """With fewer, all parts count alike, nothing is calibrated and ``p_up`` is not given."""
    prior_slope: float = Field(ge=0, le=1)
    """How much of the parts' mean is believed before any out-of-sample evidence."""
    prior_spread: float = Field(gt=0)
    """Standard deviation of that belief: the smaller, the more evidence is needed to leave it."""
    equal_share: float = Field(ge=0, le=1)
    """Share of the weights that is spread evenly, whatever the evidence."""
    interval_history_days: int = Field(default=60, ge=1)
    """Out-of-sample days, newest first, that the interval is learnt from."""
    interval_every_days: int = Field(default=7, ge=1)
    """How often a walk forward learns it anew; a live platform does so whenever it trains."""


class Retraining(Strict):
    """The scheduled training of a live platform."""

    at_hour: int = Field(ge=0, le=23)
    """UTC hour of the day."""
    every_days: int = Field(ge=1)
    holdout_days: int = Field(ge=1)
    """The newest days, on which a challenger has to be no worse than the model in use."""
    tolerance: float = Field(ge=0)
    """How much larger the challenger's squared error may be, as a share."""


class ReadingSettings(Strict):
    """What is read off the market beside forecasts; see :mod:`services.inference.readings`."""

    correlation_days: int = Field(default=30, ge=1)
    """Over how many days assets' returns are correlated."""
    cluster_correlation: float = Field(default=0.7, gt=0, le=1)
    """From which correlation on, of either sign, two assets are of one cluster."""


class ModelSettings(Strict):
    """One model's line: its own parameters, which its file checks. ``counts`` False: shown, never weighed."""

    counts: bool = True
    params: dict[str, Any] = Field(default_factory=dict)


class Preset(Strict):
    """How often and with what the models are trained."""

    says: str
    """What it is, in words for the screen."""
    walk_forward: WalkForward
    models: dict[str, ModelSettings] = Field(min_length=1)

    @model_validator(mode="after")
    def _some_model_counts(self) -> Self:
        if not any(model.counts for model in self.models.values()):
            raise ValueError("models: at least one has to count")
        return self


class ModelsFile(Strict):
    """The whole of ``models.yaml``."""

    horizon_bars: dict[Timeframe, int]
    seed: int = Field(ge=0)
    leaders: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    confidence: ConfidenceSettings
    ensemble: EnsembleSettings
    readings: ReadingSettings
    retraining: Retraining
    preset: str
    replay_preset: str
    """The one for recorded candles: a person waits for it."""
    presets: dict[str, Preset] = Field(min_length=1)

    @model_validator(mode="after")
    def _preset_and_horizons_exist(self) -> Self:
        for named in (self.preset, self.replay_preset):
            if named not in self.presets:
                raise ValueError(f"preset {named!r} is none of {', '.join(sorted(self.presets))}")
        for timeframe, bars in self.horizon_bars.items():
            if bars < 1 or bars * SECONDS[timeframe] % 3_600:
                raise ValueError(f"horizon_bars.{timeframe}: {bars} bars are not a whole number of hours")
        return self


class ModelsSettings(Strict):
    """What inference goes by: the file, for one timeframe and one preset."""

    timeframe: Timeframe
    horizon_bars: int = Field(ge=1)
    seed: int = Field(ge=0)
    leaders: dict[str, tuple[str, ...]]
    confidence: ConfidenceSettings
    ensemble: EnsembleSettings
    retraining: Retraining
    preset: str
    says: str
    walk_forward: WalkForward
    models: dict[str, ModelSettings]
    readings: ReadingSettings = ReadingSettings()
    leverage: dict[str, float] = Field(default_factory=dict)
    """Of funds that reset it every day, by symbol; from ``assets_config.yaml``."""

    @property
    def bar_seconds(self) -> int:
        """Length of a bar."""
        return SECONDS[self.timeframe]

    @property
    def bars_per_day(self) -> int:
        """Bars in a day that never closes."""
        return 86_400 // self.bar_seconds

    @property
    def horizon_hours(self) -> int:
        """The horizon in hours of the market's own time: a closed market's hours do not count."""
        return self.horizon_bars * self.bar_seconds // 3_600

    @property
    def counted(self) -> tuple[str, ...]:
        """The models that the ensemble weighs."""
        return tuple(name for name, model in self.models.items() if model.counts)


def load(
    folder: Path | None = None, *, preset: str | None = None, timeframe: Timeframe = "1h", replay: bool = False
) -> ModelsSettings:
    """Read ``models.yaml``, and the funds' leverage; raises :class:`ConfigError` naming file and key.

    ``preset`` None: the one that ``CHLOE_MODELS_PRESET`` names, else the file's own, for a ``replay`` or not.
    """
    file = config.load(ModelsFile, MODELS_FILE, folder)
    chosen = preset or os.environ.get(PRESET) or (file.replay_preset if replay else file.preset)
    if chosen not in file.presets:
        raise ConfigError(f"{MODELS_FILE}: there is no preset {chosen!r}; there are {', '.join(sorted(file.presets))}")
    if timeframe not in file.horizon_bars:
        raise ConfigError(f"{MODELS_FILE}: key 'horizon_bars' has no line for {timeframe}")
    of_preset = file.presets[chosen]
    assets = config.load(AssetsConfig, ASSETS_FILE, folder).assets
    return ModelsSettings(
        timeframe=timeframe,
        horizon_bars=file.horizon_bars[timeframe],
        seed=file.seed,
        leaders=file.leaders,
        confidence=file.confidence,
        ensemble=file.ensemble,
        retraining=file.retraining,
        preset=chosen,
        says=of_preset.says,
        walk_forward=of_preset.walk_forward,
        models=of_preset.models,
        readings=file.readings,
        leverage={symbol: asset.leverage for symbol, asset in assets.items() if asset.leverage is not None},
    )
