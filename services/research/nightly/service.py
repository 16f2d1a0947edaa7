"""The research stage: measures slice by slice and speaks at each day's end."""

from pathlib import Path

import msgspec

from services.contracts.messages import ForecastsMade, Message, encode
from services.contracts.topics import FORECASTS, RESEARCH, Topic
from services.domain.candles import epoch, moment
from services.kernel.database import Connection
from services.kernel.errors import StartRefused
from services.kernel.inbox import Inbox, pop_as
from services.research.nightly import decide as nightly
from services.research.nightly import store as nightly_store
from services.research.nightly import words as nightly_words
from services.research.nightly.decide import NightlyParams, ResearchState
from services.research.nightly.params import load_params
from services.research.nightly.store import Night

BATCH = 48


class ResearchStage:
    """See :class:`services.kernel.stage.Stage`."""

    name = "research"
    inputs: tuple[Topic, ...] = (FORECASTS,)
    output = RESEARCH

    def __init__(self, params: NightlyParams) -> None:
        self.params = params
        self.state = nightly.start(params)

    def take(self, inbox: Inbox) -> list[ForecastsMade]:
        """Take the slices that are there, as many as are stored at once."""
        taken: list[ForecastsMade] = []
        while len(taken) < BATCH and inbox.peek(FORECASTS.name, ForecastsMade) is not None:
            taken.append(pop_as(inbox, FORECASTS.name, ForecastsMade))
        return taken

    async def handle(self, conn: Connection, events: list[ForecastsMade]) -> list[Message]:
        """Measure, and store and say what is known at each day's end."""
        nights: list[Night] = []
        state = self.state
        if events and epoch(events[0].ts) < state.through and await nightly_store.replays(conn):
            raise StartRefused(
                f"research holds a history until {moment(state.through):%Y-%m-%d %H:%M} UTC, and the replay is at "
                f"{events[0].ts:%Y-%m-%d %H:%M}: it would know its own future; use another database"
            )
        for made in events:
            state = nightly.observe(state, made, self.params)
            if nightly.ends_day(made.ts):
                whole = made.ts.weekday() == self.params.settings.full_weekday
                cells = nightly_words.table(state, self.params) if whole else None
                state, said = nightly.word(state, made.ts, self.params)
                nights.append(Night(said, tuple(cells or (cell for one in said.assets for cell in one.cells))))
        await nightly_store.save(conn, nights, self.params)
        self.state = state
        return [night.said for night in nights]

    def dump(self) -> str:
        """Return the state as JSON."""
        return encode(self.state).decode()

    async def restore(self, conn: Connection, state: str | None) -> None:
        """Take the stored state back, or begin with nothing measured; the plan's own table is stored beside."""
        await nightly_store.seed(conn, self.params)
        self.state = nightly.start(self.params) if state is None else msgspec.json.decode(state, type=ResearchState)


def load_stage(folder: Path | None = None) -> ResearchStage:
    """Make the stage with its configuration; raises ConfigError."""
    return ResearchStage(load_params(folder))
