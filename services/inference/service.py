"""The inference stage: forecasts batches of slices, each with models that were trained only on hours before it."""

from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from services.contracts.messages import Message, SliceClosed, encode
from services.contracts.topics import FORECASTS, SLICES, Topic
from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.inference import features, settings, store
from services.inference.decide import ScoreHistory
from services.inference.forecasting import Forecaster
from services.kernel.config import load
from services.kernel.database import Connection
from services.kernel.inbox import Inbox, pop_as

BATCH = 48


class InferenceState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Only the newest slice: the score histories are rebuilt from the stored forecasts."""

    newest: datetime | None = None


class InferenceStage:
    """See :class:`services.kernel.stage.Stage`."""

    name = "inference"
    inputs: tuple[Topic, ...] = (SLICES,)
    output = FORECASTS

    def __init__(self, configured: settings.ModelsSettings, symbols: tuple[str, ...]) -> None:
        self.settings = configured
        self.symbols = symbols
        self.state = InferenceState()
        self.histories: dict[str, ScoreHistory] = {}
        self.forecaster = Forecaster(configured, [])
        self._registry: tuple[int, datetime | None] | None = None

    def take(self, inbox: Inbox) -> list[SliceClosed]:
        """Take the slices that wait, up to a batch."""
        events: list[SliceClosed] = []
        while len(events) < BATCH and inbox.peek(SLICES.name, SliceClosed) is not None:
            events.append(pop_as(inbox, SLICES.name, SliceClosed))
        return events

    async def handle(self, conn: Connection, events: list[SliceClosed]) -> list[Message]:
        """Forecast and store."""
        await self._refresh_models(conn)
        symbols = sorted({bar.symbol for closed in events for bar in closed.bars})
        start = events[0].ts - timedelta(hours=features.WINDOW + 1)
        candles = await store.load_candles(conn, symbols, events[0].timeframe, start, events[-1].ts)
        made, histories = self.forecaster.forecast(candles, events, self.histories)
        await store.insert_forecasts(conn, made)
        self.histories, self.state = histories, InferenceState(events[-1].ts)
        return list(made)

    def dump(self) -> str:
        """Return the state as JSON."""
        return encode(self.state).decode()

    async def restore(self, conn: Connection, state: str | None) -> None:
        """Rebuild the score histories from the forecasts up to the newest stored slice."""
        self.state = InferenceState() if state is None else msgspec.json.decode(state, type=InferenceState)
        self.histories = {}
        if self.state.newest is not None:
            limit = self.settings.confidence.history
            self.histories = dict(
                await store.load_histories(
                    conn, self.symbols, self.settings.horizon_hours, upto=self.state.newest, limit=limit
                )
            )

    async def _refresh_models(self, conn: Connection) -> None:
        """Load the registry again when training has added to it."""
        newest = await store.registry_version(conn)
        if newest == self._registry:
            return
        names = list(self.settings.models)
        trained = await store.load_models(
            conn, self.symbols, names, features.features_hash(), self.settings.horizon_hours
        )
        self.forecaster = Forecaster(self.settings, trained)
        self._registry = newest


def load_stage(folder: Path | None = None) -> InferenceStage:
    """Read this service's configuration; raises ConfigError."""
    assets = load(AssetsConfig, ASSETS_FILE, folder)
    return InferenceStage(settings.load(folder), tuple(assets.assets))
