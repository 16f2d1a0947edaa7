"""When a replay has reached its end, and its delivery into the standalone platform."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from services.ingestion.replay import Recorded, claim, read
from services.ingestion.replay import deliver as deliver_recorded
from services.standalone.platform import Platform

__all__ = ["Recorded", "claim", "deliver", "reached_end", "read", "wait_for_end"]

LOOK_SECONDS = 0.1

# How far the last stages of the loop are.
REACHED = """
select (select slice_ts from stage_state where stage = 'execution') as settled,
       (select slice_ts from stage_state where stage = 'risk') as decided,
       (select slice_ts from stage_state where stage = 'phases') as judged
"""


async def deliver(platform: Platform, recorded: Recorded, config_version: str) -> None:
    """Deliver the recorded candles as the source of the platform."""
    await deliver_recorded(platform.pool, platform.redis, recorded, config_version)


def reached_end(
    begins: datetime, until: datetime, settled: datetime | None, decided: datetime | None, judged: datetime | None
) -> bool:
    """Say whether the last slice is settled and decided, and the last whole day judged."""
    if settled is None or decided is None or min(settled, decided) < until:
        return False
    last_midnight = until.replace(hour=0, minute=0, second=0, microsecond=0)
    return last_midnight <= begins or (judged is not None and judged >= last_midnight)


async def wait_for_end(platform: Platform, recorded: Recorded, tell: Callable[[datetime | None], None]) -> None:
    """Return when the last slice has passed every stage; ``tell`` hears how far execution is."""
    while True:
        async with platform.pool.acquire() as conn:
            settled, decided, judged = await conn.fetchrow(REACHED)
        tell(settled)
        if reached_end(recorded.span.begins, recorded.span.until, settled, decided, judged):
            return
        await asyncio.sleep(LOOK_SECONDS)
