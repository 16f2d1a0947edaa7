"""Wire and run the watchdog: ``python -m services.watchdog``."""

import asyncio

import httpx

from services.kernel.config import config_version, load
from services.kernel.database import connect_pool
from services.kernel.process import main, serve_health
from services.kernel.settings import Settings
from services.kernel.streams import connect
from services.watchdog.notify import Receiver
from services.watchdog.running import run
from services.watchdog.service import Watchdog
from services.watchdog.settings import WATCHDOG_FILE, WatchdogSettings


async def serve(settings: Settings) -> None:
    """Watch until stopped; in a replay there is nothing to watch, and it only says that it is healthy."""
    configured = load(WatchdogSettings, WATCHDOG_FILE)
    pool = await connect_pool(settings.database())
    redis = connect(settings.redis())
    looked = asyncio.Event()
    replay = settings.source == "replay"
    watchdog = Watchdog(pool, redis, configured, config_version())
    try:
        async with httpx.AsyncClient(timeout=configured.notify.timeout_seconds) as client, asyncio.TaskGroup() as group:
            receiver = Receiver(settings.notify(), client)
            group.create_task(serve_health(settings, lambda: replay or looked.is_set()))
            if not replay:
                group.create_task(run(watchdog, receiver, looked.set))
    finally:
        await redis.aclose()
        await pool.close()


if __name__ == "__main__":
    main(serve)
