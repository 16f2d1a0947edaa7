"""Wire and run a source: ``python -m services.ingestion --family crypto``."""

import argparse
import asyncio

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.ingestion.live import follow, register
from services.ingestion.replay import claim, deliver, read
from services.ingestion.settings import FAMILIES, DataSources
from services.kernel.config import config_version, load
from services.kernel.database import connect_pool
from services.kernel.errors import StartRefused
from services.kernel.logging import get
from services.kernel.process import main, serve_health
from services.kernel.settings import Settings
from services.kernel.streams import connect


async def serve(settings: Settings) -> None:
    """Deliver this family's candles until stopped; a family with no declared source says so and waits."""
    family = _family()
    log = get(f"ingestion-{family}")
    assets, sources = load(AssetsConfig, ASSETS_FILE), load(DataSources, "data_sources.yaml")
    pool, redis = await connect_pool(settings.database()), connect(settings.redis())
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(serve_health(settings, lambda: True))
            if settings.source == "replay":
                if family != "crypto":
                    log.info("a replay is delivered by ingestion-crypto; nothing to do here")
                    return
                if settings.replay_dir is None:
                    raise StartRefused("CHLOE_SOURCE=replay needs CHLOE_REPLAY_DIR")
                recorded = read(settings.replay_dir, assets, settings.replay_from, settings.replay_until)
                async with pool.acquire() as conn:
                    await claim(conn, recorded, assets.timeframe)
                await deliver(pool, redis, recorded, config_version())
                log.info("replay delivered", what=recorded.description)
            else:
                await register(pool, sources, family)
                await follow(pool, redis, assets, sources.of_family(family), family)
    finally:
        await redis.aclose()
        await pool.close()


def _family() -> str:
    parser = argparse.ArgumentParser(prog="python -m services.ingestion")
    parser.add_argument("--family", choices=FAMILIES, required=True)
    return str(parser.parse_args().family)


if __name__ == "__main__":
    main(serve)
