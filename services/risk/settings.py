"""The portfolio's limits (``config/risk.yaml``). Fractions: 0.25 is 25 %."""

from decimal import Decimal

from pydantic import Field

from services.domain.assets import Section


class RiskSettings(Section):
    """Where limits overlap, the smallest wins and is named."""

    max_heat: Decimal = Field(gt=0, le=1)
    """Loss if every stop were hit, as a share of equity."""
    max_class_weight: Decimal = Field(gt=0, le=1)
    """One asset class's exposure; applies once more than one class is active."""
    max_drawdown: Decimal = Field(gt=0, lt=1)
    """Fall from the peak that stops trading and closes everything, until a person resumes."""
    max_daily_loss: Decimal = Field(gt=0, lt=1)
    """Loss since the day's start that blocks entries until the next day."""
    min_order_notional: Decimal = Field(gt=0)
    """Smaller orders are not worth their costs; account currency."""
    rebalance_band: Decimal = Field(ge=0, lt=1)
    """A position is left alone while it is within this share of its wanted size."""
    cash_buffer: Decimal = Field(ge=0, lt=1)
    """Share of cash that entries leave for slippage and fees."""
