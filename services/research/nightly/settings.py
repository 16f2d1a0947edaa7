"""What nightly research measures by (``config/research.yaml``)."""

from pydantic import Field, model_validator

from services.domain.assets import Section
from services.domain.regimes import Regime

RESEARCH_FILE = "research.yaml"


class StartingEdge(Section):
    """What the plan says of an asset before anything was measured."""

    symbol: str
    edge_bps: float
    regime: Regime | None = None
    """None: the plan names none."""
    buckets: tuple[int, ...] = ()
    """None named: the plan means all of them, or says nothing."""


class ResearchSettings(Section):
    """The whole of research.yaml."""

    block_horizons: int = Field(ge=2, le=100)
    """Length in horizons of the blocks of time whose scatter gives the intervals."""
    min_independent: int = Field(ge=2)
    """Stretches that share no bar, and blocks, that a mean needs before it is given an interval."""
    min_forecasts: int = Field(ge=1)
    """Forecasts that a cell needs before it is told."""
    tier_blocks: int = Field(ge=2)
    """Blocks with forecasts that an asset's edge needs before its tier is spoken of."""
    tier_p_value: float = Field(gt=0, le=0.025)
    """Chance that luck alone shows so good a mean, at most, before Tier 1 or 2 is spoken for."""
    tier_q_value: float = Field(gt=0, le=0.05)
    """The same of an asset that would be traded in single cells: its cells' false discovery rate."""
    tier_1_bps: float = Field(gt=0)
    """Tier 1 begins above this edge."""
    false_discoveries: float = Field(gt=0, lt=1)
    mix_forecasts: int = Field(ge=1)
    """Forecasts inside the profile that the expected mix takes."""
    thresholds: tuple[float, ...] = Field(min_length=1)
    """Expected returns that are tried as a threshold, ascending; fractions."""
    longest_outcome_days: float = Field(gt=0)
    """What came later than so, over nights, holidays and holes, is no outcome of the forecast."""
    full_weekday: int = Field(ge=0, le=6)
    """The day (0 is Monday) whose midnight stores all cells; the other ones store the significant ones."""
    starting_edges: tuple[StartingEdge, ...]

    @model_validator(mode="after")
    def _ascending(self) -> "ResearchSettings":
        if list(self.thresholds) != sorted(set(self.thresholds)) or self.thresholds[0] <= 0.0:
            raise ValueError(f"thresholds: must be above 0 and ascend, found {list(self.thresholds)}")
        return self
