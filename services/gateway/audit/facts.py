"""What is known of an asset at a moment, as an audit is judged by it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.domain.assets import Asset
from services.domain.mix import Cell


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of a stretch of time: how many the market owed, and how many of them are stored."""

    owed: int
    stored: int

    @property
    def missing(self) -> int:
        """How many are not there."""
        return max(self.owed - self.stored, 0)

    @property
    def missing_share(self) -> float | None:
        """Of those owed; None where none was."""
        return self.missing / self.owed if self.owed else None


@dataclass(frozen=True, slots=True)
class CandleFacts:
    """The stored candles; ``first`` and ``last`` are opens. The stretches are None where the market's hours are not."""

    count: int = 0
    first: datetime | None = None
    last: datetime | None = None
    revised: int = 0
    refused: int = 0
    whole: Bars | None = None
    month: Bars | None = None
    week: Bars | None = None


@dataclass(frozen=True, slots=True)
class FeedFacts:
    """The feed as it is diagnosed."""

    fit: bool
    says: tuple[str, ...] = ()
    """Its state and what speaks for or against it."""
    sources: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    checked: bool = False
    """Whether any source has ever been asked for its bars."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model in use: the last bar that it saw, and its error beside the random walk's (below 1 is better)."""

    model: str
    version: str
    trained_through: datetime
    valid_from: datetime
    ratio: float | None = None
    n: int | None = None


@dataclass(frozen=True, slots=True)
class ResearchFacts:
    """Research's newest word. Edges are basis points after costs, with their 95 % interval."""

    as_of: datetime
    tier: int | None
    why: str
    n: int
    edge_bps: float | None
    low_bps: float | None
    high_bps: float | None
    mix: Mapping[Cell, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EdgeFacts:
    """One cell as it was last measured. Cells that are no edge are measured once a week, the others every night."""

    as_of: datetime
    regime: str
    bucket: int
    n: int
    edge_bps: float
    low_bps: float | None
    high_bps: float | None
    q_value: float | None


@dataclass(frozen=True, slots=True)
class TradeFacts:
    """One closed trade."""

    opened_at: datetime
    closed_at: datetime
    pnl: Decimal
    exit_reason: str
    regime: str
    bucket: int


@dataclass(frozen=True, slots=True)
class FillFacts:
    """All fills together, in account currency; ``largest`` and ``largest_share`` (of equity) are of entries."""

    count: int = 0
    notional: Decimal = Decimal(0)
    slippage: Decimal = Decimal(0)
    largest: Decimal | None = None
    largest_share: float | None = None


@dataclass(frozen=True, slots=True)
class PerformanceFacts:
    """The newest daily line of the record to date."""

    sharpe: float | None = None
    sortino: float | None = None
    max_drawdown: float | None = None
    returns: tuple[float, ...] = ()
    """Of each day of the run on the account's equity, oldest first."""


@dataclass(frozen=True, slots=True)
class CellResult:
    """Closed trades of one regime and bucket to date."""

    regime: str
    bucket: int
    trades: int
    pnl: Decimal


@dataclass(frozen=True, slots=True)
class FlagFacts:
    """An open flag that concerns the asset."""

    name: str
    subject: str
    severity: str
    blocks: str
    detail: str
    acknowledged_by: str | None = None


@dataclass(frozen=True, slots=True)
class AuditFacts:
    """All of it; what is not named is as if nothing were known of it."""

    now: datetime
    symbol: str
    asset: Asset
    phase: str = ""
    phase_active: bool = False
    level: str = "off"
    waits_for: str = ""
    tier: int | None = None
    trading_enabled: bool = False
    live_enabled: bool = False
    candles: CandleFacts = CandleFacts()
    feed: FeedFacts = FeedFacts(fit=False, says=("nothing is known of it",))
    models: tuple[ModelFacts, ...] = ()
    forecasts: int = 0
    last_forecast: datetime | None = None
    research: ResearchFacts | None = None
    plan_edge_bps: float | None = None
    """The plan's starting value, which nothing has measured."""
    edges: tuple[EdgeFacts, ...] = ()
    trades: tuple[TradeFacts, ...] = ()
    fills: FillFacts = FillFacts()
    performance: PerformanceFacts = PerformanceFacts()
    cells: tuple[CellResult, ...] = ()
    series: Mapping[str, datetime] = field(default_factory=dict)
    """By the name of a stored series, or of a source that brought one, its newest value's time."""
    configured: frozenset[str] = frozenset()
    """Data sources that have what they need."""
    flags: tuple[FlagFacts, ...] = ()


def asset_of(config: Mapping[str, Any]) -> Asset:
    """Read an asset's declaration as the registry keeps it."""
    return Asset.model_validate(config)
