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

    A symbol is polled once its history is filled; until then, filling is tried again and again. A stream that hears a
    bar close may ring: then that symbol is asked for at once, and nothing waits for the next poll.
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
        self.newest: dict[str, datetime] = {}
        self.rung: dict[str, datetime] = {}
        self.bell = asyncio.Event()

    async def run(self) -> None:
        """Fill history, then follow the source for ever."""
        await self.publisher.restore()
        await self.fill()
        if self.publisher.state.through is None:
            await self.advance(self.boundary(), begins=self.boundary())
        async with asyncio.TaskGroup() as group:
            group.create_task(_every(FILL_SECONDS, self.fill))
            group.create_task(self._follow())

    def ring(self, symbol: str, opened: datetime) -> None:
        """Be told by a stream that the bar opened then has closed; the follower asks for it at once."""
        if symbol not in self.newest or self.newest[symbol] < opened:
            self.rung[symbol] = max(opened, self.rung.get(symbol, opened))
            self.bell.set()

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
        """Look at all symbols once; True if a slice was promised. What is late holds it up for the grace at most."""
        return await self._look(None)

    async def answer(self) -> bool:
        """Look at the symbols whose bar was rung for and has closed by our clock; True if a slice was promised."""
        now, rung = self.feed.clock(), {}
        for symbol, opened in list(self.rung.items()):
            if opened + self.step <= now:
                rung[symbol] = self.rung.pop(symbol)
        asked = {symbol for symbol, opened in rung.items() if self.newest.get(symbol, opened - self.step) < opened}
        return bool(asked) and await self._look(asked)

    async def _follow(self) -> None:
        """Poll on the beat, and look in between whenever the bell rings."""
        while True:
            try:
                await asyncio.wait_for(self.bell.wait(), self._patience_s())
            except TimeoutError:
                await self.once()
            else:
                self.bell.clear()
                await self.answer()

    def _patience_s(self) -> float:
        """Seconds to the next poll; less where a bar was rung for that our clock, a little behind, still holds open."""
        now = self.feed.clock()
        waits = [(opened + self.step - now).total_seconds() for opened in self.rung.values()]
        return min([POLL_SECONDS, *(wait for wait in waits if wait > 0)])

    async def _look(self, only: set[str] | None) -> bool:
        close = self.boundary()
        if self.publisher.state.through is not None and close <= self.publisher.state.through:
            return False
        symbols = await self.symbols()
        polled = {s: c for s, c in symbols.items() if s in self.filled and (only is None or s in only)}
        looks = await poll_once(self.feed, polled, close - self.history)
        self._note(looks, symbols)
        self.newest.update({one.symbol: one.newest for one in looks if one.newest is not None})
        self.rung = {s: opened for s, opened in self.rung.items() if s not in self.newest or self.newest[s] < opened}
        late = []
        for symbol, which in sorted(symbols.items()):
            due = due_open(which, self.publisher.timeframe, close)
            if due is not None and (symbol not in self.newest or self.newest[symbol] < due):
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
