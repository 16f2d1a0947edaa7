"""Watch and tell, side by side."""

import asyncio
from collections.abc import Callable

from services.kernel.outages import outlast
from services.watchdog.notify import Receiver, tell
from services.watchdog.service import Watchdog, watch


async def run(watchdog: Watchdog, receiver: Receiver, looked: Callable[[], None] = lambda: None) -> None:
    """Run until cancelled; outages of the servers are outlasted, a second watchdog on the database is refused."""
    async with asyncio.TaskGroup() as group:
        group.create_task(outlast("watchdog", lambda: watch(watchdog, looked=looked)))
        group.create_task(outlast("notifications", lambda: tell(watchdog.pool, receiver, watchdog.settings.notify)))
