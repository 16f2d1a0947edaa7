"""What the API answers, as documented models. Amounts are decimal texts in account currency; 0.1 is 10 %."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

T = TypeVar("T")

Amount = Annotated[Decimal, PlainSerializer(lambda value: f"{value:f}", return_type=str, when_used="json")]
"""A decimal as plain text: 0.00000000, never 0E-8."""


class View(BaseModel):
    """An answer of the API; made from rows, never changed."""

    model_config = ConfigDict(frozen=True)


class Problem(View):
    """What went wrong, in one line."""

    error: str = Field(examples=["symbol 'BTX' is not known; did you mean BTC/USDT?"])


class RequirementView(View):
    """One line of a gate."""

    name: str = Field(examples=["profitable_days (crypto, last 60 d)"])
    comparison: Literal[">", ">=", "<", "<=", "is"]
    threshold: float
    current: float | None = Field(description="None while it is not defined, as a Sharpe ratio without trades")
    met: bool
    missing: str | None = Field(examples=["12 more profitable days"])


class PhaseView(View):
    """One step of the ladder."""

    phase: str = Field(examples=["phase_1_stocks"])
    order: int
    asset_class: str
    active: bool
    activated_at: datetime | None
    ready: bool
    min_capital: Amount | None
    max_capital: Amount | None
    evaluated_at: datetime | None
    note: str | None = Field(description="Says so while nothing has been evaluated")
    requirements: list[RequirementView]


class PhaseDetail(PhaseView):
    """One phase, with the run it was judged in."""

    mode: str
    simulated: bool
    equity: Amount | None


class Ladder(View):
    """All phases in their order."""

    mode: str = Field(examples=["replay"])
    simulated: bool = Field(description="True: no real money is traded")
    equity: Amount | None = Field(description="Equity after the newest slice")
    evaluated_at: datetime | None
    phases: list[PhaseView]


class NotReady(Problem):
    """A refused activation and the gate it failed."""

    requirements: list[RequirementView] = []


class Listing(View, Generic[T]):
    """Rows, and which run they come from."""

    mode: str = Field(examples=["replay"])
    simulated: bool
    items: list[T]


class AssetView(View):
    """One asset and what it may do."""

    symbol: str = Field(examples=["BTC/USDT"])
    name: str
    asset_class: str
    phase: str
    phase_active: bool
    role: str
    tier: int | None
    collecting: bool
    trading_enabled: bool
    live_enabled: bool
    updated_at: datetime


class AssetDetail(AssetView):
    """One asset with its declared configuration."""

    mode: str
    simulated: bool
    config: dict[str, Any]


class FeedView(View):
    """How well a source delivers one asset."""

    symbol: str
    source: str
    asset_class: str
    timeframe: str
    last_ts: datetime | None
    bars: int
    gaps: int
    repaired: int
    refused: int
    revisions: int
    errors: int
    last_error: str | None
    checked_at: datetime


class AuditView(View):
    """Whether one asset has earned the right to trade real money, and what speaks against it."""

    mode: str
    simulated: bool
    symbol: str
    phase: str
    phase_active: bool
    role: str
    trading_enabled: bool
    feeds: list[FeedView]
    forecasts: int
    last_forecast: datetime | None
    newest_model: str | None
    trades: int
    wins: int
    pnl: Amount | None
    profit_factor: float | None
    max_drawdown: float | None
    open_flags: list[str]
    ready_for_live: bool
    reasons: list[str]


class SignalView(View):
    """What was wanted for an asset at a slice, and why."""

    id: UUID
    ts: datetime
    symbol: str
    asset_class: str
    action: Literal["BUY", "SELL", "HOLD"]
    level: str
    expected_return: float
    confidence: float
    bucket: int
    regime: str
    threshold: float
    weight: float | None = Field(description="Wanted share of equity; None leaves the position as it is")
    reasons: list[str]


class PositionView(View):
    """An open position; ``quantity`` is negative when short."""

    symbol: str
    asset_class: str
    quantity: Amount
    cost: Amount
    mark_price: Amount
    market_value: Amount
    unrealised_pnl: Amount
    stop_price: Amount | None
    target_price: Amount | None
    opened_at: datetime
    expires_at: datetime | None
    as_of: datetime


class PortfolioView(View):
    """The books after the newest slice; all None before the first."""

    mode: str
    simulated: bool
    as_of: datetime | None
    starting_cash: Amount | None
    equity: Amount | None
    cash: Amount | None
    realised_pnl: Amount | None
    unrealised_pnl: Amount | None
    fees: Amount | None
    drawdown: float | None
    max_drawdown: float | None
    positions: list[PositionView]


class EquityPoint(View):
    """One point of the equity curve."""

    ts: datetime
    equity: Amount
    cash: Amount


class OrderView(View):
    """An order that was wanted, and what became of it."""

    id: UUID
    ts: datetime
    symbol: str
    asset_class: str
    side: str
    quantity: Amount
    reason: str
    reduce_only: bool
    status: str
    reference_price: Amount | None
    stop_price: Amount | None
    target_price: Amount | None
    filled_quantity: Amount
    detail: str
    updated_at: datetime


class TradeView(View):
    """A round trip after costs."""

    id: UUID
    symbol: str
    asset_class: str
    side: str
    opened_at: datetime
    closed_at: datetime
    quantity: Amount
    entry_price: Amount
    exit_price: Amount
    fees: Amount
    slippage: Amount
    pnl: Amount
    exit_reason: str
    bucket: int
    regime: str


class LimitView(View):
    """One limit as it stood at the newest slice."""

    name: str
    limit: Amount | None
    current: Amount | None
    passed: bool


class RiskEventView(View):
    """A limit that bit, a halt or a resumption."""

    id: UUID
    ts: datetime
    symbol: str | None
    name: str
    severity: str
    limit_value: Amount | None
    current_value: Amount | None
    detail: str


class CommandView(View):
    """An operator's command and what became of it."""

    id: UUID
    name: str
    subject: str | None
    by: str
    note: str
    forced: bool
    given_at: datetime
    status: Literal["pending", "done", "refused"]
    outcome: str | None


class RiskView(View):
    """The halt switch and the limits as risk last decided."""

    mode: str
    simulated: bool
    as_of: datetime | None
    halted: bool
    reason: str | None
    limits: list[LimitView]
    pending_commands: list[CommandView]
    events: list[RiskEventView]


class ModelView(View):
    """A trained model: the data it saw and how it did beside the random walk."""

    model: str
    version: str
    symbol: str
    asset_class: str
    horizon_hours: int
    trained_from: datetime
    trained_through: datetime
    valid_from: datetime
    valid_until: datetime | None
    features_hash: str
    params: Any
    metrics: Any
    artefact_sha256: str
    created_at: datetime


class PerformanceView(View):
    """One asset's record to date, after costs."""

    symbol: str
    asset_class: str
    as_of: date
    trades: int
    win_rate_pct: float | None
    profit_factor: float | None
    pnl_usd: Amount
    fees_usd: Amount
    sharpe: float | None
    max_drawdown_pct: float | None
    exposure_pct: float | None
    tier: int | None
    trading_enabled: bool | None


class StageView(View):
    """How far one stage is."""

    stage: str
    slice_ts: datetime | None
    messages: int = Field(description="How many messages it has published")
    behind_messages: int = Field(description="Published for it and not yet decided upon")
    behind_seconds: float | None = Field(description="Slice time behind the newest slice of any stage")
    config_version: str
    updated_at: datetime


class Alive(View):
    """The process answers."""

    status: Literal["ok"]
    version: str


class Ready(View):
    """Whether the gateway can do its work; ``missing`` names what it lacks."""

    ready: bool
    missing: list[str]
    schema_version: str | None
    config_version: str
