"""The watchdog as one more task of the live platform."""

import httpx

from services.kernel.config import config_version, load
from services.kernel.database import Connection
from services.kernel.settings import from_environment
from services.kernel.streams import RedisClient
from services.watchdog.notify import Receiver
from services.watchdog.running import run
from services.watchdog.service import Watchdog
from services.watchdog.settings import WATCHDOG_FILE, WatchdogSettings


async def watch(pool: Connection, redis: RedisClient) -> None:
    """Watch and tell until cancelled; raises ConfigError and StartRefused."""
    configured = load(WatchdogSettings, WATCHDOG_FILE)
    watchdog = Watchdog(pool, redis, configured, config_version())
    async with httpx.AsyncClient(timeout=configured.notify.timeout_seconds) as client:
        await run(watchdog, Receiver(from_environment().notify(), client))
