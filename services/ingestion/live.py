"""Follow a live source: which one, for which assets, from when."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from services.domain.assets import AssetsConfig
from services.ingestion import source_store
from services.ingestion.adapters.ccxt_candles import CcxtCandles, Patience, connect
from services.ingestion.backfill import Feed
from services.ingestion.polling import LiveCandles
from services.ingestion.service import PATIENCE_SECONDS, Publisher
from services.ingestion.settings import DataSources, SourceSettings
from services.kernel.config import config_version
from services.kernel.database import Connection, sole
from services.kernel.logging import get
from services.kernel.streams import RedisClient, Streams

# The loop asks again by itself, so one request gives up early: a slice must not wait long for a source that is down.
PATIENCE = Patience(attempts=2, wait_max_s=2.0)
TIMEOUT_SECONDS = 8.0


def wall_clock() -> datetime:
    """Return the time now, aware."""
    return datetime.now(UTC)


async def register(pool: Connection, sources: DataSources, family: str) -> None:
    """Record the family's declared sources."""
    async with pool.acquire() as conn:
        for name, s in sources.of_family(family):
            await source_store.register_source(conn, name, s.family, s.gives, True, "public data, no key needed")


async def follow(
    pool: Connection,
    redis: RedisClient,
    assets: AssetsConfig,
    sources: list[tuple[str, SourceSettings]],
    family: str,
    started: Callable[[LiveCandles], None] = lambda _: None,
) -> None:
    """Follow the family's first source for ever; returns at once where none is declared.

    ``started`` is given the follower, whose ``delivering`` says whether the source answers.
    """
    log = get(f"ingestion-{family}")
    if not sources:
        log.info("not configured: data_sources.yaml declares no source of this family", family=family)
        return
    name, settings = sources[0]
    async with pool.acquire() as conn:
        await source_store.claim_run(conn, "live", f"paper trading on {assets.timeframe} candles", assets.timeframe)
    aliases = {s: a.venue_symbols[name] for s, a in assets.assets.items() if name in a.venue_symbols}
    client = connect(settings.exchange, settings.base_url, TIMEOUT_SECONDS)
    source = CcxtCandles(client, aliases, patience=PATIENCE)
    producer = f"ingestion-{family}"
    publisher = Publisher(pool, Streams(redis, producer), producer, assets.timeframe, config_version())
    feed = Feed(pool, source, assets.timeframe, wall_clock)
    live = LiveCandles(publisher, feed, frozenset(settings.asset_classes), timedelta(days=settings.history_days))
    started(live)
    try:
        async with sole(pool, producer, patience_seconds=PATIENCE_SECONDS):
            await live.run()
    finally:
        await source.close()
