"""The halt switches: commands, the file, the daily loss limit, the emergency stop, books that are broken. Pure."""

from dataclasses import dataclass
from decimal import Decimal

import msgspec

from services.contracts.messages import CommandGiven, PortfolioSettled, Position
from services.domain import fx
from services.domain.money import ZERO
from services.risk.settings import RiskSettings
from services.risk.state import RiskEvent, RiskState

DAILY_LOSS = "daily loss limit"
EMERGENCY = "emergency stop"
BOOKS = "books cannot be reckoned with"
FILE_SWITCH = "file switch"
"""Who gives the commands that a file makes; a person's name in a command always stands behind a scope."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The state after all switches, with the figures they looked at (fractions of equity)."""

    state: RiskState
    drawdown: Decimal
    daily_loss: Decimal
    broken: str | None = None


def guard(state: RiskState, event: RiskEvent, settings: RiskSettings) -> Guard:
    """Apply commands, then the automatic switches; an emergency stop also flattens."""
    equity = event.portfolio.equity
    broken = unsound(event.portfolio)
    state = _commands(state, event, equity if equity.is_finite() else None)
    if state.halted_day is not None and state.halted_day != state.day:
        state = msgspec.structs.replace(state, halted=None, halted_day=None)
    if broken is not None:
        if state.halted is None or state.halted_day is not None:
            state = msgspec.structs.replace(state, halted=f"{BOOKS}: {broken}; resume by hand", halted_day=None)
        return Guard(state, ZERO, ZERO, broken)
    peak = equity if state.peak_equity is None else max(state.peak_equity, equity)
    state = msgspec.structs.replace(state, peak_equity=peak)
    start = state.day_start_equity or equity
    drawdown = (peak - equity) / peak if peak > 0 else ZERO
    daily_loss = max((start - equity) / start, ZERO) if start > 0 else ZERO
    if drawdown >= settings.max_drawdown and not _held_by(state, EMERGENCY):
        text = f"{EMERGENCY}: drawdown {drawdown:.1%} of at most {settings.max_drawdown:.0%}; resume by hand"
        state = msgspec.structs.replace(state, halted=text, halted_day=None, flatten=True)
    elif daily_loss >= settings.max_daily_loss and state.halted is None:
        text = f"{DAILY_LOSS}: {daily_loss:.1%} of at most {settings.max_daily_loss:.0%}; until the day ends"
        state = msgspec.structs.replace(state, halted=text, halted_day=state.day)
    return Guard(state, drawdown, daily_loss)


def unsound(portfolio: PortfolioSettled) -> str | None:
    """Say what in the books is no number; None where all is."""
    for name in ("equity", "cash", "starting_cash"):
        if not getattr(portfolio, name).is_finite():
            return f"{name} is {getattr(portfolio, name)}"
    for rate in portfolio.rates:
        if not fx.is_sound(rate):
            return f"the rate of {rate.currency} is {rate.rate}"
    for p in portfolio.positions:
        if not is_sound(p):
            return f"the position in {p.symbol} is {p.quantity} at {p.mark_price}"
    return None


def is_sound(p: Position) -> bool:
    """Whether a position can be reckoned with."""
    amounts = (p.quantity, p.mark_price, p.fx, p.market_value, ZERO if p.stop_price is None else p.stop_price)
    return all(amount.is_finite() for amount in amounts) and p.mark_price > 0 and p.fx > 0


def _commands(state: RiskState, event: RiskEvent, equity: Decimal | None) -> RiskState:
    for command in event.commands:
        why = f"{command.by}: {command.note}" if command.note else command.by
        if command.name in ("block", "unblock"):
            state = _flags(state, command)
        elif command.by == FILE_SWITCH:
            said = f"halted by {why}" if command.name == "halt" else None
            state = msgspec.structs.replace(state, switch=said)
        elif command.name == "halt":
            state = msgspec.structs.replace(state, halted=f"halted by {why}", halted_day=None)
        elif command.name == "flatten":
            state = msgspec.structs.replace(state, halted=f"flattened by {why}", halted_day=None, flatten=True)
        elif command.name == "resume":
            # After an emergency stop the peak starts anew, or the stop would fire again at once.
            peak = equity if _held_by(state, EMERGENCY) else state.peak_equity
            state = msgspec.structs.replace(state, halted=None, halted_day=None, flatten=False, peak_equity=peak)
    return state


def _flags(state: RiskState, command: CommandGiven) -> RiskState:
    """Put a flag up or take it down; its name stands before the colon, and one flag is up once a subject."""
    subject, name = command.subject or "all", command.note.partition(":")[0]
    kept = tuple(flag for flag in state.blocked.get(subject, ()) if flag.partition(":")[0] != name)
    now = (*kept, command.note) if command.name == "block" else kept
    blocked = {**{s: flags for s, flags in state.blocked.items() if s != subject}, **({subject: now} if now else {})}
    return msgspec.structs.replace(state, blocked=dict(sorted(blocked.items())))


def _held_by(state: RiskState, cause: str) -> bool:
    return state.halted is not None and state.halted.startswith(cause)
