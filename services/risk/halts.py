"""The halt switch: commands, the daily loss limit and the emergency stop. Pure."""

from dataclasses import dataclass
from decimal import Decimal

import msgspec

from services.domain.money import ZERO
from services.risk.settings import RiskSettings
from services.risk.state import RiskEvent, RiskState

DAILY_LOSS = "daily loss limit"
EMERGENCY = "emergency stop"


@dataclass(frozen=True, slots=True)
class Guard:
    """The state after all switches, with the figures they looked at (fractions of equity)."""

    state: RiskState
    drawdown: Decimal
    daily_loss: Decimal


def guard(state: RiskState, event: RiskEvent, settings: RiskSettings) -> Guard:
    """Apply commands, then the automatic switches; an emergency stop also flattens."""
    equity = event.portfolio.equity
    state = _commands(state, event, equity)
    if state.halted_day is not None and state.halted_day != state.day:
        state = msgspec.structs.replace(state, halted=None, halted_day=None)
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


def _commands(state: RiskState, event: RiskEvent, equity: Decimal) -> RiskState:
    for command in event.commands:
        why = f"{command.by}: {command.note}" if command.note else command.by
        if command.name == "halt":
            state = msgspec.structs.replace(state, halted=f"halted by {why}", halted_day=None)
        elif command.name == "flatten":
            state = msgspec.structs.replace(state, halted=f"flattened by {why}", halted_day=None, flatten=True)
        elif command.name == "resume":
            # After an emergency stop the peak starts anew, or the stop would fire again at once.
            peak = equity if _held_by(state, EMERGENCY) else state.peak_equity
            state = msgspec.structs.replace(state, halted=None, halted_day=None, flatten=False, peak_equity=peak)
    return state


def _held_by(state: RiskState, cause: str) -> bool:
    return state.halted is not None and state.halted.startswith(cause)
