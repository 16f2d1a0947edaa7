"""Checks that say how much, one pure function each. They hold for entries and increases only; the smallest wins."""

from decimal import Decimal

from services.contracts.messages import LimitCheck
from services.domain.money import ZERO, floor
from services.risk.room import Proposal, Room
from services.risk.settings import RiskSettings


def _cap(name: str, limit: Decimal | None, current: Decimal | None, p: Proposal, allowed: Decimal | None) -> LimitCheck:
    return LimitCheck(name, limit, current, allowed is None or allowed >= p.notional, allowed)


def _observed(room: Room, p: Proposal) -> Decimal:
    """Return what an asset has of its own caps; one whose role is observation declares them at that size already."""
    small = p.target.symbol in room.observed and p.asset.role != "observation"
    return room.observation_size if small else Decimal(1)


def position_cap(room: Room, p: Proposal, _: RiskSettings) -> LimitCheck:
    """Bound one position: equity x max position x risk multiplier."""
    if p.terms.largest is None:
        return _cap("max_position", None, None, p, None)
    limit = room.equity * p.terms.largest * _observed(room, p)
    held = room.symbol_exposure.get(p.target.symbol, ZERO)
    return _cap("max_position", limit, held, p, limit - held)


def per_trade(room: Room, p: Proposal, _: RiskSettings) -> LimitCheck:
    """Bound one order's notional by its asset's figure."""
    declared = p.asset.notional_per_trade
    limit = None if declared is None else declared * _observed(room, p)
    return _cap("notional_per_trade", limit, p.notional, p, limit)


def per_day(room: Room, p: Proposal, _: RiskSettings) -> LimitCheck:
    """Bound an asset's entries a day."""
    declared = p.asset.notional_per_day
    limit = None if declared is None else declared * _observed(room, p)
    used = room.notional_today.get(p.target.symbol, ZERO)
    return _cap("notional_per_day", limit, used, p, None if limit is None else limit - used)


def order_notional(_: Room, p: Proposal, settings: RiskSettings) -> LimitCheck:
    """Bound any order's notional, whatever the account."""
    return _cap("order_notional", settings.max_order_notional, p.notional, p, settings.max_order_notional)


def order_quantity(_: Room, p: Proposal, settings: RiskSettings) -> LimitCheck:
    """Bound any order's units, whatever the price."""
    asked = floor(p.notional / p.unit)
    return _cap("order_quantity", settings.max_order_quantity, asked, p, settings.max_order_quantity * p.unit)


def class_bound(room: Room, asset_class: str, settings: RiskSettings) -> Decimal | None:
    """Return a class's largest exposure; None where cash alone bounds it (only one active, no bound of its own)."""
    own = room.class_weights.get(asset_class, Decimal(1))
    share = min(own, settings.max_class_weight) if len(room.classes) > 1 else own
    return None if share >= 1 else room.equity * share


def class_weight(room: Room, p: Proposal, settings: RiskSettings) -> LimitCheck:
    """Bound one class's exposure, by the class's own bound and, with several classes active, the portfolio's."""
    limit = class_bound(room, p.asset.asset_class, settings)
    used = room.class_exposure.get(p.asset.asset_class, ZERO)
    return _cap("class_weight", limit, used, p, None if limit is None else limit - used)


def correlated(room: Room, p: Proposal, settings: RiskSettings) -> LimitCheck:
    """Bound the exposure of assets that move together, long and short alike: correlations fail when it matters."""
    used = [room.exposure(cluster) for cluster in room.clusters if p.target.symbol in cluster]
    if not used:
        return _cap("correlated", None, None, p, None)
    limit = room.equity * settings.max_correlated
    return _cap("correlated", limit, max(used), p, limit - max(used))


def leverage(room: Room, p: Proposal, settings: RiskSettings) -> LimitCheck:
    """Bound long and short exposure together by the account's worth."""
    limit, used = room.equity * settings.max_leverage, room.gross
    return _cap("leverage", limit, used, p, limit - used)


def heat(room: Room, p: Proposal, settings: RiskSettings) -> LimitCheck:
    """Bound the loss if every stop were hit, by the order's actual distance to its stop."""
    limit = room.equity * settings.max_heat
    return _cap("heat", limit, room.heat, p, floor((limit - room.heat) / p.distance))


def cash(room: Room, p: Proposal, settings: RiskSettings) -> LimitCheck:
    """Trade only with cash that is there, less a buffer for costs."""
    available = room.cash * (1 - settings.cash_buffer)
    return _cap("cash", available, p.notional, p, available)


def volatility(room: Room, p: Proposal, settings: RiskSettings) -> LimitCheck:
    """Shrink the wanted position by usual / current volatility where the market is wilder than usual."""
    now, usual = p.target.volatility, p.target.usual_volatility
    if now is None or usual is None or now <= usual:
        return _cap("volatility", None, None, p, None)
    share = max(Decimal(repr(round(usual / now, 6))), settings.min_volatility_multiplier)
    held = room.symbol_exposure.get(p.target.symbol, ZERO)
    limit = (held + p.notional) * share
    return _cap("volatility", limit, held, p, floor(limit - held))
