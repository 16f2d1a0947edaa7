"""The signals stage: joins forecasts with what phases said before them."""

from pathlib import Path

import msgspec

from services.contracts.messages import DayEvaluated, ForecastsMade, Message, TargetsSet, encode
from services.contracts.topics import ACTIVATIONS, FORECASTS, TARGETS, Topic
from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.domain.lockstep import due, required_evaluation, satisfied
from services.kernel.config import load
from services.kernel.database import Connection
from services.kernel.inbox import Inbox, pop_as
from services.signals import store
from services.signals.decide import SignalParams, SignalState, decide
from services.signals.settings import SignalSettings

BATCH = 48


class SignalStage:
    """See :class:`services.kernel.stage.Stage`."""

    name = "signals"
    inputs: tuple[Topic, ...] = (FORECASTS, ACTIVATIONS)
    output = TARGETS

    def __init__(self, params: SignalParams) -> None:
        self.params = params
        self.state = SignalState(enabled=())

    def take(self, inbox: Inbox) -> list[tuple[ForecastsMade, tuple[DayEvaluated, ...]]]:
        """Take slices while the day's evaluation that they must have seen is there."""
        events: list[tuple[ForecastsMade, tuple[DayEvaluated, ...]]] = []
        first, evaluated = self.state.first_slice, self.state.evaluated
        while len(events) < BATCH and (forecasts := inbox.peek(FORECASTS.name, ForecastsMade)) is not None:
            waiting = inbox.waiting(ACTIVATIONS.name, DayEvaluated)
            taking = list(waiting)[: due(forecasts.ts, waiting)]
            if not satisfied(required_evaluation(forecasts.ts, first), evaluated, taking):
                break
            for evaluation in taking:
                inbox.pop(ACTIVATIONS.name)
                if evaluation.command_id is None:
                    evaluated = evaluation.ts
            events.append((pop_as(inbox, FORECASTS.name, ForecastsMade), tuple(taking)))
            first = first or forecasts.ts
        return events

    async def handle(
        self, conn: Connection, events: list[tuple[ForecastsMade, tuple[DayEvaluated, ...]]]
    ) -> list[Message]:
        """Decide slice by slice and store all of them."""
        decided: list[TargetsSet] = []
        state = self.state
        for forecasts, evaluations in events:
            state, targets = decide(state, forecasts, evaluations, self.params)
            decided.append(targets)
        await store.save(conn, decided)
        self.state = state
        return list(decided)

    def dump(self) -> str:
        """Return the state as JSON."""
        return encode(self.state).decode()

    async def restore(self, conn: Connection, state: str | None) -> None:
        """Take the stored state back, or begin with what the registry enables."""
        if state is None:
            self.state = SignalState(enabled=await store.enabled_symbols(conn))
        else:
            self.state = msgspec.json.decode(state, type=SignalState)


def load_stage(folder: Path | None = None) -> SignalStage:
    """Read this service's configuration; raises ConfigError."""
    assets = load(AssetsConfig, ASSETS_FILE, folder)
    class_caps = {name: declared.max_weight for name, declared in assets.classes.items()}
    settings = load(SignalSettings, "signals.yaml", folder)
    return SignalStage(SignalParams(settings, assets.assets, class_caps, assets.observation_size))
