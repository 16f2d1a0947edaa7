"""Wire and run the risk service: ``python -m services.risk``."""

import asyncio

from services.kernel.config import config_version
from services.kernel.database import connect_pool
from services.kernel.outages import outlast
from services.kernel.process import main, run_stage
from services.kernel.settings import Settings
from services.kernel.streams import connect
from services.risk.service import load_stage
from services.risk.switch import follow


async def serve(settings: Settings) -> None:
    """Run the stage and follow the halt file until stopped."""
    stage = load_stage()
    pool = await connect_pool(settings.database(), size=1)
    redis = connect(settings.redis())
    try:
        async with asyncio.TaskGroup() as group:
            watching = outlast("halt-file", lambda: follow(pool, redis, settings.halt_file, config_version()))
            group.create_task(watching)
            group.create_task(run_stage(settings, stage))
    finally:
        await redis.aclose()
        await pool.close()


if __name__ == "__main__":
    main(serve)
