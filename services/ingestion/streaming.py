"""Follow one exchange's stream: it rings when a candle has closed and gives quotes; polling is the fallback."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from services.ingestion import observation_store as store
from services.ingestion import source_store
from services.ingestion.adapters.ccxt_stream import CcxtStream, OnClosed
from services.ingestion.errors import FeedError
from services.ingestion.quoting import Quotes
from services.kernel.logging import get

BACKOFF_S, BACKOFF_MAX_S = 1.0, 60.0
CHECK_SECONDS = 30.0
"""How often it is looked whether other symbols are collected now, and health is written."""

Open = Callable[[OnClosed], CcxtStream]
"""Opens a connection of its own each time it is called."""


class Streaming:
    """One exchange's stream. Whatever goes wrong with it is logged once, counted, and tried again with backoff."""

    def __init__(
        self,
        open_stream: Open,
        quotes: Quotes,
        asset_classes: Sequence[str],
        quote_seconds: float,
        step: timedelta,
        on_closed: OnClosed,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.open_stream = open_stream
        self.quotes = quotes
        self.asset_classes = asset_classes
        self.quote_seconds = quote_seconds
        self.step = step
        self.on_closed = on_closed
        self.sleep = sleep
        self.log = get(quotes.source)
        self._rung = 0
        self._newest: datetime | None = None
        self._latency_s: float | None = None
        self._failures = 0

    async def run(self) -> None:
        """Connect, listen, and connect again, until cancelled."""
        while True:
            try:
                await self.once()
            except FeedError as error:
                await self._failed(error)
                pause = min(BACKOFF_MAX_S, BACKOFF_S * 2 ** min(self._failures - 1, 10))
                await self.sleep(random.uniform(pause / 2, pause))

    async def once(self) -> None:
        """Listen until other symbols are collected; raises FeedError when the connection fails."""
        classes = await self._collecting()
        if not classes:
            await self.sleep(CHECK_SECONDS)
            return
        stream = self.open_stream(self._closed)
        jobs = (
            stream.follow(list(classes)),
            self._keep_quotes(stream, classes),
            self._until_others(classes),
        )
        tasks = [asyncio.ensure_future(job) for job in jobs]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await stream.close()

    def _closed(self, symbol: str, opened: datetime) -> None:
        self._delivers()
        self._rung += 1
        self._newest = opened if self._newest is None else max(self._newest, opened)
        self._latency_s = max(0.0, (self.quotes.clock() - opened - self.step).total_seconds())
        self.on_closed(symbol, opened)

    def _delivers(self) -> None:
        if self._failures:
            self._failures = 0
            self.log.info("the stream delivers again")

    async def _keep_quotes(self, stream: CcxtStream, classes: dict[str, str]) -> None:
        while True:
            await self.sleep(self.quote_seconds)
            if await self.quotes.keep(classes, stream.quotes()):
                self._delivers()

    async def _until_others(self, classes: dict[str, str]) -> None:
        while True:
            await self.sleep(CHECK_SECONDS)
            await self._note(None)
            if await self._collecting() != classes:
                return

    async def _collecting(self) -> dict[str, str]:
        async with self.quotes.pool.acquire() as conn:
            return await source_store.collecting(conn, self.asset_classes)

    async def _failed(self, error: FeedError) -> None:
        self._failures += 1
        if self._failures == 1:
            self.log.warning("the stream fails; polling goes on", error=str(error))
        await self._note(error)

    async def _note(self, error: FeedError | None) -> None:
        """Write what the stream gave since the last call to its health."""
        line = store.Health(
            "*", self.quotes.source, self.asset_classes[0], "stream", self._newest, self._rung, error, self._latency_s
        )
        self._rung = 0
        await self.quotes.note([line])
