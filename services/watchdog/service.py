"""The only loop of the watchdog: look, raise and clear, block and lift, write down what people shall be told."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from redis.exceptions import RedisError

from services.contracts.messages import CommandGiven
from services.contracts.topics import FLOW
from services.kernel import commands, database
from services.kernel.database import Connection
from services.kernel.flags import clear_flag, raise_flag
from services.kernel.logging import get
from services.kernel.streams import Outgoing, RedisClient, Streams
from services.watchdog import notices, store
from services.watchdog.conditions import conditions
from services.watchdog.decide import Block, Change, WatchState, blocks, decide
from services.watchdog.settings import WatchdogSettings
from services.watchdog.store import STAGE

PATIENCE_SECONDS = 5.0
"""How long a start waits for an earlier watchdog on this database to be gone, before it is refused."""
REDIS_SECONDS = 1.0
MOST_COUNTED = 1000
"""As many dead letters as a stream keeps."""

Pause = Callable[[float], Awaitable[None]]


def utc_now() -> datetime:
    """Return the time of the wall clock."""
    return datetime.now(UTC)


class Watchdog:
    """One look at a time; everything it knows is stored, so it may be killed at any instant."""

    def __init__(self, pool: Connection, redis: RedisClient, settings: WatchdogSettings, config_version: str) -> None:
        self.pool = pool
        self.redis = redis
        self.settings = settings
        self.config_version = config_version
        self.log = get(STAGE)

    async def look(self, now: datetime) -> None:
        """Look once; a database that holds a replay, or nothing yet, is left alone."""
        dead = await self._dead_letters(now)
        async with self.pool.acquire() as conn:
            if not await store.is_live(conn):
                return
            async with conn.transaction(isolation="repeatable_read", readonly=True):
                state = await store.load(conn)
                up = await store.own_flags(conn)
                seen = await store.observe(conn, self.settings.checks, now, dead)
            since = None if state is None else state.looked_at
            if since is None:  # what was before the first start is no news
                await notices.collect(conn, None, told_at=now)
            found = conditions(seen, self.settings.checks)
            state, changes = decide(state or WatchState(), now, found, up, self.settings)
            async with conn.transaction():
                for change in changes:
                    await self._change(conn, change, now)
                await store.save(conn, state, self.config_version)
            await self._block(conn, now)
            await notices.collect(conn, since)

    async def _change(self, conn: Connection, change: Change, now: datetime) -> None:
        check = self.settings.checks.of(change.name)
        if change.detail is None:
            await clear_flag(conn, change.name, change.subject, now)
            self.log.info("flag cleared", name=change.name, subject=change.subject)
        else:
            await raise_flag(
                conn, change.name, change.subject, severity=check.severity, blocks=check.blocks, detail=change.detail,
                now=now,
            )  # fmt: skip
            self.log.warning("flag raised", name=change.name, subject=change.subject, detail=change.detail)

    async def _block(self, conn: Connection, now: datetime) -> None:
        """Give the commands that the flags want and that were not given yet, each in a transaction of its own."""
        for block in blocks(*await store.blocking(conn)):
            async with conn.transaction():
                recorded = await commands.record(conn, partial(_given, block), now, self.config_version)
            if recorded is not None:
                self.log.warning("command given", name=block.name, subject=block.subject, note=block.note)
                await self._publish(recorded[1])

    async def _publish(self, out: Outgoing) -> None:
        """Tell the readers at once if Redis is there; if not, they find the command in the outbox."""
        try:
            async with asyncio.timeout(REDIS_SECONDS):
                await Streams(self.redis, commands.STAGE).publish([out])
        except (RedisError, OSError) as error:
            self.log.warning("command waits in the outbox: Redis is out of reach", error=type(error).__name__)

    async def _dead_letters(self, now: datetime) -> dict[str, int] | None:
        """Count each stream's unreadable and forged messages within the window; None while Redis does not answer."""
        window = timedelta(seconds=self.settings.checks.dead_letters.window_seconds)
        since = int((now - window).timestamp() * 1000)  # entries are named by the millisecond that they came
        found = {}
        try:
            async with asyncio.timeout(REDIS_SECONDS):
                for topic in FLOW:
                    entries = await self.redis.xrange(f"dead.{topic.name}", min=since, count=MOST_COUNTED)
                    found[topic.name] = len(entries)
        except (RedisError, OSError):
            return None
        return found


def _given(block: Block, ts: datetime) -> CommandGiven:
    return CommandGiven(ts, block.id, block.name, block.subject, STAGE, block.note)


async def watch(
    watchdog: Watchdog,
    *,
    pause: Pause = asyncio.sleep,
    clock: Callable[[], datetime] = utc_now,
    looked: Callable[[], None] = lambda: None,
) -> None:
    """Look again and again until cancelled; raises StartRefused where another watchdog is running."""
    async with database.sole(watchdog.pool, STAGE, patience_seconds=PATIENCE_SECONDS) as conn:
        while True:
            await conn.execute("select 1")  # fails where the connection is gone, and with it the lock
            await watchdog.look(clock())
            looked()
            await pause(watchdog.settings.every_seconds)
