"""From wanted weights to approved and refused orders. Pure; every check stands in :mod:`services.risk.table`."""

import math

import msgspec

from services.contracts.messages import LimitCheck, OrdersDecided, Position, Target
from services.domain.money import floor
from services.risk import memory
from services.risk.desk import Desk, ask, close, reduce
from services.risk.halts import Guard, guard, is_sound
from services.risk.room import Room
from services.risk.settings import RiskSettings
from services.risk.state import RiskEvent, RiskParams, RiskState
from services.risk.table import figure_checks, portfolio_checks, score

WOUND_DOWN = "wound down: its record took it off the ladder"


def decide(state: RiskState, event: RiskEvent, params: RiskParams) -> tuple[RiskState, OrdersDecided]:
    """Return the orders of the slice: exits first, then reductions and entries, each in the order of signals."""
    portfolio, settings = event.portfolio, params.settings
    guarded = guard(memory.take_in(state, event, settings), event, settings)
    state = guarded.state
    room = memory.open_room(state, event, params, guarded.broken)
    room.figures = memory.figures_of(state, event, score(_table(room, guarded, settings)), guarded.broken)
    desk = Desk(event, params, room, {p.symbol: p for p in portfolio.positions})
    _exits(desk, state)
    for target, position in _reductions(desk):
        ask(desk, target, position)
    state = memory.remember(state, room, len(desk.asked))
    checks = _table(room, guarded, settings)
    figures = memory.figures_of(state, event, score(checks), guarded.broken)
    state = msgspec.structs.replace(
        state,
        asked=(*state.asked, *desk.asked),
        last_equity=portfolio.equity if portfolio.equity.is_finite() else state.last_equity,
        flatten=state.flatten and bool(portfolio.positions),  # an exit may not fill in one bar: ask again until flat
    )
    return state, OrdersDecided(
        ts=portfolio.ts,
        timeframe=portfolio.timeframe,
        orders=tuple(desk.orders.values()),
        refused=tuple(desk.refused),
        checks=(*checks, *figure_checks(figures, settings)),
        halted=state.stop,
    )


def _table(room: Room, guarded: Guard, settings: RiskSettings) -> tuple[LimitCheck, ...]:
    """Return the portfolio's limits as they stand; none where the books are no numbers."""
    if guarded.broken is not None:
        return ()
    return portfolio_checks(room, settings, guarded.drawdown, guarded.daily_loss)


def _exits(desk: Desk, state: RiskState) -> None:
    """Leave positions that must be left: flattening, taken off by phases, or held for as long as they may be."""
    for position in desk.event.portfolio.positions:
        if state.flatten:
            close(desk, position, "flatten", ("flatten: every position is closed",))
        elif position.symbol in state.winding:
            close(desk, position, "exit", (WOUND_DOWN,))
        elif position.expires_at is not None and position.expires_at <= desk.event.portfolio.ts:
            close(desk, position, "max_hold", ("held for as long as its profile allows",))


def _reductions(desk: Desk) -> list[tuple[Target, Position | None]]:
    """Close and reduce what is to be smaller; return the targets that ask for more."""
    leaving = frozenset(desk.orders)
    asking: list[tuple[Target, Position | None]] = []
    for target in desk.event.targets.targets:
        position = desk.positions.get(target.symbol)
        if target.weight is None or target.symbol in leaving:
            continue
        if position is None:
            if target.weight != 0:
                asking.append((target, None))
        elif not _reduced(desk, target, target.weight, position):
            asking.append((target, position))
    return asking


def _reduced(desk: Desk, target: Target, weight: float, position: Position) -> bool:
    """Bring a position down to its wanted size; False where it is to grow, or where no sense can be made of it."""
    if not math.isfinite(weight) or not position.quantity.is_finite():
        return False
    if weight == 0 or (weight > 0) != (position.quantity > 0):
        close(desk, position, "exit", target.reasons)
        return True
    if desk.room.broken is not None or not is_sound(position):
        return False
    settings = desk.params.settings
    wanted, held = desk.wanted(weight), abs(position.market_value)
    if abs(wanted - held) <= wanted * settings.rebalance_band:
        return True
    if wanted > held:
        return False
    quantity = floor((held - wanted) / (position.mark_price * position.fx))
    if quantity > 0 and held - wanted >= settings.min_order_notional:
        reduce(desk, position, min(quantity, abs(position.quantity)), "reduce", target.reasons)
    return True
