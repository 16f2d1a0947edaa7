"""Ask a source of values (indicators, social, options, dominance, calendars) on its own beat; store and publish."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.contracts.messages import IndicatorObserved
from services.contracts.topics import INDICATORS
from services.ingestion import observation_store as store
from services.ingestion.errors import BadKey, Blocked, BudgetSpent, FeedError, NotEntitled
from services.ingestion.observations import Named
from services.ingestion.registry import Declared
from services.ingestion.trending import RECENT, TRAILING, Heard, standing_out
from services.kernel.database import Connection
from services.kernel.logging import get
from services.kernel.streams import Outgoing, Streams, outgoing

HOUR = timedelta(hours=1)
LOOK_BACK = timedelta(days=120)
"""How much history the first look asks for; a quarterly series must have a value in it."""
OVERLAP = timedelta(days=3)
"""How far each look reaches behind the newest stored value, to see revisions."""
EVENTS_AHEAD = timedelta(days=30)
KEEP = 10_000
"""About how many indicator messages the stream keeps for those who watch; the table holds them all."""
LONG_PAUSE_SECONDS = 6 * 3600.0
"""How long to leave a source alone whose error only a person, or tomorrow, can mend."""


@dataclass(slots=True)
class Tally:
    """What one look brought: how much in all and of each symbol, and when the newest of it could be known."""

    now: datetime
    total: int = 0
    completeness: float | None = None
    counts: Counter[str] = field(default_factory=Counter)
    newest: dict[str | None, datetime] = field(default_factory=dict)

    def came(self, symbol: str | None, known_at: datetime) -> None:
        """Take note of one value; symbol None is market-wide."""
        if symbol is not None:
            self.counts[symbol] += 1
        for key in {symbol, None}:
            self.newest[key] = max(known_at, self.newest.get(key, known_at))

    def late_s(self, symbol: str | None) -> float | None:
        """Seconds from when the newest value could be known to now; with None of all values."""
        return max(0.0, (self.now - self.newest[symbol]).total_seconds()) if symbol in self.newest else None


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
        error, pause = None, float(self.declared.settings.every_seconds)
        tally = Tally(now)
        try:
            await self._look(now, tally)
        except FeedError as failure:
            error = failure
            self.log.warning("no values", error=str(error))
            if isinstance(failure, (BadKey, NotEntitled, Blocked, BudgetSpent)):
                pause = max(pause, LONG_PAUSE_SECONDS)
        async with self.pool.acquire() as conn:
            await store.save_health(conn, self._health(tally, error, now), now)
        return pause

    def _health(self, tally: Tally, error: FeedError | None, now: datetime) -> list[store.Health]:
        """A line for the source, and one for each of our symbols that it spoke of."""
        name, family = self.declared.name, self.declared.settings.family
        newest, late_s = (now, tally.late_s(None)) if tally.total else (None, None)
        lines = [store.Health("*", name, family, "values", newest, tally.total, error, late_s, tally.completeness)]
        return lines + [
            store.Health(symbol, name, self.classes[symbol], "values", now, count, None, tally.late_s(symbol))
            for symbol, count in tally.counts.items()
            if symbol in self.classes
        ]

    async def _look(self, now: datetime, tally: Tally) -> None:
        gives, name = self.declared.gives, self.declared.name
        if "indicators" in gives:
            await self._indicators(now, tally)
        since = now - timedelta(seconds=2 * self.declared.settings.every_seconds)
        if "social" in gives:
            await self._social(now, since, tally)
        if "options_flow" in gives:
            alerts = await self.source.alerts(since)
            async with self.pool.acquire() as conn:
                tally.total += await store.save_options(conn, name, self.classes, alerts)
            for alert in alerts:
                tally.came(alert.symbol, alert.available_at)
        if "dominance" in gives:
            reading = await self.source.dominance()
            async with self.pool.acquire() as conn:
                tally.total += await store.save_dominance(conn, name, reading)
            tally.came(None, reading.ts)
        if "calendar" in gives:
            events = await self.source.events(now, now + EVENTS_AHEAD)
            ours = [event for event in events if event.symbol is None or event.symbol in self.classes]
            async with self.pool.acquire() as conn:
                tally.total += await store.save_events(conn, name, ours)

    async def _indicators(self, now: datetime, tally: Tally) -> None:
        async with self.pool.acquire() as conn:
            newest = await store.newest_indicator(conn, self.declared.name)
        found = await self.source.observe(now - LOOK_BACK if newest is None else min(newest, now) - OVERLAP)
        async with self.pool.acquire() as conn, conn.transaction():
            rows = await store.save_indicators(conn, self.declared.name, found)
        await self.streams.publish([self._message(row) for row in rows])
        if rows:
            await self.streams.trim(INDICATORS.name, INDICATORS.readers, keep=KEEP)
        tally.total += len(rows)
        for row in rows:
            tally.came(row["symbol"] or None, row["available_at"])

    async def _social(self, now: datetime, since: datetime, tally: Tally) -> None:
        symbols = sorted(self.classes)
        readings = await self.source.mentions(symbols, since)
        async with self.pool.acquire() as conn:
            tally.total += await store.save_social(conn, self.declared.name, self.classes, readings)
        for reading in readings:
            tally.came(reading.symbol, reading.available_at)
        tally.completeness = len({r.symbol for r in readings} & set(symbols)) / len(symbols) if symbols else None
        heard: Sequence[Named] | None = getattr(self.source, "heard", None)
        if heard is not None:
            await self._trending(now, since, heard)

    async def _trending(self, now: datetime, since: datetime, heard: Sequence[Named]) -> None:
        """Count what was written since the last count, and once an hour work out what stands out of it."""
        name = self.declared.name
        async with self.pool.acquire() as conn:
            counted = await store.counted_until(conn, name)
            begun = since if counted is None else max(since, counted)
            if begun < now:
                new = [one for one in heard if begun <= one.at < now]
                counts = Counter(ticker for one in new for ticker in one.tickers)
                await store.save_counts(conn, name, begun, now, len(new), counts)
            last = await store.trended_at(conn, name)
            if last is not None and last.replace(minute=0, second=0, microsecond=0) + HOUR > now:
                return
            middle = now - RECENT
            rows = await store.heard(conn, name, middle - TRAILING, middle, now)
            recent = {row["ticker"]: Heard(row["recent"], row["recent_s"]) for row in rows}
            before = {row["ticker"]: Heard(row["before"], row["before_s"]) for row in rows}
            ours = {symbol.partition("/")[0]: symbol for symbol in self.classes}
            await store.save_trending(conn, name, now, standing_out(recent, before), ours)
            await store.forget_counts(conn, name, middle - 2 * TRAILING)

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
