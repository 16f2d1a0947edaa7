"""Best bid and ask of what is collected: stored as they come, from a stream or by asking, with their health."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from services.ingestion import observation_store as store
from services.ingestion import source_store
from services.ingestion.errors import FeedError
from services.ingestion.observations import QuoteReading
from services.kernel.database import Connection
from services.kernel.logging import get

QUOTE_SECONDS = 60.0
"""How often quotes are asked for, and how long a streamed one spares the asking."""


class Quotes:
    """One source's quotes, whichever way they come."""

    def __init__(self, pool: Connection, source: str, clock: Callable[[], datetime]) -> None:
        self.pool = pool
        self.source = source
        self.clock = clock
        self.log = get(source)
        self._came: dict[str, datetime] = {}
        self._health: dict[str, store.Health] = {}

    async def keep(self, classes: Mapping[str, str], found: Sequence[QuoteReading]) -> int:
        """Store quotes and remember when they came; returns how many had both sides."""
        if not found:
            return 0
        now = self.clock()
        for quote in found:
            self._came[quote.symbol] = now
            if quote.symbol in classes:
                count = self._health[quote.symbol].count if quote.symbol in self._health else 0
                late_s = max(0.0, (now - quote.ts).total_seconds())
                self._health[quote.symbol] = store.Health(
                    quote.symbol, self.source, classes[quote.symbol], "quotes", quote.ts, count + 1, latency_s=late_s
                )
        async with self.pool.acquire() as conn:
            return await store.save_quotes(conn, self.source, classes, found)

    async def note(self, failed: Sequence[store.Health] = ()) -> None:
        """Write what came since the last call, and what failed, to the feeds' health."""
        lines, self._health = [*self._health.values(), *failed], {}
        if lines:
            async with self.pool.acquire() as conn:
                await store.save_health(conn, lines, self.clock())

    def fresh(self, symbol: str) -> bool:
        """Whether a quote of the symbol came so lately that none has to be asked for."""
        return symbol in self._came and self.clock() - self._came[symbol] < timedelta(seconds=QUOTE_SECONDS)

    async def poll(self, source: Any, asset_classes: Sequence[str]) -> None:
        """Ask for what no stream has given, again and again, until cancelled."""
        before: set[str] = set()
        while True:
            before = await self.ask(source, asset_classes, before)
            await asyncio.sleep(QUOTE_SECONDS)

    async def ask(self, source: Any, asset_classes: Sequence[str], before: set[str]) -> set[str]:
        """Ask once and return the symbols that failed; one line is logged when these are others than ``before``."""
        async with self.pool.acquire() as conn:
            classes = await source_store.collecting(conn, asset_classes)
        failed: dict[str, FeedError] = {}
        for symbol in classes:
            if self.fresh(symbol):
                continue
            try:
                await self.keep(classes, [await source.quote(symbol)])
            except FeedError as error:
                failed[symbol] = error
        await self.note([store.Health(s, self.source, classes[s], "quotes", error=e) for s, e in failed.items()])
        if failed and failed.keys() != before:
            self.log.warning("no quotes", symbols=sorted(failed), of=len(classes), error=str(failed[min(failed)]))
        return set(failed)
