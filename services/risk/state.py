"""What risk remembers between slices. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from services.contracts.messages import CommandGiven, DayEvaluated, PortfolioSettled, TargetsSet
from services.domain.assets import Asset, normalise_symbol
from services.risk.room import Terms
from services.risk.settings import RiskSettings


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An approved entry that may still wait for a bar: it keeps its room until the books say it is gone."""

    id: UUID
    symbol: str
    asset_class: str
    notional: Decimal
    heat: Decimal
    long: bool


class RiskState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Enablement as phases last said, the halt switches, the day's and the peak's equity, and the desk's pace."""

    enabled: tuple[str, ...]
    classes: tuple[str, ...]
    observed: tuple[str, ...] = ()
    """Those of ``enabled`` that are entered at observation size only."""
    winding: tuple[str, ...] = ()
    """Taken off by rule: their positions are closed."""
    promoted: tuple[str, ...] = ()
    """Kept to research by the configuration, and let in by research's own measurement."""
    blocked: dict[str, tuple[str, ...]] = {}
    """By symbol, asset class or ``all``: the system's flags that are up."""
    halted: str | None = None
    switch: str | None = None
    """Set while the halt file is there: only its removal lifts it, and that lifts nothing else."""
    halted_day: str | None = None
    """Set while the halt ends by itself with this day (the daily loss limit)."""
    flatten: bool = False
    peak_equity: Decimal | None = None
    day: str = ""
    day_start_equity: Decimal | None = None
    last_equity: Decimal | None = None
    notional_today: dict[str, Decimal] = {}
    entries_today: dict[str, int] = {}
    entries_by_day: dict[str, int] = {}
    """Of the last seven days."""
    built: dict[str, int] = {}
    """Entries that have made each open position."""
    stopped: dict[str, datetime] = {}
    """When assets were stopped out that still rest from it."""
    asked: tuple[Entry, ...] = ()
    """Approved entries that may still wait."""
    first_slice: datetime | None = None
    evaluated: datetime | None = None
    """The newest daily evaluation by phases that has been taken in."""

    @property
    def stop(self) -> str | None:
        """Why trading is halted, by whichever switch."""
        return "; ".join(filter(None, (self.halted, self.switch))) or None


@dataclass(frozen=True, slots=True)
class RiskParams:
    """The configuration that the decision depends on; raises BadSymbol for a restricted symbol that is not declared."""

    settings: RiskSettings
    assets: Mapping[str, Asset]
    class_weights: Mapping[str, Decimal]
    """Each class's own bound, as a share of equity; the portfolio's bound applies beside it."""
    order_hours: Mapping[str, int] = field(default_factory=dict)
    """How long a class's orders wait for a bar; 1 (the next slice only) where it is not named."""
    observation_size: Decimal = Decimal("0.5")
    """What an observed asset has of its caps."""
    terms: Mapping[str, Terms] = field(init=False, repr=False)
    restricted: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Work out once what every slice needs."""
        object.__setattr__(self, "terms", {symbol: Terms.of(asset) for symbol, asset in self.assets.items()})
        listed = frozenset(normalise_symbol(symbol, self.assets) for symbol in self.settings.restricted)
        object.__setattr__(self, "restricted", listed)


@dataclass(frozen=True, slots=True)
class RiskEvent:
    """One slice for risk: what signals want, what the books say, and what came in between."""

    targets: TargetsSet
    portfolio: PortfolioSettled
    evaluations: tuple[DayEvaluated, ...] = ()
    commands: tuple[CommandGiven, ...] = ()
