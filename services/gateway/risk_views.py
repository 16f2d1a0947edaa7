"""What the API answers about risk, as documented models."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from services.gateway.views import Amount, CommandView, View


class LimitView(View):
    """One limit as it stood."""

    name: str
    limit: Amount | None = Field(description="What it allows; None where it only says yes or no")
    current: Amount | None
    passed: bool = Field(description="Whether it let the order pass whole; an approved order's failed lines cut it")
    allowed: Amount | None = Field(description="The most notional it had room for; None where it gives no amount")


class FiguresView(View):
    """What describes the portfolio as a whole; each refuses only where risk.yaml sets a bound."""

    risk_score: Amount | None = Field(None, description="0 to 100: the largest used share of any portfolio-wide limit")
    weighted_edge_bps: Amount | None = Field(None, description="Weight x expected return, summed over open targets")
    trades_per_day: Amount | None = Field(None, description="Entries approved a day over the last seven days")


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


class RefusedView(View):
    """An entry that was refused, with the whole table as it stood."""

    id: UUID
    ts: datetime
    symbol: str
    asset_class: str
    side: str
    quantity: Amount
    refused_by: str | None
    reason: str
    checks: list[LimitView]


class RiskView(View):
    """The halt switch, the limits and the figures as risk last decided, and the last refusals."""

    mode: str
    simulated: bool
    as_of: datetime | None
    halted: bool
    reason: str | None
    limits: list[LimitView]
    figures: FiguresView
    pending_commands: list[CommandView]
    refused: list[RefusedView]
    events: list[RiskEventView]
