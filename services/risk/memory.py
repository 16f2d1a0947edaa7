"""How risk's memory moves from slice to slice: days, stop-outs, entries that wait, the pace of the week. Pure."""

from datetime import date, timedelta
from decimal import Decimal

import msgspec

from services.contracts.messages import PortfolioSettled, TargetsSet
from services.domain.candles import SECONDS, timeframe_of
from services.domain.money import ZERO
from services.risk.halts import is_sound
from services.risk.room import Figures, Room
from services.risk.settings import RiskSettings
from services.risk.state import RiskEvent, RiskParams, RiskState

MICROSECOND = timedelta(microseconds=1)
WEEK = 7


def take_in(state: RiskState, event: RiskEvent, settings: RiskSettings) -> RiskState:
    """Adopt what phases said, what day it is, and what became of positions and waiting orders."""
    for evaluation in event.evaluations:
        state = msgspec.structs.replace(
            state,
            enabled=evaluation.enabled,
            classes=evaluation.classes,
            observed=evaluation.observed,
            winding=evaluation.winding,
            promoted=tuple(dict.fromkeys(cell.symbol for cell in evaluation.cells)),
        )
        if evaluation.command_id is None:  # only daily evaluations count for the lock-step
            state = msgspec.structs.replace(state, evaluated=evaluation.ts)
    portfolio = event.portfolio
    working = frozenset(portfolio.working)
    asked = tuple(one for one in state.asked if one.id in working)
    alive = {p.symbol for p in portfolio.positions} | {one.symbol for one in asked}
    rest = settings.cooldown_bars * timedelta(seconds=SECONDS[timeframe_of(portfolio.timeframe)])
    stopped = {symbol: ts for symbol, ts in state.stopped.items() if ts + rest > portfolio.ts}
    stopped.update({fill.symbol: portfolio.ts for fill in portfolio.fills if fill.reason == "stop"})
    state = msgspec.structs.replace(
        state,
        asked=asked,
        stopped=stopped,
        built={symbol: count for symbol, count in state.built.items() if symbol in alive},
        first_slice=state.first_slice or portfolio.ts,
    )
    return _new_day(state, portfolio)


def _new_day(state: RiskState, portfolio: PortfolioSettled) -> RiskState:
    """A slice belongs to the day its bar lies in, so the slice at midnight ends the old day."""
    today = (portfolio.ts - MICROSECOND).date()
    if today.isoformat() == state.day:
        return state
    start = state.last_equity if state.last_equity is not None else portfolio.starting_cash
    oldest = (today - timedelta(days=WEEK)).isoformat()
    by_day = {day: count for day, count in state.entries_by_day.items() if day > oldest}
    return msgspec.structs.replace(
        state,
        day=today.isoformat(),
        day_start_equity=start if start.is_finite() else None,
        notional_today={},
        entries_today={},
        entries_by_day=by_day,
    )


def open_room(state: RiskState, event: RiskEvent, params: RiskParams, broken: str | None) -> Room:
    """Measure the room that positions and waiting entries leave."""
    portfolio = event.portfolio
    rest = params.settings.cooldown_bars * timedelta(seconds=SECONDS[timeframe_of(portfolio.timeframe)])
    room = Room(
        ts=portfolio.ts,
        equity=portfolio.equity,
        cash=portfolio.cash,
        heat=ZERO,
        enabled=frozenset(state.enabled),
        classes=frozenset(state.classes),
        observed=frozenset(state.observed),
        promoted=frozenset(state.promoted),
        blocked=state.blocked,
        observation_size=params.observation_size,
        class_weights=params.class_weights,
        clusters=event.targets.clusters,
        restricted=params.restricted,
        halted=state.stop,
        broken=broken,
        stale=frozenset(portfolio.stale),
        suspect={one.symbol: one.reason for one in portfolio.suspect},
        waiting=frozenset((*portfolio.working_symbols, *(one.symbol for one in state.asked))),
        cooling={symbol: ts + rest for symbol, ts in state.stopped.items()},
        notional_today=dict(state.notional_today),
        entries_today=dict(state.entries_today),
        built=dict(state.built),
    )
    for p in filter(is_sound, portfolio.positions):
        at_risk = abs(p.market_value)  # without a stop all of it
        if p.stop_price is not None:
            at_risk = max((p.mark_price - p.stop_price) * p.quantity * p.fx, ZERO)
        room.take(p.symbol, p.asset_class, abs(p.market_value), at_risk, long=False)  # its cash is gone already
    for one in state.asked:
        room.take(one.symbol, one.asset_class, one.notional, one.heat, long=one.long)
    return room


def weighted_edge(targets: TargetsSet, portfolio: PortfolioSettled) -> Decimal:
    """Sum weight x expected return of open targets, in basis points; a HOLD counts with the weight it holds."""
    held = {p.symbol: p for p in portfolio.positions}
    total = 0.0
    for target in targets.targets:
        weight = target.weight
        if weight is None:
            position = held.get(target.symbol)
            weight = float(position.market_value / portfolio.equity) if position and portfolio.equity > 0 else 0.0
        part = weight * target.expected_return
        total += part if abs(part) < 1 else 0.0  # not a number, or no return that any asset can have
    return Decimal(repr(round(total * 10_000, 4)))


def trades_per_day(state: RiskState) -> Decimal:
    """Average the entries of the last seven days, or of as many as the run has seen."""
    if state.first_slice is None or not state.day:
        return ZERO
    seen = (date.fromisoformat(state.day) - (state.first_slice - MICROSECOND).date()).days + 1
    return round(Decimal(sum(state.entries_by_day.values())) / max(1, min(seen, WEEK)), 2)


def figures_of(state: RiskState, event: RiskEvent, score: Decimal, broken: str | None) -> Figures:
    """Gather the portfolio's figures; on broken books only the pace is known."""
    edge = ZERO if broken is not None else weighted_edge(event.targets, event.portfolio)
    return Figures(score if broken is None else Decimal(100), edge, trades_per_day(state))


def remember(state: RiskState, room: Room, approved: int) -> RiskState:
    """Keep what the slice's approved entries have used of the day and the week."""
    by_day = state.entries_by_day
    if approved:
        by_day = {**by_day, state.day: by_day.get(state.day, 0) + approved}
    return msgspec.structs.replace(
        state,
        notional_today=room.notional_today,
        entries_today=room.entries_today,
        entries_by_day=by_day,
        built=room.built,
    )
