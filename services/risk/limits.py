"""Every limit, one pure function each, in one table. Gates say yes or no; caps say how much.

Gates and caps apply to entries and increases only: closing and reducing are always allowed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from services.contracts.messages import LimitCheck, Position, Target
from services.domain.assets import Asset
from services.domain.money import ZERO
from services.risk.settings import RiskSettings


@dataclass(slots=True)
class Room:
    """The portfolio while one slice's orders are decided: approved orders take their room at once."""

    equity: Decimal
    cash: Decimal
    heat: Decimal
    class_exposure: dict[str, Decimal]
    class_weights: Mapping[str, Decimal]
    notional_today: dict[str, Decimal]
    enabled: frozenset[str]
    classes: frozenset[str]
    halted: str | None
    stale: frozenset[str]
    suspect: Mapping[str, str] = field(default_factory=dict)
    """Symbols whose sources disagree, and how."""
    ordered: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Proposal:
    """An entry that is asked for: ``notional`` and the position it would add to, absolute, account currency."""

    target: Target
    asset: Asset
    notional: Decimal
    position: Position | None


@dataclass(frozen=True, slots=True)
class Gate:
    """A yes-or-no check; ``refusal`` is None where it lets the order pass."""

    name: str
    refusal: str | None


@dataclass(frozen=True, slots=True)
class Cap:
    """A check that allows up to ``allowed`` more notional; None where it does not apply."""

    name: str
    limit: Decimal | None
    current: Decimal | None
    allowed: Decimal | None


def enabled(room: Room, p: Proposal) -> Gate:
    """Let only assets trade that phases have enabled."""
    ok = p.target.symbol in room.enabled
    return Gate("asset_enabled", None if ok else f"{p.target.symbol} is not enabled for trading")


def class_active(room: Room, p: Proposal) -> Gate:
    """Let only asset classes trade whose phase is active."""
    declared = p.asset.asset_class  # what the message says of its class is not asked
    return Gate("class_active", None if declared in room.classes else f"asset class {declared} is not active")


def research_only(_: Room, p: Proposal) -> Gate:
    """Never trade an asset that its role keeps to research."""
    ok = p.asset.role != "research_only"
    return Gate("role", None if ok else f"{p.target.symbol} is research-only")


def side_allowed(_: Room, p: Proposal) -> Gate:
    """Keep to the sides of the asset's profile."""
    side = "long" if p.target.action == "BUY" else "short"
    return Gate("side", None if side in p.asset.sides else f"{p.target.symbol} has no {side} side in its profile")


def not_halted(room: Room, _: Proposal) -> Gate:
    """Block entries while trading is halted."""
    return Gate("halt", None if room.halted is None else f"trading is halted: {room.halted}")


def fresh_data(room: Room, p: Proposal) -> Gate:
    """Enter nothing whose price is stale."""
    ok = p.target.symbol not in room.stale
    return Gate("fresh_data", None if ok else f"{p.target.symbol} has no bar for this slice")


def sources_agree(room: Room, p: Proposal) -> Gate:
    """Enter nothing whose sources disagree about its price."""
    how = room.suspect.get(p.target.symbol)
    return Gate("sources_disagree", None if how is None else f"the sources of {p.target.symbol} disagree: {how}")


def one_order(room: Room, p: Proposal) -> Gate:
    """Allow one order an asset and slice."""
    ok = p.target.symbol not in room.ordered
    return Gate("duplicate", None if ok else f"{p.target.symbol} already has an order in this slice")


def position_cap(room: Room, p: Proposal, _: RiskSettings) -> Cap:
    """Bound one position: equity x max position x risk multiplier."""
    if p.asset.max_position is None:
        return Cap("max_position", None, None, None)
    limit = room.equity * Decimal(str(p.asset.max_position)) * Decimal(str(p.asset.risk_multiplier))
    held = abs(p.position.market_value) if p.position else ZERO
    return Cap("max_position", limit, held, limit - held)


def per_trade(_: Room, p: Proposal, __: RiskSettings) -> Cap:
    """Bound one order's notional."""
    return Cap("notional_per_trade", p.asset.notional_per_trade, p.notional, p.asset.notional_per_trade)


def per_day(room: Room, p: Proposal, _: RiskSettings) -> Cap:
    """Bound an asset's entries a day."""
    limit = p.asset.notional_per_day
    used = room.notional_today.get(p.target.symbol, ZERO)
    return Cap("notional_per_day", limit, used, None if limit is None else limit - used)


def class_bound(room: Room, asset_class: str, settings: RiskSettings) -> Decimal | None:
    """Return a class's largest exposure; None where cash alone bounds it (only one active, no bound of its own)."""
    own = room.class_weights.get(asset_class, Decimal(1))
    share = min(own, settings.max_class_weight) if len(room.classes) > 1 else own
    return None if share >= 1 else room.equity * share


def class_weight(room: Room, p: Proposal, settings: RiskSettings) -> Cap:
    """Bound one class's exposure, by the class's own bound and, with several classes active, the portfolio's."""
    limit = class_bound(room, p.asset.asset_class, settings)
    used = room.class_exposure.get(p.asset.asset_class, ZERO)
    return Cap("class_weight", limit, used, None if limit is None else limit - used)


def heat(room: Room, p: Proposal, settings: RiskSettings) -> Cap:
    """Bound the loss if every stop were hit."""
    limit = room.equity * settings.max_heat
    return Cap("heat", limit, room.heat, (limit - room.heat) / Decimal(str(p.asset.stop_loss)))


def cash(room: Room, p: Proposal, settings: RiskSettings) -> Cap:
    """Buy only with cash that is there, less a buffer for costs."""
    available = room.cash * (1 - settings.cash_buffer)
    return Cap("cash", available, p.notional, available)


GATES: tuple[Callable[[Room, Proposal], Gate], ...] = (
    enabled,
    class_active,
    research_only,
    side_allowed,
    not_halted,
    fresh_data,
    sources_agree,
    one_order,
)

CAPS: tuple[Callable[[Room, Proposal, RiskSettings], Cap], ...] = (
    position_cap,
    per_trade,
    per_day,
    class_weight,
    heat,
    cash,
)


def portfolio_checks(
    room: Room, settings: RiskSettings, drawdown: Decimal, daily_loss: Decimal
) -> tuple[LimitCheck, ...]:
    """List the portfolio-wide limits as they stand, whether or not an order was asked for."""
    checks = [
        LimitCheck("drawdown", settings.max_drawdown, drawdown, drawdown < settings.max_drawdown),
        LimitCheck("daily_loss", settings.max_daily_loss, daily_loss, daily_loss < settings.max_daily_loss),
        LimitCheck("heat", settings.max_heat * room.equity, room.heat, room.heat <= settings.max_heat * room.equity),
    ]
    for name, used in sorted(room.class_exposure.items()):
        limit = class_bound(room, name, settings)
        if limit is not None:
            checks.append(LimitCheck(f"class_weight:{name}", limit, used, used <= limit))
    return tuple(checks)
