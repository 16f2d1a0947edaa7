"""The ladder: phases with their gates (``config/phases.yaml``), single assets with theirs (``config/rollout.yaml``)."""

from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator

from services.contracts.messages import Evidence
from services.domain.assets import Section

Metric = Literal[
    # Of the measured record: scope is an asset class or a symbol.
    "profitable_days",
    "sharpe_ratio",
    "sortino_ratio",
    "max_drawdown",
    "win_rate",
    "profit_factor",
    "trades",
    "stop_exits",  # share of closed trades that a stop ended
    "slippage_bps",  # of the traded notional
    "mix_distance",  # 0 to 1: how far the trades' regimes and buckets are from what research expects
    # Of the platform's state.
    "source_configured",  # scope: an asset class
    "phase_active",  # scope: a phase
    "enabled",  # scope: a symbol
    "tier",  # scope: a symbol; the crypto rollout's tier, as research last left it
    "feed_fresh",  # scope: a symbol; share of the newest days' slices that had a bar of it
    "open_flags",  # scope: a symbol, a class or all; how many flags that block it are up
    "audit_ready",  # scope: a symbol; 1 where its newest audit for live says ready
]

SELF = "self"
"""As a scope: the asset (or the class) whose gate or floor it is."""


class Rule(Section):
    """One requirement of a gate, or one floor (which is broken while the comparison holds)."""

    metric: Metric
    scope: str
    comparison: Literal[">", ">=", "<", "<=", "is"]
    threshold: float
    window_days: int | None = Field(default=None, gt=0)
    """How many of the newest days count; None: all since the start."""
    min_trades: int = Field(default=0, ge=0)
    """With fewer closed trades in the window a requirement is not met, and a floor is not broken."""


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


class AutomaticEvidence(Section):
    """What evidence each step takes before Chloe makes it by herself; a person may make it on ``ready`` alone."""

    phases: Evidence
    assets: Evidence
    live: Evidence


class Floors(Section):
    """What takes an asset (or a class) down: any of ``observe`` to observation size, any of ``disable`` off."""

    observe: tuple[Rule, ...] = ()
    disable: tuple[Rule, ...] = ()


class Demotion(Section):
    """When assets and phases fall, and what they need to rise again. Its rules' scope is ``self``."""

    assets: Floors
    phases: Floors
    days_in_a_row: int = Field(ge=1)
    """A floor takes down once it has been broken at the end of so many days in a row."""
    at_once: tuple[Metric, ...] = ()
    """Metrics that do not wait for it."""
    cool_down_days: int = Field(ge=1)
    """So long nothing that fell rises, whatever its record."""
    requalify: tuple[Rule, ...]
    """What an observed asset needs to get its full size back, from the days since it was observed."""
    wind_down: bool
    """Whether risk closes the positions of what was taken off by rule; else they run to their stops and targets."""


class PhasesSettings(Section):
    """The whole of phases.yaml. The phase of order 0 is active from the start."""

    auto_activate: bool
    auto_live: bool
    automatic_evidence: AutomaticEvidence
    evidence: EvidenceSettings
    demotion: Demotion
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
    """In their order: the first step up of each, to observation size or, by its role, its full one."""
    promoted: tuple[Rule, ...]
    """The same for an asset that research, and not the configuration, has put into Tier 1 or 2."""
    live: tuple[Rule, ...]
    """What every asset needs before its live phase may be activated."""
    tier_nights: int = Field(ge=1)
    """A tier changes once research has spoken for the same other one so many nights in a row."""
