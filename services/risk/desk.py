"""What accumulates while one slice is decided, and the making of orders and refusals. Pure."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from services.contracts.messages import (
    LimitCheck,
    Order,
    OrderReason,
    Position,
    Refused,
    Side,
    Target,
    decision_id,
)
from services.domain.fx import rate_of
from services.domain.money import ZERO, floor, money
from services.risk.room import Proposal, Room
from services.risk.sense import nonsense
from services.risk.state import Entry, RiskEvent, RiskParams
from services.risk.table import Judged, judge

SIZES = frozenset({"max_position", "volatility"})
"""Caps that say how large a position may be: one that stands at that size already needs no order, and no refusal."""


@dataclass(slots=True)
class Desk:
    """One slice's work; lives only inside :func:`services.risk.decide.decide`."""

    event: RiskEvent
    params: RiskParams
    room: Room
    positions: dict[str, Position]
    orders: dict[str, Order] = field(default_factory=dict)
    """By symbol, for an asset gets one order a slice."""
    asked: list[Entry] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    def wanted(self, weight: float) -> Decimal:
        """Return a weight's absolute size; an account that owns nothing wants nothing."""
        return max(self.room.equity, ZERO) * abs(Decimal(repr(weight)))


def ask(desk: Desk, target: Target, position: Position | None) -> None:
    """Put an entry through the whole table; the smallest cap wins and is named."""
    asset = desk.params.assets.get(target.symbol)
    checks, refusal = nonsense(target, asset, desk.params.settings)
    if refusal is not None or asset is None or target.weight is None:
        _refuse(desk, target, ZERO, checks[-1].name, refusal or "", checks)
        return
    proposal = _proposal(desk, target, target.weight, position)
    judged = judge(desk.room, proposal, desk.params.settings)
    checks += judged.checks
    if judged.refusal is not None and judged.refused_by is not None:
        _refuse(desk, target, proposal.notional, judged.refused_by, judged.refusal, checks)
    elif judged.notional >= desk.params.settings.min_order_notional and floor(judged.notional / proposal.unit) > 0:
        _approve(desk, proposal, judged, checks)
    elif judged.cut_by is not None and (position is None or judged.cut_by not in SIZES):
        text = f"{judged.cut_by} leaves {max(judged.notional, ZERO):.2f} of {proposal.notional:.2f}"
        _refuse(desk, target, proposal.notional, judged.cut_by, f"{text}, less than the smallest order", checks)


def close(desk: Desk, position: Position, reason: OrderReason, notes: tuple[str, ...]) -> None:
    """Leave a position wholly; where its size is no number nobody can."""
    if position.quantity.is_finite() and position.quantity != 0:
        reduce(desk, position, abs(position.quantity), reason, notes)


def reduce(desk: Desk, position: Position, quantity: Decimal, reason: OrderReason, notes: tuple[str, ...]) -> None:
    """Make a position smaller, whatever the limits say; of two wishes for one asset the larger reduction holds."""
    earlier = desk.orders.get(position.symbol)
    if earlier is not None and earlier.quantity >= quantity:
        return
    side: Side = "sell" if position.quantity > 0 else "buy"
    desk.room.ordered.add(position.symbol)
    desk.orders[position.symbol] = Order(
        id=decision_id(desk.event.portfolio.ts, "risk", position.symbol),
        symbol=position.symbol,
        asset_class=position.asset_class,
        side=side,
        quantity=quantity,
        reason=reason,
        reduce_only=True,
        reference_price=position.mark_price,
        stop_price=None,
        target_price=None,
        expires_at=None,
        bucket=0,
        regime="unclassified",
        notes=notes,
        valid_until=_valid_until(desk, position.asset_class),
    )


def _proposal(desk: Desk, target: Target, weight: float, position: Position | None) -> Proposal:
    terms, price = desk.params.terms[target.symbol], money(target.close)
    sign = 1 if weight > 0 else -1
    widest = money(price * (1 - sign * terms.stop_loss))
    stop, take = widest, money(price * (1 + sign * terms.take_profit))
    if target.stop is not None:
        stop = max(widest, money(target.stop)) if sign > 0 else min(widest, money(target.stop))
    if target.take is not None:
        take = money(target.take)
    held = abs(position.market_value) if position else ZERO
    notional = floor(desk.wanted(weight) - held) if desk.room.broken is None else ZERO
    rate = rate_of(target.symbol, desk.event.portfolio.rates)
    asset = desk.params.assets[target.symbol]
    return Proposal(target, asset, terms, max(notional, ZERO), position, price, stop, max(take, ZERO), rate)


def _approve(desk: Desk, p: Proposal, judged: Judged, checks: tuple[LimitCheck, ...]) -> None:
    target, symbol, declared = p.target, p.target.symbol, p.asset.asset_class
    notional, ts = judged.notional, desk.event.portfolio.ts
    notes = target.reasons
    if judged.cut_by is not None:
        notes = (*notes, f"cut from {p.notional:.2f} to {notional:.2f} by {judged.cut_by}")
    order = Order(
        id=decision_id(ts, "risk", symbol),
        symbol=symbol,
        asset_class=declared,
        side="buy" if p.long else "sell",
        quantity=floor(notional / p.unit),
        reason="increase" if p.position else "entry",
        reduce_only=False,
        reference_price=p.price,
        stop_price=p.stop,
        target_price=p.take,
        expires_at=ts + timedelta(hours=p.asset.max_hold_hours) if p.asset.max_hold_hours else None,
        bucket=target.bucket,
        regime=target.regime,
        notes=notes,
        valid_until=_valid_until(desk, declared),
        checks=checks,
        explores=target.explores,
    )
    desk.orders[symbol] = order
    heat = money(notional * p.distance)
    desk.asked.append(Entry(order.id, symbol, declared, money(notional), heat, p.long))
    room = desk.room
    room.ordered.add(symbol)
    room.entries += 1
    room.take(symbol, declared, notional, heat, long=p.long)
    room.notional_today[symbol] = room.notional_today.get(symbol, ZERO) + money(notional)
    room.entries_today[symbol] = room.entries_today.get(symbol, 0) + 1
    room.built[symbol] = room.built.get(symbol, 0) + 1


def _refuse(
    desk: Desk, target: Target, notional: Decimal, check: str, reason: str, checks: tuple[LimitCheck, ...]
) -> None:
    ts, asset = desk.event.portfolio.ts, desk.params.assets.get(target.symbol)
    rate = rate_of(target.symbol, desk.event.portfolio.rates)
    number = sum(one.symbol == target.symbol for one in desk.refused)  # the first of an asset has the plain name
    desk.refused.append(
        Refused(
            id=decision_id(ts, "risk_refused", target.symbol if number == 0 else f"{target.symbol}|{number}"),
            symbol=target.symbol,
            asset_class=asset.asset_class if asset else target.asset_class,
            side="buy" if (target.weight or 0.0) > 0 else "sell",
            quantity=floor(notional / (money(target.close) * rate)) if notional > 0 else ZERO,
            check=check,
            reason=reason,
            checks=checks,
        )
    )


def _valid_until(desk: Desk, asset_class: str) -> datetime | None:
    """Let orders of markets that close wait for the next session."""
    hours = desk.params.order_hours.get(asset_class, 1)
    return desk.event.portfolio.ts + timedelta(hours=hours) if hours > 1 else None
