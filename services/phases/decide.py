"""Judge the ladder at each day's end, and carry out operators' commands about it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from services.contracts.messages import CommandGiven, DayEvaluated, PortfolioSettled, Readiness, ResearchMade
from services.domain.days import day_of, ends_day
from services.phases import intake, orders
from services.phases.chain import LogEntry
from services.phases.draft import Draft
from services.phases.judging import Judge, facts_of
from services.phases.record import add_day
from services.phases.standing import fall, rise
from services.phases.state import (
    PhasesParams,
    PhasesState,
    active_classes,
    collecting,
    start,
)
from services.phases.told import message

__all__ = [
    "Commanded",
    "DayEnded",
    "PhasesParams",
    "PhasesState",
    "Verdict",
    "active_classes",
    "collecting",
    "day_of",
    "ends_day",
    "on_command",
    "on_day",
    "readiness",
    "start",
]

NEVER = datetime.min.replace(tzinfo=UTC)
REMEMBERED = 64
"""So many commands' ids are kept: a command that comes again comes soon."""


@dataclass(frozen=True, slots=True)
class DayEnded:
    """All slices of one day, the last at its end; ``configured`` says by class whether a source is there."""

    portfolios: tuple[PortfolioSettled, ...]
    configured: Mapping[str, bool]
    research: ResearchMade | None = None
    """Research's word on the day; None where it has none."""
    audits: Mapping[str, bool] = field(default_factory=dict)
    """By symbol, whether its newest audit for live, not too old, says ready."""
    tell: bool = True
    """Whether readiness and standings are wanted with it: most of the work, and nothing is decided by them."""


@dataclass(frozen=True, slots=True)
class Commanded:
    """An operator's command about phases or assets; ``configured`` and ``audits`` as in :class:`DayEnded`."""

    command: CommandGiven
    configured: Mapping[str, bool]
    audits: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came out: the message, the rows of the log, and (for commands) whether it was refused and why."""

    message: DayEvaluated
    log: tuple[LogEntry, ...]
    refusal: str | None = None


def on_day(state: PhasesState, event: DayEnded, params: PhasesParams) -> tuple[PhasesState, Verdict]:
    """Add the day to the record, hear research, let fall what broke its floors, and open what is ready."""
    last = event.portfolios[-1]
    state = msgspec.structs.replace(
        state,
        record=add_day(state.record, day_of(last.ts), event.portfolios),
        last_slice=last.ts,
        equity=last.equity,
        winding=_still_held(state.winding, last),
    )
    draft = Draft(state, params, event.configured, event.audits, last.ts)
    if event.research is not None:
        intake.take_in(draft, event.research)
    fall(draft)
    rise(draft)
    return draft.state, Verdict(message(draft, tell=event.tell), tuple(draft.log))


def on_command(state: PhasesState, event: Commanded, params: PhasesParams) -> tuple[PhasesState, Verdict]:
    """Carry out a command of :data:`CARRIED_OUT_HERE`, or refuse it and say why."""
    command = event.command
    draft = Draft(state, params, event.configured, event.audits, command.ts)
    refusal = CARRIED_OUT_HERE[command.name](draft, command)
    if refusal is None and str(command.id) in state.carried_out:
        refusal = "this command was carried out already"
    if refusal is None:
        draft.change(carried_out=(*state.carried_out, str(command.id))[-REMEMBERED:])
    else:
        draft = Draft(state, params, event.configured, event.audits, command.ts)
    return draft.state, Verdict(message(draft, command.id), tuple(draft.log), refusal)


CARRIED_OUT_HERE = {
    "activate": orders.activate,
    "enable": orders.enable,
    "disable": orders.disable,
    "block": intake.block,
    "unblock": intake.block,
}


def readiness(state: PhasesState, configured: Mapping[str, bool], params: PhasesParams) -> tuple[Readiness, ...]:
    """Judge every phase, in order of the ladder."""
    return Judge(state, params, facts_of(state, params, configured, {}), state.last_slice or NEVER).readiness()


def _still_held(winding: Sequence[str], books: PortfolioSettled) -> tuple[str, ...]:
    """Keep what the books still hold, or what an order still waits for."""
    there = {p.symbol for p in books.positions} | set(books.working_symbols)
    return tuple(symbol for symbol in winding if symbol in there)
