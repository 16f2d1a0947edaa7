"""What the API answers about signals, books, orders and round trips, as documented models."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from services.gateway.views import Amount, View


class SignalView(View):
    """What was wanted for an asset at a slice, and why."""

    id: UUID
    ts: datetime
    symbol: str
    asset_class: str
    action: Literal["BUY", "SELL", "HOLD"]
    strength: Literal["STRONG_BUY", "BUY", "HOLD", "SELL", "STRONG_SELL"]
    level: str = Field(description="HIGH, MEDIUM or LOW confidence")
    expected_return: float = Field(description="Log return over the horizon")
    uncertainty: float | None = Field(description="Its standard deviation")
    low: float | None = Field(description="Lower end of the 80 % interval, log return; None while it is not known")
    high: float | None = Field(description="Upper end of the 80 % interval")
    p_up: float | None = Field(description="Calibrated probability of a rise; None with too little past to calibrate")
    without: list[str] = Field(description="Models that should have had a say in the forecast and could not")
    confidence: float = Field(description="Rank among the asset's recent forecasts, 0 to 1; not a probability")
    bucket: int
    regime: str
    threshold: float
    weight: float | None = Field(description="Wanted share of equity; None leaves the position as it is")
    stop: float | None = Field(description="Price to leave at beyond the level behind; None: the asset's own distance")
    take: float | None = Field(description="Price at the next level ahead; None: the asset's own distance")
    market: str = Field(description="The whole crypto market: btc_dominant, alt_season, risk_off, balanced or unknown")
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
    carry: Amount = Field(description="What holding it cost: funding, borrowing, financing; pnl is after it")
    pnl: Amount
    exit_reason: str
    bucket: int
    regime: str


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
    sortino: float | None
    slippage_usd: Amount | None
    tier: int | None
    level: str | None
    trading_enabled: bool | None
