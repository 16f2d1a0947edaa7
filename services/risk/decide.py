"""From wanted weights to approved and refused orders. Pure; limits stand in :mod:`services.risk.limits`."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from services.contracts.messages import (
    Order,
    OrderReason,
    OrdersDecided,
    PortfolioSettled,
    Position,
    Refused,
    Side,
    Target,
    decision_id,
)
from services.domain.money import ZERO, floor, money
from services.risk.halts import Guard, guard
from services.risk.limits import CAPS, GATES, Cap, Proposal, Room, portfolio_checks
from services.risk.state import RiskEvent, RiskParams, RiskState

MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True)
class _Desk:
    """What accumulates while one slice is decided; lives only inside :func:`decide`."""

    event: RiskEvent
    params: RiskParams
    room: Room
    positions: dict[str, Position]
    orders: list[Order] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


def decide(state: RiskState, event: RiskEvent, params: RiskParams) -> tuple[RiskState, OrdersDecided]:
    """Return the orders of the slice: exits first, then targets in the order of signals."""
    portfolio = event.portfolio
    state = _new_day(_take_in(state, event), portfolio)
    guarded: Guard = guard(state, event, params.settings)
    state = guarded.state
    desk = _Desk(event, params, _room(state, portfolio, params), {p.symbol: p for p in portfolio.positions})
    _exits(desk, state)
    for target in event.targets.targets:
        if target.weight is not None and target.symbol not in desk.room.ordered:
            _toward(desk, target, Decimal(repr(target.weight)))
    state = msgspec.structs.replace(
        state,
        notional_today=desk.room.notional_today,
        last_equity=portfolio.equity,
        flatten=state.flatten and bool(portfolio.positions),  # an exit may not fill in one bar: ask again until flat
    )
    return state, OrdersDecided(
        ts=portfolio.ts,
        timeframe=portfolio.timeframe,
        orders=tuple(desk.orders),
        refused=tuple(desk.refused),
        checks=portfolio_checks(desk.room, params.settings, guarded.drawdown, guarded.daily_loss),
        halted=state.halted,
    )


def _take_in(state: RiskState, event: RiskEvent) -> RiskState:
    """Adopt what phases said last; only daily evaluations count for the lock-step."""
    for evaluation in event.evaluations:
        state = msgspec.structs.replace(state, enabled=evaluation.enabled, classes=evaluation.classes)
        if evaluation.command_id is None:
            state = msgspec.structs.replace(state, evaluated=evaluation.ts)
    return state if state.first_slice else msgspec.structs.replace(state, first_slice=event.portfolio.ts)


def _new_day(state: RiskState, portfolio: PortfolioSettled) -> RiskState:
    """A slice belongs to the day its bar lies in, so the slice at midnight ends the old day."""
    day = (portfolio.ts - MICROSECOND).date().isoformat()
    if day == state.day:
        return state
    start = state.last_equity if state.last_equity is not None else portfolio.starting_cash
    return msgspec.structs.replace(state, day=day, day_start_equity=start, notional_today={})


def _room(state: RiskState, portfolio: PortfolioSettled, params: RiskParams) -> Room:
    exposure: dict[str, Decimal] = {}
    heat = ZERO
    for p in portfolio.positions:
        exposure[p.asset_class] = exposure.get(p.asset_class, ZERO) + abs(p.market_value)
        if p.stop_price is not None:
            heat += max((p.mark_price - p.stop_price) * p.quantity, ZERO)
    return Room(
        equity=portfolio.equity,
        cash=portfolio.cash,
        heat=heat,
        class_exposure=exposure,
        class_weights=params.class_weights,
        notional_today=dict(state.notional_today),
        enabled=frozenset(state.enabled),
        classes=frozenset(state.classes),
        halted=state.halted,
        stale=frozenset(portfolio.stale),
        suspect={one.symbol: one.reason for one in portfolio.suspect},
    )


def _exits(desk: _Desk, state: RiskState) -> None:
    """Leave positions that must be left: flattening, or held for as long as they may be."""
    for position in desk.event.portfolio.positions:
        if state.flatten:
            _close(desk, position, "flatten", ("flatten: every position is closed",))
        elif position.expires_at is not None and position.expires_at <= desk.event.portfolio.ts:
            _close(desk, position, "max_hold", ("held for as long as its profile allows",))


def _toward(desk: _Desk, target: Target, weight: Decimal) -> None:
    """Ask for what brings the position to its wanted size, unless it is close enough."""
    position = desk.positions.get(target.symbol)
    held = position.market_value if position else ZERO
    wanted = desk.room.equity * weight
    if position is not None and (wanted == 0 or (wanted > 0) != (held > 0)):
        _close(desk, position, "exit", target.reasons)
        return
    difference = abs(wanted) - abs(held)
    if abs(difference) <= abs(wanted) * desk.params.settings.rebalance_band:
        return
    if difference < 0 and position is not None:
        quantity = floor(-difference / position.mark_price)
        if -difference >= desk.params.settings.min_order_notional and quantity > 0:
            _reduce(desk, position, quantity, "reduce", target.reasons)
        return
    _ask(desk, Proposal(target, desk.params.assets[target.symbol], difference, position))


def _ask(desk: _Desk, proposal: Proposal) -> None:
    """Put an entry through all gates and caps; the smallest cap wins and is named."""
    for gate in GATES:
        verdict = gate(desk.room, proposal)
        if verdict.refusal is not None:
            _refuse(desk, proposal, verdict.name, verdict.refusal)
            return
    caps = [cap(desk.room, proposal, desk.params.settings) for cap in CAPS]
    binding: Cap | None = None
    notional = proposal.notional
    for cap in caps:
        if cap.allowed is not None and cap.allowed < notional:
            binding, notional = cap, cap.allowed
    if notional < desk.params.settings.min_order_notional:
        if binding is not None:
            text = f"{binding.name} leaves {max(notional, ZERO):.2f} of {proposal.notional:.2f}"
            _refuse(desk, proposal, binding.name, f"{text}, less than the smallest order")
        return
    _approve(desk, proposal, notional, binding)


def _approve(desk: _Desk, proposal: Proposal, notional: Decimal, binding: Cap | None) -> None:
    target, asset = proposal.target, proposal.asset
    price = money(target.close)
    quantity = floor(notional / price)
    if quantity <= 0:
        return
    long = target.action == "BUY"
    sign = 1 if long else -1
    notes = target.reasons
    if binding is not None:
        notes = (*notes, f"cut from {proposal.notional:.2f} to {notional:.2f} by {binding.name}")
    ts = desk.event.portfolio.ts
    expires = ts + timedelta(hours=asset.max_hold_hours) if asset.max_hold_hours else None
    desk.orders.append(
        Order(
            id=decision_id(ts, "risk", target.symbol),
            symbol=target.symbol,
            asset_class=target.asset_class,
            side="buy" if long else "sell",
            quantity=quantity,
            reason="increase" if proposal.position else "entry",
            reduce_only=False,
            reference_price=price,
            stop_price=money(price * (1 - sign * Decimal(str(asset.stop_loss)))),
            target_price=money(price * (1 + sign * Decimal(str(asset.take_profit)))),
            expires_at=expires,
            bucket=target.bucket,
            regime=target.regime,
            notes=notes,
            valid_until=_valid_until(desk, target.asset_class),
        )
    )
    room = desk.room
    room.ordered.add(target.symbol)
    room.cash -= notional if long else ZERO
    room.heat += notional * Decimal(str(asset.stop_loss))
    room.class_exposure[asset.asset_class] = room.class_exposure.get(asset.asset_class, ZERO) + notional
    room.notional_today[target.symbol] = room.notional_today.get(target.symbol, ZERO) + money(notional)


def _close(desk: _Desk, position: Position, reason: OrderReason, notes: tuple[str, ...]) -> None:
    _reduce(desk, position, abs(position.quantity), reason, notes)


def _reduce(desk: _Desk, position: Position, quantity: Decimal, reason: OrderReason, notes: tuple[str, ...]) -> None:
    side: Side = "sell" if position.quantity > 0 else "buy"
    desk.room.ordered.add(position.symbol)
    desk.orders.append(
        Order(
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
    )


def _valid_until(desk: _Desk, asset_class: str) -> datetime | None:
    """Let orders of markets that close wait for the next session."""
    hours = desk.params.order_hours.get(asset_class, 1)
    return desk.event.portfolio.ts + timedelta(hours=hours) if hours > 1 else None


def _refuse(desk: _Desk, proposal: Proposal, check: str, reason: str) -> None:
    target = proposal.target
    price = money(target.close)
    desk.refused.append(
        Refused(
            id=decision_id(desk.event.portfolio.ts, "risk", target.symbol),
            symbol=target.symbol,
            asset_class=target.asset_class,
            side="buy" if target.action == "BUY" else "sell",
            quantity=floor(proposal.notional / price),
            check=check,
            reason=reason,
        )
    )
