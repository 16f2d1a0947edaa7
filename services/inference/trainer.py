"""Train on a schedule, in a process of its own: ``python -m services.inference.trainer``.

Every night each model in use is challenged by one trained on newer data, and replaced only if that is not worse.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.domain.corporate_actions import CORPORATE_ACTIONS_FILE, CorporateActions, dated_splits
from services.inference import context_store, ensemble, features, retraining, settings, store
from services.inference.market import Market, with_leaders
from services.inference.parallel import cores
from services.inference.registry import TrainedModel
from services.inference.retraining import Retrained, Tell
from services.inference.settings import ModelsSettings
from services.kernel.config import load
from services.kernel.database import Connection, connect_pool
from services.kernel.logging import get
from services.kernel.outages import outlast
from services.kernel.process import main, serve_health
from services.kernel.settings import Settings

NAME = "trainer"
POLL_SECONDS = 30.0


async def stored_market(
    conn: Connection,
    symbols: Sequence[str],
    classes: dict[str, str],
    configured: ModelsSettings,
    since: datetime,
    until: datetime,
) -> Market:
    """Read the candles and values that features of these symbols need, of [since, until)."""
    wanted = with_leaders(symbols, classes, configured.leaders)
    declared = load(CorporateActions, CORPORATE_ACTIONS_FILE)
    splits = dated_splits(declared.actions, configured.timeframe)
    candles = await store.load_candles(conn, wanted, configured.timeframe, since, until, splits)
    values = await context_store.load_values(conn, wanted, since, until)
    return Market(candles, configured.leaders, values.market, values.of)


async def registered(
    conn: Connection, symbols: Sequence[str], configured: ModelsSettings, since: datetime | None = None
) -> list[TrainedModel]:
    """Read the models in use of these features, this horizon and this preset, from ``since`` on (None: all)."""
    return await store.load_models(
        conn,
        symbols,
        [*configured.models, ensemble.NAME],
        features.features_hash(),
        configured.horizon_hours,
        configured.preset,
        since,
    )


async def train_stored(
    pool: Connection, classes: dict[str, str], configured: ModelsSettings, now: datetime, tell: Tell
) -> Retrained:
    """Train on the stored candles of every asset that has any, register the outcome, and flag what has drifted."""
    async with pool.acquire() as conn:
        spans = await store.candle_spans(conn, configured.timeframe)
        if not spans:
            return Retrained([], {})
        # A challenge looks at the version in use when the holdout began, a blend at the forecasts of its history.
        back = timedelta(days=configured.retraining.holdout_days + configured.ensemble.history_days)
        known = await registered(conn, list(spans), configured, now - back)
        since = min(first for first, _ in spans.values())
        if known:
            since = max(since, now - retraining.span(configured))
        market = await stored_market(conn, list(spans), classes, configured, since, now)
    made = await asyncio.to_thread(retraining.retrain, market, known, list(spans), now, configured, tell, cores())
    async with pool.acquire() as conn, conn.transaction():
        await store.save_models(conn, made.models)
        await store.save_drift(conn, made.drift, now)
    return made


async def serve(process: Settings) -> None:
    """Train at the scheduled hour, and at once where an asset has candles and no model; a replay only serves health."""
    assets = load(AssetsConfig, ASSETS_FILE)
    configured = settings.load(timeframe=assets.timeframe)
    classes = {symbol: asset.asset_class for symbol, asset in assets.assets.items()}
    pool = await connect_pool(process.database(), size=2, durable=True)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(serve_health(process, lambda: True))
            if process.source == "live":
                group.create_task(outlast(NAME, lambda: follow(pool, classes, configured)))
    finally:
        await pool.close()


async def follow(pool: Connection, classes: dict[str, str], configured: ModelsSettings) -> None:
    """Train at the scheduled hour, and sooner where an asset has candles enough and no model yet."""
    log = get(NAME)
    due = retraining.next_run(datetime.now(UTC), configured)
    log.info("scheduled", next=due.isoformat(), preset=configured.preset, workers=cores())
    tried: set[str] = set()

    def tell(done: int, total: int, name: str) -> None:
        log.info("trained", model=name, done=done, of=total)

    while True:
        now = datetime.now(UTC)
        lacking = await _lacking(pool, configured) - tried
        if lacking or now >= due:
            # What cannot be trained now, for gaps in its candles, is tried again at the scheduled hour.
            tried = tried | lacking if now < due else set()
            made = await train_stored(pool, classes, configured, now, tell)
            for row in made.models:
                if row.note:
                    log.info("model", symbol=row.symbol, model=row.model, standing=row.standing, note=row.note)
            due = retraining.next_run(datetime.now(UTC), configured)
            log.info("scheduled", next=due.isoformat(), registered=len(made.models))
        await asyncio.sleep(POLL_SECONDS)


async def _lacking(pool: Connection, configured: ModelsSettings) -> set[str]:
    enough = timedelta(days=configured.walk_forward.min_train_days)
    async with pool.acquire() as conn:
        return set(
            await store.without_models(conn, configured.timeframe, enough, features.features_hash(), configured.preset)
        )


if __name__ == "__main__":
    main(serve)
