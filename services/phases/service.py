"""The phases stage: judges at each day's end and when an operator asks."""

import json
import os
from pathlib import Path

import msgspec

from services.contracts.messages import CommandGiven, Message, PortfolioSettled, encode
from services.contracts.topics import ACTIVATIONS, COMMANDS, PORTFOLIO, Topic
from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.kernel.config import load
from services.kernel.database import Connection
from services.kernel.inbox import Inbox, pop_as
from services.phases import store
from services.phases.decide import (
    Commanded,
    DayEnded,
    PhasesParams,
    PhasesState,
    Verdict,
    active_classes,
    day_of,
    ends_day,
    on_command,
    on_day,
    start,
)
from services.phases.settings import PhasesSettings, RolloutSettings

OURS = frozenset({"activate", "enable", "disable"})


class PhasesStage:
    """See :class:`services.kernel.stage.Stage`. A day's messages stay unconsumed until the day is complete."""

    name = "phases"
    inputs: tuple[Topic, ...] = (PORTFOLIO, COMMANDS)
    output = ACTIVATIONS

    def __init__(self, params: PhasesParams, reports: Path) -> None:
        self.params = params
        self.reports = reports
        self.state = start(params)

    def take(self, inbox: Inbox) -> list[tuple[PortfolioSettled, ...] | CommandGiven]:
        """Take a whole day once its last slice is there, else the oldest command."""
        day = inbox.waiting(PORTFOLIO.name, PortfolioSettled)
        last = next((i for i, portfolio in enumerate(day) if ends_day(portfolio.ts)), None)
        if last is not None:
            return [tuple(pop_as(inbox, PORTFOLIO.name, PortfolioSettled) for _ in range(last + 1))]
        if inbox.peek(COMMANDS.name, CommandGiven) is not None:
            return [pop_as(inbox, COMMANDS.name, CommandGiven)]
        return []

    async def handle(
        self, conn: Connection, events: list[tuple[PortfolioSettled, ...] | CommandGiven]
    ) -> list[Message]:
        """Judge, store, and say what changed."""
        messages: list[Message] = []
        state = self.state
        for event in events:
            if isinstance(event, CommandGiven) and event.name not in OURS:
                continue
            configured = await store.configured_classes(conn, self.params.assets)
            if isinstance(event, CommandGiven):
                state, verdict = on_command(state, Commanded(event, configured), self.params)
                await store.finish_command(conn, event.id, verdict.refusal)
            else:
                state, verdict = on_day(state, DayEnded(event, configured), self.params)
                await store.save_performance(conn, state.record, day_of(verdict.message.ts))
            await store.save_evaluation(conn, verdict.message, verdict.log)
            self._export(state, verdict)
            messages.append(verdict.message)
        self.state = state
        return messages

    def dump(self) -> str:
        """Return the state as JSON."""
        return encode(self.state).decode()

    async def restore(self, conn: Connection, state: str | None) -> None:
        """Take the stored state back, or begin with phase 0."""
        self.state = start(self.params) if state is None else msgspec.json.decode(state, type=PhasesState)

    def _export(self, state: PhasesState, verdict: Verdict) -> None:
        """Write ``trading_enablement.json`` for people and scripts, whole or not at all."""
        target = self.reports / "trading_enablement.json"
        if not verdict.log and target.exists():
            return
        self.reports.mkdir(parents=True, exist_ok=True)
        content = {
            "as_of": verdict.message.ts.isoformat(),
            "phases": state.phases,
            "classes": active_classes(state, self.params),
            "enabled": state.enabled,
            "live": [],
            "log_seq": state.log_seq,
            "log_hash": state.log_hash,
        }
        draft = target.with_suffix(".tmp")
        draft.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        os.replace(draft, target)


def load_params(folder: Path | None = None) -> PhasesParams:
    """Read this service's configuration; raises ConfigError."""
    return PhasesParams(
        load(PhasesSettings, "phases.yaml", folder),
        load(RolloutSettings, "rollout.yaml", folder),
        load(AssetsConfig, ASSETS_FILE, folder),
    )


def load_stage(reports: Path, folder: Path | None = None) -> PhasesStage:
    """Make the stage with its configuration; raises ConfigError."""
    return PhasesStage(load_params(folder), reports)
