"""What risk remembers between slices. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import msgspec

from services.contracts.messages import CommandGiven, DayEvaluated, PortfolioSettled, TargetsSet
from services.domain.assets import Asset
from services.risk.settings import RiskSettings


class RiskState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Enablement as phases last said, the halt switch, and the day's and the peak's equity."""

    enabled: tuple[str, ...]
    classes: tuple[str, ...]
    halted: str | None = None
    halted_day: str | None = None
    """Set while the halt ends by itself with this day (the daily loss limit)."""
    flatten: bool = False
    peak_equity: Decimal | None = None
    day: str = ""
    day_start_equity: Decimal | None = None
    last_equity: Decimal | None = None
    notional_today: dict[str, Decimal] = {}
    first_slice: datetime | None = None
    evaluated: datetime | None = None
    """The newest daily evaluation by phases that has been taken in."""


@dataclass(frozen=True, slots=True)
class RiskParams:
    """The configuration that the decision depends on."""

    settings: RiskSettings
    assets: Mapping[str, Asset]
    class_weights: Mapping[str, Decimal]
    """Each class's own bound, as a share of equity; the portfolio's bound applies beside it."""
    order_hours: Mapping[str, int] = field(default_factory=dict)
    """How long a class's orders wait for a bar; 1 (the next slice only) where it is not named."""


@dataclass(frozen=True, slots=True)
class RiskEvent:
    """One slice for risk: what signals want, what the books say, and what came in between."""

    targets: TargetsSet
    portfolio: PortfolioSettled
    evaluations: tuple[DayEvaluated, ...] = ()
    commands: tuple[CommandGiven, ...] = ()
