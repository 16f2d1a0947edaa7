"""When a forecast becomes a signal and how the portfolio is divided (``config/signals.yaml``)."""

from typing import Annotated

from pydantic import Field, model_validator

from services.domain.assets import Section


class Exploration(Section):
    """Paper trades below the threshold: calibrated forecasts rarely reach it, and without trades nothing is measured.

    The smallest weight, and only the asset's most confident forecasts. What they lose is the price of a record.
    """

    min_confidence: float = Field(gt=0, le=1)


class SignalSettings(Section):
    """Fractions: 0.10 is 10 %. Thresholds of single assets stand in ``assets_config.yaml``."""

    threshold_in_uncertainties: float = Field(gt=0, le=3)
    """Where an asset names no threshold: this share of its forecast's uncertainty."""
    high_confidence: float = Field(gt=0, le=1)
    medium_confidence: float = Field(gt=0, le=1)
    min_confidence: float = Field(ge=0, le=1)
    min_weight: float = Field(gt=0, le=1)
    max_weight: float = Field(gt=0, le=1)
    min_cash: float = Field(ge=0, lt=1)
    risk_weights: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Multiplies an asset's score; 1 where it is not named."""
    paper_exploration: Exploration | None = None
    """None: no order below the threshold. Never in live trading."""

    @model_validator(mode="after")
    def _bounds_in_order(self) -> "SignalSettings":
        if self.min_weight > self.max_weight:
            raise ValueError("min_weight is above max_weight")
        if self.medium_confidence > self.high_confidence:
            raise ValueError("medium_confidence is above high_confidence")
        return self
