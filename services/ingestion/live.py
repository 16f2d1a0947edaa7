"""Run one family of live sources: candles with failover, quotes, and everything else on its own beat."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from services.domain.assets import AssetsConfig
from services.domain.candles import SECONDS
from services.ingestion import flags, source_store
from services.ingestion.adapters.ccxt_stream import CcxtStream, OnClosed
from services.ingestion.backfill import Feed
from services.ingestion.failover import Failover
from services.ingestion.observing import Observer
from services.ingestion.polling import LiveCandles
from services.ingestion.quoting import Quotes
from services.ingestion.registry import Declared, build, candle_sources, declared, open_stream
from services.ingestion.service import PATIENCE_SECONDS, Publisher
from services.ingestion.settings import DataSources
from services.ingestion.streaming import Streaming
from services.kernel.config import config_version
from services.kernel.database import Connection, sole
from services.kernel.logging import get
from services.kernel.streams import RedisClient, Streams

CHECK_SECONDS = 3600.0
CHECK_BARS = 6
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
    built: list[Any] = []
    try:
        async with asyncio.TaskGroup() as group:
            candles = Failover(candle_sources(found, family, assets, environment, wall_clock), wall_clock)
            built.append(candles)
            live = None
            if candles.sources:
                live = _follower(pool, redis, assets, family, candles, ready)
                started(live)
                group.create_task(_candles(pool, live))
                group.create_task(_compare(pool, assets, candles, live.asset_classes, sources.disagreement_bps))
            for one in ready:
                quotes = Quotes(pool, one.name, wall_clock)
                if one.settings.stream and live is not None:
                    group.create_task(_streaming(one, assets, quotes, live).run())
                if one.gives & VALUES or "quotes" in one.gives:
                    source = build(one, assets, environment, wall_clock)
                    built.append(source)
                    if one.gives & VALUES:
                        group.create_task(_observer(source, one, pool, redis, assets).run())
                    if "quotes" in one.gives:
                        group.create_task(quotes.poll(source, one.settings.asset_classes))
    finally:
        for source in built:
            await source.close()


def _follower(
    pool: Connection,
    redis: RedisClient,
    assets: AssetsConfig,
    family: str,
    candles: Failover,
    ready: Sequence[Declared],
) -> LiveCandles:
    giving = [one.settings for one in ready if "candles" in one.gives]
    producer = f"ingestion-{family}"
    publisher = Publisher(pool, Streams(redis, producer), producer, assets.timeframe, config_version())
    feed = Feed(pool, candles, assets.timeframe, wall_clock, failures=candles.failures)
    kinds = frozenset(kind for settings in giving for kind in settings.asset_classes)
    return LiveCandles(publisher, feed, kinds, timedelta(days=max(settings.history_days for settings in giving)))


async def _candles(pool: Connection, live: LiveCandles) -> None:
    async with sole(pool, live.publisher.name, patience_seconds=PATIENCE_SECONDS):
        await live.run()


def _streaming(one: Declared, assets: AssetsConfig, quotes: Quotes, live: LiveCandles) -> Streaming:
    def opened(on_closed: OnClosed) -> CcxtStream:
        return open_stream(one, assets, assets.timeframe, wall_clock, on_closed)

    settings = one.settings
    return Streaming(opened, quotes, settings.asset_classes, settings.quote_seconds, live.step, live.ring)


def _observer(source: Any, one: Declared, pool: Connection, redis: RedisClient, assets: AssetsConfig) -> Observer:
    classes = {symbol: asset.asset_class for symbol, asset in assets.assets.items()}
    return Observer(source, one, pool, Streams(redis, one.name), classes, wall_clock)


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
    back = CHECK_BARS * timedelta(seconds=SECONDS[assets.timeframe])
    found = await candles.cross_check(symbol, assets.timeframe, now - back, bound_bps)
    async with pool.acquire() as conn:
        if found is None:
            await flags.clear(conn, flags.SOURCES_DISAGREE, symbol, now)
        else:
            await flags.raise_flag(conn, flags.SOURCES_DISAGREE, symbol, str(found), now)
