"""The ladder: phases with their gates (``config/phases.yaml``), single assets with theirs (``config/rollout.yaml``)."""

from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator

from services.domain.assets import Section

Metric = Literal[
    "profitable_days",
    "sharpe_ratio",
    "max_drawdown",
    "win_rate",
    "profit_factor",
    "trades",
    "source_configured",
    "phase_active",
]


class Rule(Section):
    """One requirement of a gate. ``scope`` is an asset class, a symbol or (for phase_active) a phase."""

    metric: Metric
    scope: str
    comparison: Literal[">", ">=", "<", "<=", "is"]
    threshold: float
    window_days: int | None = Field(default=None, gt=0)
    """How many of the newest days count; None: all since the start."""


class Phase(Section):
    """One step of the ladder. ``capital`` is in account currency."""

    order: int = Field(ge=0)
    asset_class: str
    min_capital: Decimal = Field(ge=0)
    max_capital: Decimal = Field(gt=0)
    requirements: tuple[Rule, ...]


class Bar(Section):
    """What one level of evidence takes, all of it."""

    days: int = Field(gt=0)
    """Days on which the scope's worth changed."""
    trades: int = Field(gt=0)
    sharpe_probability: float = Field(ge=0.5, lt=1.0)
    """At least so probable that the true Sharpe ratio is above zero."""
    profit_factor_low: float = Field(ge=0.0)
    """The profit factor's lower 5 % bound must be above it."""


class EvidenceSettings(Section):
    """How much a record has to say before it counts as fair or strong evidence."""

    window_days: int = Field(gt=0, le=3650)
    fair: Bar
    strong: Bar

    @model_validator(mode="after")
    def _strong_is_stricter(self) -> "EvidenceSettings":
        for name, fair in self.fair:
            if fair > getattr(self.strong, name):
                raise ValueError(f"evidence: fair asks for more {name} than strong ({fair})")
        return self


class PhasesSettings(Section):
    """The whole of phases.yaml. The phase of order 0 is active from the start."""

    auto_activate: bool
    evidence: EvidenceSettings
    phases: dict[str, Phase]

    @model_validator(mode="after")
    def _one_start(self) -> "PhasesSettings":
        orders = sorted(phase.order for phase in self.phases.values())
        if orders != list(range(len(orders))):
            raise ValueError(f"phases: their orders must be 0, 1, 2, … without holes, found {orders}")
        return self


class RolloutSettings(Section):
    """The whole of rollout.yaml: gates of assets that their phase alone does not enable."""

    assets: dict[str, tuple[Rule, ...]]
