"""What the checks look at: the room that the portfolio has left, and the entry that is asked for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from services.contracts.books import PAR
from services.contracts.messages import Position, Target
from services.domain.assets import Asset
from services.domain.money import ZERO


@dataclass(slots=True)
class Figures:
    """What describes the portfolio as a whole; asked by a check only where ``risk.yaml`` sets a bound."""

    score: Decimal = ZERO
    """0 to 100: the largest share of any portfolio-wide limit that is used up."""
    edge_bps: Decimal = ZERO
    """Weight x expected return, summed over open targets; cash expects nothing."""
    trades_per_day: Decimal = ZERO
    """Entries approved a day over the last seven days."""


@dataclass(slots=True)
class Room:
    """The portfolio while one slice's orders are decided: approved orders take their room at once.

    Exposures are absolute (longs and shorts add up) and count entries that still wait for a bar; account currency.
    """

    ts: datetime
    equity: Decimal
    cash: Decimal
    heat: Decimal
    enabled: frozenset[str]
    classes: frozenset[str]
    class_weights: Mapping[str, Decimal]
    observed: frozenset[str] = frozenset()
    promoted: frozenset[str] = frozenset()
    """Let in by research although the configuration keeps them to it."""
    blocked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By symbol, asset class or ``all``: the system's flags that are up."""
    observation_size: Decimal = Decimal("0.5")
    class_exposure: dict[str, Decimal] = field(default_factory=dict)
    symbol_exposure: dict[str, Decimal] = field(default_factory=dict)
    clusters: tuple[tuple[str, ...], ...] = ()
    """Assets that move together, as signals pass them on."""
    restricted: frozenset[str] = frozenset()
    halted: str | None = None
    broken: str | None = None
    """What is wrong with the books, where they cannot be reckoned with."""
    stale: frozenset[str] = frozenset()
    suspect: Mapping[str, str] = field(default_factory=dict)
    """Symbols whose sources disagree, and how."""
    ordered: set[str] = field(default_factory=set)
    waiting: frozenset[str] = frozenset()
    """Symbols with an order that still waits for a bar."""
    cooling: Mapping[str, datetime] = field(default_factory=dict)
    """Symbols that were stopped out, and until when they rest."""
    notional_today: dict[str, Decimal] = field(default_factory=dict)
    entries_today: dict[str, int] = field(default_factory=dict)
    built: dict[str, int] = field(default_factory=dict)
    """Entries that have made each position, since it was last flat."""
    entries: int = 0
    """Entries approved in this slice."""
    figures: Figures = field(default_factory=Figures)

    @property
    def gross(self) -> Decimal:
        """Long and short exposure together."""
        return sum(self.symbol_exposure.values(), ZERO)

    def exposure(self, cluster: tuple[str, ...]) -> Decimal:
        """Long and short exposure of a cluster together."""
        return sum((self.symbol_exposure.get(symbol, ZERO) for symbol in set(cluster)), ZERO)

    def take(self, symbol: str, asset_class: str, notional: Decimal, heat: Decimal, *, long: bool) -> None:
        """Give an entry its room."""
        self.cash -= notional if long else ZERO
        self.heat += heat
        self.class_exposure[asset_class] = self.class_exposure.get(asset_class, ZERO) + notional
        self.symbol_exposure[symbol] = self.symbol_exposure.get(symbol, ZERO) + notional


@dataclass(frozen=True, slots=True)
class Terms:
    """An asset's fractions as decimals."""

    stop_loss: Decimal
    take_profit: Decimal
    largest: Decimal | None
    """Largest position as a share of equity: max position x risk multiplier."""

    @classmethod
    def of(cls, asset: Asset) -> "Terms":
        """Convert them."""
        largest = None
        if asset.max_position is not None:
            largest = Decimal(str(asset.max_position)) * Decimal(str(asset.risk_multiplier))
        return cls(Decimal(str(asset.stop_loss)), Decimal(str(asset.take_profit)), largest)


@dataclass(frozen=True, slots=True)
class Proposal:
    """An entry that is asked for: ``notional`` and the position it would add to, absolute, account currency."""

    target: Target
    asset: Asset
    terms: Terms
    notional: Decimal
    position: Position | None
    price: Decimal
    stop: Decimal
    """Where the position would be left at a loss, never farther than the asset's own stop."""
    take: Decimal
    rate: Decimal = PAR
    """Account currency for one unit of the currency that its prices are in."""

    @property
    def unit(self) -> Decimal:
        """Return what one unit costs, account currency."""
        return self.price * self.rate

    @property
    def long(self) -> bool:
        """Whether it buys."""
        return self.target.action == "BUY"

    @property
    def distance(self) -> Decimal:
        """Return what is lost at the stop, as a share of the notional; an increase counts the farther of two stops."""
        stop = self.stop
        held = self.position.stop_price if self.position else None
        if held is not None:
            stop = min(stop, held) if self.long else max(stop, held)
        return abs(self.price - stop) / self.price
