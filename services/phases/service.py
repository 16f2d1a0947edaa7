"""The phases stage: judges at each day's end and when an operator asks."""

from datetime import timedelta
from pathlib import Path

import msgspec
from pydantic import ConfigDict, Field

from services.contracts.messages import CommandGiven, Message, PortfolioSettled, ResearchMade, encode
from services.contracts.topics import ACTIVATIONS, COMMANDS, PORTFOLIO, RESEARCH, Topic
from services.domain.assets import ASSETS_FILE, AssetsConfig, Section
from services.kernel.config import load
from services.kernel.database import Connection
from services.kernel.inbox import Inbox, pop_as
from services.phases import enablement, performance_store, store
from services.phases.decide import (
    CARRIED_OUT_HERE,
    Commanded,
    DayEnded,
    PhasesParams,
    PhasesState,
    Verdict,
    day_of,
    ends_day,
    on_command,
    on_day,
    start,
)
from services.phases.settings import PhasesSettings, RolloutSettings

AUDIT_DAYS = 7


class Day(msgspec.Struct, frozen=True):
    """The books of one day, the last at its end, and research's word on it (None where it has none)."""

    portfolios: tuple[PortfolioSettled, ...]
    research: ResearchMade | None


class LiveTerms(Section):
    """The part of ``live.yaml`` that enabling a live phase depends on."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    audit_days: int = Field(gt=0)


class PhasesStage:
    """See :class:`services.kernel.stage.Stage`. A day's messages stay unconsumed until the day is complete."""

    name = "phases"
    inputs: tuple[Topic, ...] = (PORTFOLIO, RESEARCH, COMMANDS)
    output = ACTIVATIONS

    def __init__(self, params: PhasesParams, reports: Path, audit_days: int = AUDIT_DAYS) -> None:
        self.params = params
        self.reports = reports
        self.audit_valid = timedelta(days=audit_days)
        self.state = start(params)

    def take(self, inbox: Inbox) -> list[Day | CommandGiven]:
        """Take a whole day once its last slice and research's word on it are there, else the oldest command."""
        books = inbox.waiting(PORTFOLIO.name, PortfolioSettled)
        last = next((i for i, portfolio in enumerate(books) if ends_day(portfolio.ts)), None)
        if last is not None:
            ends = books[last].ts
            said = inbox.peek(RESEARCH.name, ResearchMade)
            while said is not None and said.ts < ends:  # about a day that was judged without it
                pop_as(inbox, RESEARCH.name, ResearchMade)
                said = inbox.peek(RESEARCH.name, ResearchMade)
            if said is not None:  # a later one: research began after this day
                found = pop_as(inbox, RESEARCH.name, ResearchMade) if said.ts == ends else None
                taken = tuple(pop_as(inbox, PORTFOLIO.name, PortfolioSettled) for _ in range(last + 1))
                return [Day(taken, found)]
        if inbox.peek(COMMANDS.name, CommandGiven) is not None:
            return [pop_as(inbox, COMMANDS.name, CommandGiven)]
        return []

    async def handle(self, conn: Connection, events: list[Day | CommandGiven]) -> list[Message]:
        """Judge, store, and say what changed."""
        messages: list[Message] = []
        state = self.state
        for event in events:
            if isinstance(event, CommandGiven) and event.name not in CARRIED_OUT_HERE:
                continue
            state, verdict = await self._judge(conn, state, event)
            await store.save_evaluation(conn, verdict.message, verdict.log)
            if isinstance(event, Day) or verdict.log:
                enablement.export(self.reports, state, self.params, verdict.message.ts, verdict.message)
            messages.append(verdict.message)
        self.state = state
        return messages

    def dump(self) -> str:
        """Return the state as JSON."""
        return encode(self.state).decode()

    async def restore(self, conn: Connection, state: str | None) -> None:
        """Take the stored state back, or begin with phase 0; write the enablement file where it tells another one."""
        self.state = start(self.params) if state is None else msgspec.json.decode(state, type=PhasesState)
        if not enablement.is_of(self.reports, self.state):
            enablement.export(self.reports, self.state, self.params, self.state.last_slice, None)

    async def _judge(
        self, conn: Connection, state: PhasesState, event: Day | CommandGiven
    ) -> tuple[PhasesState, Verdict]:
        configured = await store.configured_classes(conn, self.params.assets)
        moment = event.ts if isinstance(event, CommandGiven) else event.portfolios[-1].ts
        audits = await store.ready_audits(conn, moment - self.audit_valid)
        if isinstance(event, CommandGiven):
            state, verdict = on_command(state, Commanded(event, configured, audits), self.params)
            await store.finish_command(conn, event.id, verdict.refusal)
        else:
            ended = DayEnded(event.portfolios, configured, event.research, audits)
            state, verdict = on_day(state, ended, self.params)
            await performance_store.save_performance(conn, state.record, day_of(moment))
        return state, verdict


def load_params(folder: Path | None = None) -> PhasesParams:
    """Read this service's configuration; raises ConfigError."""
    return PhasesParams(
        load(PhasesSettings, "phases.yaml", folder),
        load(RolloutSettings, "rollout.yaml", folder),
        load(AssetsConfig, ASSETS_FILE, folder),
    )


def load_stage(reports: Path, folder: Path | None = None) -> PhasesStage:
    """Make the stage with its configuration; raises ConfigError."""
    return PhasesStage(load_params(folder), reports, load(LiveTerms, "live.yaml", folder).audit_days)
