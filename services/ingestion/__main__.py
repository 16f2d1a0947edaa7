"""Wire and run a source: ``python -m services.ingestion --family crypto``."""

import argparse
import asyncio
import os

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.ingestion.live import run_family
from services.ingestion.polling import LiveCandles
from services.ingestion.replay import claim, deliver, read
from services.ingestion.settings import FAMILIES, DataSources
from services.kernel.config import config_version, load
from services.kernel.database import Connection, connect_pool
from services.kernel.errors import StartRefused
from services.kernel.logging import get
from services.kernel.outages import outlast
from services.kernel.process import main, serve_health
from services.kernel.settings import Settings
from services.kernel.streams import RedisClient, connect


async def serve(settings: Settings) -> None:
    """Deliver this family's candles until stopped; a family with no declared source says so and waits."""
    family = _family()
    assets, sources = load(AssetsConfig, ASSETS_FILE), load(DataSources, "data_sources.yaml")
    pool, redis = await connect_pool(settings.database()), connect(settings.redis())
    following: list[LiveCandles] = []

    async def deliver_live() -> None:
        await run_family(pool, redis, assets, sources, family, os.environ, following.append)

    async def deliver_recorded() -> None:
        await _replay(settings, pool, redis, assets, family)

    def ready() -> bool:
        return not following or following[-1].delivering

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(serve_health(settings, ready))
            await outlast(f"ingestion-{family}", deliver_recorded if settings.source == "replay" else deliver_live)
    finally:
        await redis.aclose()
        await pool.close()


async def _replay(settings: Settings, pool: Connection, redis: RedisClient, assets: AssetsConfig, family: str) -> None:
    log = get(f"ingestion-{family}")
    if family != "crypto":
        log.info("a replay is delivered by ingestion-crypto; nothing to do here")
        return
    if settings.replay_dir is None:
        raise StartRefused("CHLOE_SOURCE=replay needs CHLOE_REPLAY_DIR")
    recorded = read(settings.replay_dir, assets, settings.replay_from, settings.replay_until)
    log.info("replaying", what=recorded.description)
    async with pool.acquire() as conn:
        await claim(conn, recorded, assets.timeframe)
    await deliver(pool, redis, recorded, config_version())
    log.info("replay delivered", what=recorded.description)


def _family() -> str:
    parser = argparse.ArgumentParser(prog="python -m services.ingestion")
    parser.add_argument("--family", choices=FAMILIES, required=True)
    return str(parser.parse_args().family)


if __name__ == "__main__":
    main(serve)
