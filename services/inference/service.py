"""The inference stage: forecasts batches of slices, each with models that were trained only on hours before it."""

from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from services.contracts.messages import Message, SliceClosed, encode
from services.contracts.topics import FORECASTS, SLICES, Topic
from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.domain.corporate_actions import CORPORATE_ACTIONS_FILE, CorporateActions, dated_splits
from services.inference import context_store, ensemble, features, settings, store
from services.inference.daily_readings import CLOSED_DAYS, Clusters, correlated, midnight_before, span_seconds
from services.inference.decide import ScoreHistory
from services.inference.forecasting import Forecaster
from services.inference.market import Market, with_leaders
from services.inference.series import epoch, moment
from services.kernel.config import load
from services.kernel.database import Connection
from services.kernel.inbox import Inbox, pop_as

BATCH = 48
OPEN_SHARE = 5
"""A stock's session is a quarter of a day, five days in seven: so many times further back its bars lie at most."""


class InferenceState(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The newest slice, for the score histories are rebuilt from the stored forecasts, and the day's clusters."""

    newest: datetime | None = None
    clusters: Clusters | None = None


class InferenceStage:
    """See :class:`services.kernel.stage.Stage`."""

    name = "inference"
    inputs: tuple[Topic, ...] = (SLICES,)
    output = FORECASTS

    def __init__(
        self, configured: settings.ModelsSettings, classes: dict[str, str], splits: store.Splits | None = None
    ) -> None:
        self.settings = configured
        self.classes = classes
        self.splits = splits or {}
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
        await self._refresh_models(conn, events[0].ts)
        market = await self._market(conn, events)
        made, histories = self.forecaster.forecast(market, events, self.histories, self.state.clusters)
        await store.insert_forecasts(conn, made)
        await self._save_correlations(conn, market, events)
        newest = made[-1]
        clusters = Clusters(midnight_before(epoch(newest.ts)), newest.clusters)
        self.histories, self.state = histories, InferenceState(newest.ts, clusters)
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
                    conn, tuple(self.classes), self.settings.horizon_hours, upto=self.state.newest, limit=limit
                )
            )

    async def _market(self, conn: Connection, events: list[SliceClosed]) -> Market:
        """Read what the slices' features and readings may look back at."""
        symbols = with_leaders({bar.symbol for one in events for bar in one.bars}, self.classes, self.settings.leaders)
        around_the_clock = all(self.classes.get(symbol) == "crypto" for symbol in symbols)
        back = timedelta(seconds=(self.forecaster.history + 1) * self.settings.bar_seconds)
        if not around_the_clock:
            back = back * OPEN_SHARE + timedelta(days=CLOSED_DAYS)
        start, end = events[0].ts, events[-1].ts
        if self._midnights(events):
            symbols = sorted({*symbols, *self.classes})
        bars = {symbol: self.forecaster.bars_back(self.classes.get(symbol, "crypto")) for symbol in symbols}
        candles = await store.recent_candles(conn, bars, events[0].timeframe, start, end, self.splits)
        values = await context_store.load_values(conn, symbols, start - back, end)
        return Market(candles, self.settings.leaders, values.market, values.of)

    def _midnights(self, events: list[SliceClosed]) -> list[int]:
        """List the midnights, in epoch seconds, whose clusters are to be found: then all assets' candles are read."""
        known = None if self.state.clusters is None else self.state.clusters.midnight
        return sorted({midnight_before(epoch(one.ts)) for one in events} - {known})

    async def _save_correlations(self, conn: Connection, market: Market, events: list[SliceClosed]) -> None:
        hours = span_seconds(self.settings) // 3_600
        for midnight in self._midnights(events):
            pairs = correlated(market.candles, midnight, self.settings)
            await store.save_correlations(conn, moment(midnight), hours, pairs)

    async def _refresh_models(self, conn: Connection, since: datetime) -> None:
        """Load the registry again when training has added to it, or a person has taken a model back.

        Of old versions only those in use at ``since``: years of walks forward would not fit into memory.
        """
        newest = await store.registry_version(conn)
        if newest == self._registry:
            return
        trained = await store.load_models(
            conn,
            tuple(self.classes),
            [*self.settings.models, ensemble.NAME],
            features.features_hash(),
            self.settings.horizon_hours,
            self.settings.preset,
            since,
        )
        self.forecaster = Forecaster(self.settings, trained)
        self._registry = newest


def load_stage(folder: Path | None = None, *, replay: bool = False) -> InferenceStage:
    """Read this service's configuration; raises ConfigError."""
    assets = load(AssetsConfig, ASSETS_FILE, folder)
    configured = settings.load(folder, timeframe=assets.timeframe, replay=replay)
    declared = load(CorporateActions, CORPORATE_ACTIONS_FILE, folder)
    return InferenceStage(
        configured,
        {symbol: asset.asset_class for symbol, asset in assets.assets.items()},
        dated_splits(declared.actions, configured.timeframe),
    )
