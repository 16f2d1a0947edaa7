"""Following a live source: fill history, poll each close, promise slices, and say when the source does not deliver."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta

from services.contracts.messages import CandleClosed
from services.contracts.topics import CANDLES
from services.domain.calendars import due_open
from services.domain.candles import SECONDS, moment
from services.ingestion import source_store
from services.ingestion.backfill import Feed, Looked, backfill, poll_once
from services.ingestion.service import Publisher
from services.kernel.logging import get
from services.kernel.streams import outgoing

POLL_SECONDS = 2.0
FILL_SECONDS = 15.0
GRACE = timedelta(seconds=20)


class LiveCandles:
    """Polls a live source at each bar's close, repairs gaps, and promises when all is there or the grace has passed.

    A symbol is polled once its history is filled; until then, filling is tried again and again.
    """

    def __init__(self, publisher: Publisher, feed: Feed, asset_classes: frozenset[str], history: timedelta) -> None:
        self.publisher = publisher
        self.feed = feed
        self.asset_classes = asset_classes
        self.history = history
        self.step = timedelta(seconds=SECONDS[publisher.timeframe])
        self.log = get(publisher.name)
        self.filled: set[str] = set()
        self.errors: dict[str, str] = {}
        self.delivering = False
        """Whether the source answers for at least one symbol."""

    async def run(self) -> None:
        """Fill history, then follow the source for ever."""
        await self.publisher.restore()
        await self.fill()
        if self.publisher.state.through is None:
            await self.advance(self.boundary(), begins=self.boundary())
        async with asyncio.TaskGroup() as group:
            group.create_task(_every(FILL_SECONDS, self.fill))
            group.create_task(_every(POLL_SECONDS, self.once))

    def boundary(self) -> datetime:
        """Return the newest bar close that has passed."""
        seconds = int(self.step.total_seconds())
        return moment(int(self.feed.clock().timestamp()) // seconds * seconds)

    async def symbols(self) -> dict[str, str]:
        """Return what this source collects now, with classes; activations change it without a restart."""
        async with self.publisher.pool.acquire() as conn:
            return await source_store.collecting(conn, sorted(self.asset_classes))

    async def fill(self) -> None:
        """Back-fill the symbols that have no whole history yet; those that fail are tried again at the next call."""
        symbols = await self.symbols()
        lacking = {symbol: which for symbol, which in symbols.items() if symbol not in self.filled}
        since = self.boundary() - self.history
        found = await asyncio.gather(
            *(backfill(self.feed, {symbol: which}, since) for symbol, which in lacking.items())
        )
        looks = [looked for one in found for looked in one]
        for looked in looks:
            if looked.error is None:
                self.filled.add(looked.symbol)
                gaps = sum(gap.bars for gap in looked.missing)
                self.log.info("history filled", symbol=looked.symbol, new=looked.new, missing=gaps)
        self._note(looks, symbols)

    async def once(self) -> bool:
        """Look once; True if a slice was promised. Late or missing candles hold it up for the grace time at most."""
        close = self.boundary()
        if self.publisher.state.through is not None and close <= self.publisher.state.through:
            return False
        symbols = await self.symbols()
        polled = {symbol: which for symbol, which in symbols.items() if symbol in self.filled}
        looks = await poll_once(self.feed, polled, close - self.history)
        self._note(looks, symbols)
        newest = {one.symbol: one.newest for one in looks if one.newest is not None}
        late = []
        for symbol, which in sorted(symbols.items()):
            due = due_open(which, self.publisher.timeframe, close)
            if due is not None and (symbol not in newest or newest[symbol] < due):
                late.append(symbol)
        if late and self.feed.clock() < close + GRACE:
            return False
        if late:
            self.log.warning("slice promised without some candles", slice=close.isoformat(), missing=late)
        await self.advance(close, begins=None)
        return True

    async def advance(self, through: datetime, *, begins: datetime | None) -> None:
        """Promise that everything up to ``through`` is stored, and publish the candles since the last promise."""
        before = self.publisher.state.through
        async with self.publisher.pool.acquire() as conn, conn.transaction():
            promise = await self.publisher.promise(conn, through, begins=begins, ended=False)
            rows = await source_store.received_between(conn, self.publisher.timeframe, before or through, through)
        messages = [
            outgoing(CANDLES.name, self.publisher.name, 0, CandleClosed(ts=row[0], **dict(row[1]))) for row in rows
        ]
        await self.publisher.publish(messages, promise)

    def _note(self, looks: Iterable[Looked], symbols: Mapping[str, str]) -> None:
        """Log one line when other symbols than before fail, and when the source delivers all again."""
        before = set(self.errors)
        for looked in looks:
            if looked.error is None:
                self.errors.pop(looked.symbol, None)
            else:
                self.errors[looked.symbol] = looked.error
        self.errors = {symbol: error for symbol, error in self.errors.items() if symbol in symbols}
        self.delivering = not symbols or len(self.errors) < len(symbols)
        if set(self.errors) == before:
            return
        source = self.feed.source.name
        if not self.errors:
            self.log.info("the source delivers again", source=source)
            return
        self.log.error(
            "the source does not deliver; asking again",
            source=source,
            symbols=sorted(self.errors),
            of=len(symbols),
            every_seconds=FILL_SECONDS,
            error=self.errors[min(self.errors)],
        )


async def _every(seconds: float, job: Callable[[], Awaitable[object]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        await job()
