"""Run one family of live sources: candles with failover, quotes, and everything else on its own beat."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from services.domain.assets import AssetsConfig
from services.ingestion import flags, source_store
from services.ingestion import observation_store as values
from services.ingestion.backfill import Feed
from services.ingestion.errors import FeedError
from services.ingestion.failover import Failover
from services.ingestion.observing import Observer
from services.ingestion.polling import LiveCandles
from services.ingestion.registry import Declared, build, candle_sources, declared
from services.ingestion.service import PATIENCE_SECONDS, Publisher
from services.ingestion.settings import DataSources
from services.kernel.config import config_version
from services.kernel.database import Connection, sole
from services.kernel.logging import get
from services.kernel.streams import RedisClient, Streams

QUOTE_SECONDS = 60.0
CHECK_SECONDS = 3600.0
CHECK_BACK = timedelta(hours=6)
VALUES = frozenset({"indicators", "social", "options_flow", "dominance", "calendar"})


def wall_clock() -> datetime:
    """Return the time now, aware."""
    return datetime.now(UTC)


async def register(pool: Connection, found: Sequence[Declared]) -> None:
    """Record the declared sources and whether each is configured."""
    async with pool.acquire() as conn:
        for one in found:
            gives = ", ".join(sorted(one.gives))
            await source_store.register_source(conn, one.name, one.settings.family, gives, one.configured, one.detail)


async def run_family(
    pool: Connection,
    redis: RedisClient,
    assets: AssetsConfig,
    sources: DataSources,
    family: str,
    environment: Mapping[str, str],
    started: Callable[[LiveCandles], None] = lambda _: None,
) -> None:
    """Run a family's configured sources for ever; returns at once where none is configured, which is no error.

    ``started`` is given the follower of candles, whose ``delivering`` says whether its sources answer.
    """
    found = [d for d in declared(sources, environment) if d.settings.family == family]
    await register(pool, found)
    log = get(f"ingestion-{family}")
    ready = [one for one in found if one.configured]
    lacking = {one.name: one.detail for one in found if not one.configured}
    log.info("sources", configured=[one.name for one in ready], others=lacking)
    if not ready:
        return
    async with pool.acquire() as conn:
        await source_store.claim_run(conn, "live", f"paper trading on {assets.timeframe} candles", assets.timeframe)
    classes = {symbol: asset.asset_class for symbol, asset in assets.assets.items()}
    built: list[Any] = []
    try:
        async with asyncio.TaskGroup() as group:
            candles = Failover(candle_sources(found, family, assets, environment, wall_clock), wall_clock)
            built.append(candles)
            if candles.sources:
                kinds = frozenset(c for one in ready if "candles" in one.gives for c in one.settings.asset_classes)
                group.create_task(_candles(pool, redis, assets, family, candles, kinds, ready, started))
                group.create_task(_compare(pool, assets, candles, kinds, sources.disagreement_bps))
            for one in ready:
                if one.gives & VALUES or "quotes" in one.gives:
                    source = build(one, assets, environment, wall_clock)
                    built.append(source)
                    if one.gives & VALUES:
                        streams = Streams(redis, one.name)
                        group.create_task(Observer(source, one, pool, streams, classes, wall_clock).run())
                    if "quotes" in one.gives:
                        group.create_task(_quotes(pool, one, source))
    finally:
        for source in built:
            await source.close()


async def _candles(
    pool: Connection,
    redis: RedisClient,
    assets: AssetsConfig,
    family: str,
    candles: Failover,
    kinds: frozenset[str],
    ready: Sequence[Declared],
    started: Callable[[LiveCandles], None],
) -> None:
    producer = f"ingestion-{family}"
    publisher = Publisher(pool, Streams(redis, producer), producer, assets.timeframe, config_version())
    feed = Feed(pool, candles, assets.timeframe, wall_clock)
    history = timedelta(days=max(one.settings.history_days for one in ready if "candles" in one.gives))
    live = LiveCandles(publisher, feed, kinds, history)
    started(live)
    async with sole(pool, producer, patience_seconds=PATIENCE_SECONDS):
        await live.run()


async def _quotes(pool: Connection, one: Declared, source: Any) -> None:
    """Store the best bid and ask of what is collected, once a minute."""
    log = get(one.name)
    before: set[str] = set()
    while True:
        async with pool.acquire() as conn:
            symbols = await source_store.collecting(conn, one.settings.asset_classes)
        failed: dict[str, str] = {}
        for symbol, asset_class in symbols.items():
            try:
                quote = await source.quote(symbol)
            except FeedError as error:
                failed[symbol] = str(error)
                continue
            async with pool.acquire() as conn:
                await values.save_quote(conn, one.name, asset_class, quote)
        if failed and failed.keys() != before:
            log.warning("no quotes", symbols=sorted(failed), of=len(symbols), error=failed[min(failed)])
        before = set(failed)
        await asyncio.sleep(QUOTE_SECONDS)


async def _compare(
    pool: Connection, assets: AssetsConfig, candles: Failover, kinds: frozenset[str], bound_bps: float
) -> None:
    """Compare the first two sources of each collected symbol once an hour; flag where they lie too far apart."""
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        async with pool.acquire() as conn:
            symbols = await source_store.collecting(conn, sorted(kinds))
        for symbol in symbols:
            await compare_once(pool, candles, symbol, assets, bound_bps, wall_clock())


async def compare_once(
    pool: Connection, candles: Failover, symbol: str, assets: AssetsConfig, bound_bps: float, now: datetime
) -> None:
    """Compare one symbol's sources; raise the flag, or clear it where they agree again."""
    found = await candles.cross_check(symbol, assets.timeframe, now - CHECK_BACK, bound_bps)
    async with pool.acquire() as conn:
        if found is None:
            await flags.clear(conn, flags.SOURCES_DISAGREE, symbol, now)
        else:
            await flags.raise_flag(conn, flags.SOURCES_DISAGREE, symbol, str(found), now)
