"""The portfolio's limits (``config/risk.yaml``). Fractions: 0.25 is 25 %; amounts in account currency."""

from decimal import Decimal

from pydantic import Field

from services.domain.assets import Section


class RiskSettings(Section):
    """Where limits overlap, the smallest wins and is named."""

    max_heat: Decimal = Field(gt=0, le=1)
    """Loss if every stop were hit, as a share of equity."""
    max_class_weight: Decimal = Field(gt=0, le=1)
    """One asset class's exposure; applies once more than one class is active."""
    max_correlated: Decimal = Field(gt=0, le=5)
    """Exposure, long and short together, of assets that move together."""
    max_leverage: Decimal = Field(gt=0, le=5)
    """Exposure of everything, long and short together, as a multiple of equity."""
    max_drawdown: Decimal = Field(gt=0, lt=1)
    """Fall from the peak that stops trading and closes everything, until a person resumes."""
    max_daily_loss: Decimal = Field(gt=0, lt=1)
    """Loss since the day's start that blocks entries until the next day."""
    min_order_notional: Decimal = Field(gt=0)
    """Smaller orders are not worth their costs."""
    rebalance_band: Decimal = Field(ge=0, lt=1)
    """A position is left alone while it is within this share of its wanted size."""
    cash_buffer: Decimal = Field(ge=0, lt=1)
    """Share of cash that entries leave for slippage and fees."""

    max_order_notional: Decimal = Field(gt=0)
    max_order_quantity: Decimal = Field(gt=0, le=Decimal("1e15"))
    """Units of one order; the ledger's columns hold 20 digits before the point."""
    max_asked_weight: float = Field(gt=0, le=100)
    """A wish beyond this weight is a mistake, refused and not cut."""
    price_collar: Decimal = Field(gt=0, lt=1)
    """How far an increase's price may be from the position's mark."""
    min_volatility_multiplier: Decimal = Field(gt=0, le=1)
    """Wanted positions shrink by usual / current volatility, at most to this share."""

    max_entries_per_slice: int = Field(ge=1)
    max_entries_per_day: int = Field(ge=1)
    max_entries_per_asset: int = Field(ge=1)
    """Of one day."""
    max_repeated_entries: int = Field(ge=1)
    """Entries that may build one position before it is flat again."""
    max_open_orders: int = Field(ge=1)
    """Entries at the market at once: approved in this slice, or still waiting for a bar."""
    cooldown_bars: int = Field(ge=0)
    """Bars without an entry in an asset after its position was stopped out."""
    max_model_age_days: int = Field(ge=1)
    restricted: tuple[str, ...] = ()
    """Symbols that may not be entered, whoever wants to and whatever is enabled."""

    max_risk_score: Decimal | None = Field(default=None, gt=0, le=100)
    min_weighted_edge_bps: Decimal | None = None
    max_trades_per_day: Decimal | None = Field(default=None, gt=0)
