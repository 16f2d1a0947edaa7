"""Child of the replay benchmark: train, then replay the sample through all services; prints one JSON line."""

import json
import sys
import time
from pathlib import Path

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.inference import settings as inference_settings
from services.ingestion.replay import claim, read
from services.kernel import logging
from services.kernel.config import config_version, load
from services.kernel.database import connect_pool
from services.kernel.migrate import migrate
from services.kernel.streams import connect
from services.phases.service import load_params
from services.phases.store import seed
from services.standalone import servers, training
from services.standalone.platform import Platform, run_until
from services.standalone.replay import deliver, wait_for_end

SAMPLE = Path(__file__).parents[2] / "sample"


async def replay(started: servers.Servers, folder: Path) -> dict[str, float]:
    """Replay with fresh servers and return the figures."""
    recorded = read(SAMPLE, load(AssetsConfig, ASSETS_FILE), None, None)
    pool, redis = await connect_pool(started.database_url, size=10, durable=False), connect(started.redis_url)
    async with pool.acquire() as conn, conn.transaction():
        await seed(conn, load_params())
        await claim(conn, recorded, "1h")
    begun = time.perf_counter()
    await training.train(pool, recorded.series, inference_settings.load(replay=True), lambda *_: None)
    trained = time.perf_counter()
    platform = Platform(pool, redis, folder / "reports", live=False)
    await run_until(
        wait_for_end(platform, recorded, lambda _: None),
        [*(loop.run for loop in platform.loops()), lambda: deliver(platform, recorded, config_version())],
    )
    ended = time.perf_counter()
    await redis.aclose()
    await pool.close()
    return {
        "slices": recorded.slices,
        "assets": len(recorded.series),
        "training_seconds": trained - begun,
        "seconds": ended - trained,
    }


def main() -> None:
    """Run in the folder that the parent named."""
    folder = Path(sys.argv[1])
    logging.configure("WARNING")
    started = servers.start(folder / "d")
    try:
        migrate(started.database_url)
        import uvloop

        print(json.dumps(uvloop.run(replay(started, folder))))  # noqa: T201
    finally:
        started.stop()


if __name__ == "__main__":
    main()
