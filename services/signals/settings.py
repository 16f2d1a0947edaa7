"""When a forecast becomes a signal and how the portfolio is divided (``config/signals.yaml``)."""

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from services.domain.assets import Section
from services.domain.market_regimes import MarketRegime
from services.signals.optimisers import NOT_INSTALLED, Method, available


class Exploration(Section):
    """Paper trades below the threshold: calibrated forecasts rarely reach it, and without trades nothing is measured.

    The smallest weight, and only the asset's most confident forecasts, or, where its profile names buckets, those of
    its own cells. What they lose is the price of a record.
    """

    min_confidence: float = Field(gt=0, le=1)


class Parts(Section):
    """Which parts of the decision are asked: one line switches each."""

    regimes: bool = True
    buckets: bool = True
    levels: bool = True
    dominance: bool = True
    sentiment: bool = True
    rules: bool = True


class LevelSettings(Section):
    """What support and resistance have to say about an entry. Distances are in daily volatilities."""

    buy_needs_support: bool = True
    sell_needs_resistance: bool = True
    """A sale that only leaves a position needs none."""
    unknown_refuses: bool = True
    """Whether an asset whose levels or volatility are not known yet is not entered."""
    near_in_daily_volatilities: float = Field(default=0.5, gt=0, le=5)
    stop_beyond: float = Field(default=0.25, ge=0, le=5)
    """Between the far edge of the zone behind and the stop."""
    closest_stop: float = Field(default=0.5, gt=0, le=5)
    """The least between the price and the stop; the asset's own ``stop_loss`` is the most."""
    min_reward_to_risk: float = Field(default=1.0, ge=0, le=20)
    risk_per_trade: float = Field(default=0.01, gt=0, lt=1)
    """Bounds the weight: weight x distance to the stop is at most this share of the portfolio."""
    min_strength: float = Field(default=0.0, ge=0, le=1)
    """Weaker zones are not looked at."""


class SentimentSettings(Section):
    """The mood that assets with ``rules.sentiment_required`` need."""

    least: float = Field(default=0.1, ge=0, le=1)
    """In [0, 1]; a short needs it negative."""
    least_mentions: int = Field(default=10, ge=1)


class AllocationSettings(Section):
    """How the portfolio is divided among the wanted assets. Fractions of the portfolio; basis points of the price."""

    method: Method = "score"
    """What says how assets stand to each other; all but the score need the extra ``optimise``."""
    prior_strength: float = Field(default=0.0, ge=0, le=1)
    """How far the market's base weights count: 0 not at all, 1 in full."""
    turnover_band: float = Field(default=0.0, ge=0, lt=1)
    """A wanted weight changes by at least this, or not at all."""
    cost_bps: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """What entering and leaving costs together, by class; 0 where it is not named."""
    cost_multiple: float = Field(default=1.0, ge=0)
    """An increase must be expected to earn this many times its costs."""

    @field_validator("method")
    @classmethod
    def _installed(cls, method: Method) -> Method:
        if not available(method):
            raise ValueError(NOT_INSTALLED.format(method))
        return method


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
    allocation: AllocationSettings = AllocationSettings()
    paper_exploration: Exploration | None = None
    """None: no order below the threshold. Never in live trading."""
    parts: Parts = Parts()
    strong_in_thresholds: float = Field(default=2.0, ge=1)
    """A forecast of HIGH confidence that passes so many thresholds is STRONG."""
    levels: LevelSettings = LevelSettings()
    market_weights: dict[MarketRegime, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    """Multiplies the weight of crypto longs in a regime of the whole market; 1 where it is not named."""
    sentiment: SentimentSettings = SentimentSettings()

    @model_validator(mode="after")
    def _bounds_in_order(self) -> "SignalSettings":
        if self.min_weight > self.max_weight:
            raise ValueError("min_weight is above max_weight")
        if self.medium_confidence > self.high_confidence:
            raise ValueError("medium_confidence is above high_confidence")
        return self
