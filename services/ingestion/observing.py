"""Ask a source of values (indicators, social, options, dominance, calendars) on its own beat; store and publish."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from services.contracts.messages import IndicatorObserved
from services.contracts.topics import INDICATORS
from services.ingestion import observation_store as store
from services.ingestion.errors import BadKey, Blocked, BudgetSpent, FeedError, NotEntitled
from services.ingestion.registry import Declared
from services.kernel.database import Connection
from services.kernel.logging import get
from services.kernel.streams import Outgoing, Streams, outgoing

LOOK_BACK = timedelta(days=120)
"""How much history the first look asks for; a quarterly series must have a value in it."""
OVERLAP = timedelta(days=3)
"""How far each look reaches behind the newest stored value, to see revisions."""
EVENTS_AHEAD = timedelta(days=30)
KEEP = 10_000
"""About how many indicator messages the stream keeps for those who watch; the table holds them all."""
LONG_PAUSE_SECONDS = 6 * 3600.0
"""How long to leave a source alone whose error only a person, or tomorrow, can mend."""


class Observer:
    """One source of values. A failure is counted in its health and never ends the platform."""

    def __init__(
        self,
        source: Any,
        declared: Declared,
        pool: Connection,
        streams: Streams,
        classes: Mapping[str, str],
        clock: Callable[[], datetime],
    ) -> None:
        self.source = source
        self.declared = declared
        self.pool = pool
        self.streams = streams
        self.classes = dict(classes)
        self.clock = clock
        self.log = get(declared.name)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            pause = await self.once()
            await asyncio.sleep(pause)

    async def once(self) -> float:
        """Look once and return how many seconds to wait before the next look."""
        now = self.clock()
        count, error, pause = 0, None, float(self.declared.settings.every_seconds)
        try:
            count = await self._look(now)
        except FeedError as failure:
            error = str(failure)
            self.log.warning("no values", error=error)
            if isinstance(failure, (BadKey, NotEntitled, Blocked, BudgetSpent)):
                pause = max(pause, LONG_PAUSE_SECONDS)
        async with self.pool.acquire() as conn:
            await store.save_health(
                conn, self.declared.name, self.declared.settings.family, now if count else None, count, error, now
            )
        return pause

    async def _look(self, now: datetime) -> int:
        gives, count = self.declared.gives, 0
        if "indicators" in gives:
            count += await self._indicators(now)
        since = now - timedelta(seconds=2 * self.declared.settings.every_seconds)
        name, symbols = self.declared.name, sorted(self.classes)
        if "social" in gives:
            readings = await self.source.mentions(symbols, since)
            async with self.pool.acquire() as conn:
                count += await store.save_social(conn, name, self.classes, readings)
        if "options_flow" in gives:
            alerts = await self.source.alerts(since)
            async with self.pool.acquire() as conn:
                count += await store.save_options(conn, name, self.classes, alerts)
        if "dominance" in gives:
            reading = await self.source.dominance()
            async with self.pool.acquire() as conn:
                count += await store.save_dominance(conn, name, reading)
        if "calendar" in gives:
            events = await self.source.events(now, now + EVENTS_AHEAD)
            async with self.pool.acquire() as conn:
                count += await store.save_events(conn, name, events)
        return count

    async def _indicators(self, now: datetime) -> int:
        async with self.pool.acquire() as conn:
            newest = await store.newest_indicator(conn, self.declared.name)
        found = await self.source.observe(now - LOOK_BACK if newest is None else min(newest, now) - OVERLAP)
        async with self.pool.acquire() as conn, conn.transaction():
            rows = await store.save_indicators(conn, self.declared.name, found)
        await self.streams.publish([self._message(row) for row in rows])
        if rows:
            await self.streams.trim(INDICATORS.name, INDICATORS.readers, keep=KEEP)
        return len(rows)

    def _message(self, row: Any) -> Outgoing:
        message = IndicatorObserved(
            ts=row["observed_at"],
            name=row["name"],
            symbol=row["symbol"] or None,
            value=row["value"],
            available_at=row["available_at"],
            source=self.declared.name,
        )
        return outgoing(INDICATORS.name, self.declared.name, 0, message)
