"""The source role: delivers candles (recorded or live), stores them, publishes them, and promises completeness.

A source's promises (``FeedAdvanced``) are numbered and stored in the outbox with the candles they speak of; the single
candles are also published for anyone who wants to watch, outside the count, for the table ``candles`` holds them.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from services.contracts.messages import CandleClosed, FeedAdvanced, encode
from services.contracts.topics import CANDLES
from services.domain.candles import SECONDS, Candles, Timeframe, moment
from services.ingestion import source_store, store
from services.ingestion.files import CandleFile
from services.ingestion.recorded import store_series
from services.kernel import database, metrics
from services.kernel.database import Connection
from services.kernel.outages import outlast
from services.kernel.streams import Outgoing, Streams, outgoing

CHUNK_SLICES = 48
"""How many slices a recorded source promises at once."""
AHEAD_SLICES = 144
"""How far a recorded source runs ahead of the slowest stage."""
WAIT_SECONDS = 0.02
SECOND = timedelta(seconds=1)
PATIENCE_SECONDS = 5.0


class SourceState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a source has delivered, and whether it has nothing more."""

    through: datetime | None = None
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """The part of history that becomes slices; bars before ``begins`` are stored as history only."""

    begins: datetime
    until: datetime


class Publisher:
    """Stores and publishes a source's candles and promises; one a source."""

    def __init__(
        self, pool: Connection, streams: Streams, name: str, timeframe: Timeframe, config_version: str
    ) -> None:
        self.pool = pool
        self.streams = streams
        self.name = name
        self.timeframe = timeframe
        self.config_version = config_version
        self.seq = 0
        self.state = SourceState()

    async def restore(self) -> None:
        """Continue from the stored promise, and say it again for readers that missed it."""
        async with self.pool.acquire() as conn:
            stored = await database.load_state(conn, self.name)
            last = await database.last_message(conn, CANDLES.name, self.name)
        self.seq = stored.seq
        self.state = msgspec.json.decode(stored.state, type=SourceState) if stored.state else SourceState()
        if last is not None:
            again = msgspec.json.decode(last.body, type=FeedAdvanced)
            await self.streams.publish([Outgoing(CANDLES.name, self.name, last.seq, again, last.body)])

    async def promise(self, conn: Connection, through: datetime, *, begins: datetime | None, ended: bool) -> Outgoing:
        """Store the promise in the caller's transaction; publish the result after the commit."""
        message = FeedAdvanced(ts=through, source=self.name, timeframe=self.timeframe, begins=begins, ended=ended)
        out = outgoing(CANDLES.name, self.name, self.seq + 1, message)
        await database.append(conn, CANDLES.name, self.name, self.seq + 1, [(through, out.body)])
        state = SourceState(through, ended)
        await database.save_state(
            conn,
            self.name,
            slice_ts=through,
            seq=self.seq + 1,
            previous_seq=self.seq,
            cursors={},
            state=encode(state).decode(),
            config_version=self.config_version,
        )
        self.state = state
        return out

    async def publish(self, candles: Sequence[Outgoing], promise: Outgoing) -> None:
        """Send what has been committed."""
        self.seq = promise.seq
        await self.streams.publish([*candles, promise])
        if self.seq % 64 == 0:
            await self.streams.trim(CANDLES.name, CANDLES.readers, keep=10_000)


def closed_candles(candles: Candles, source: str, received_at: datetime, revisions: dict[int, int]) -> list[Outgoing]:
    """Make the messages of stored candles; ``revisions`` maps an opening time (epoch s) to its revision number."""
    columns = (candles.ts, candles.open, candles.high, candles.low, candles.close, candles.volume)
    made = []
    for ts, *values in zip(*(column.tolist() for column in columns), strict=True):
        if ts in revisions:
            opened, high, low, close, volume = values
            message = CandleClosed(
                ts=moment(ts),
                symbol=candles.symbol,
                timeframe=candles.timeframe,
                open=opened,
                high=high,
                low=low,
                close=close,
                volume=volume,
                source=source,
                received_at=received_at,
                revision=revisions[ts],
            )
            made.append(outgoing(CANDLES.name, source, 0, message))
    return made


async def replay(publisher: Publisher, series: Sequence[CandleFile], span: Span, stage_names: Sequence[str]) -> None:
    """Deliver recorded candles in time order, never far ahead of the slowest stage; returns when all is delivered.

    Outlasts outages of either server; raises StartRefused while another process delivers under the same name.
    """

    async def attempt() -> None:
        async with database.sole(publisher.pool, publisher.name, patience_seconds=PATIENCE_SECONDS):
            await _replay(publisher, series, span, stage_names)

    await outlast(publisher.name, attempt)


async def _replay(publisher: Publisher, series: Sequence[CandleFile], span: Span, stage_names: Sequence[str]) -> None:
    await publisher.restore()
    if publisher.state.ended:
        return
    if publisher.state.through is None:
        await _store_history(publisher, series, span)
    through = publisher.state.through or span.begins
    step = timedelta(seconds=SECONDS[publisher.timeframe])
    while through < span.until:
        upto = min(through + CHUNK_SLICES * step, span.until)
        await _wait_for_stages(publisher, upto, span.begins, stage_names)
        await _deliver(publisher, series, through, upto, span)
        through = upto


async def _store_history(publisher: Publisher, series: Sequence[CandleFile], span: Span) -> None:
    """Store what lies before the first slice, the refused rows, which symbols are collected, and promise that much."""
    step = timedelta(seconds=SECONDS[publisher.timeframe])
    async with publisher.pool.acquire() as conn, conn.transaction():
        await source_store.collect_only(conn, [one.symbol for one in series])
        for one in series:
            stored = await store_series(conn, one, datetime.now(UTC), span.begins - step + SECOND)
            metrics.CANDLES_STORED.labels(publisher.name).inc(stored.new)
            metrics.CANDLES_REFUSED.labels(publisher.name).inc(len(one.refused))
        # In the same transaction, so that a restart neither repeats this nor loses where the slices begin.
        promise = await publisher.promise(conn, span.begins, begins=span.begins, ended=False)
    await publisher.publish([], promise)


async def _wait_for_stages(publisher: Publisher, upto: datetime, begins: datetime, stage_names: Sequence[str]) -> None:
    while True:
        async with publisher.pool.acquire() as conn:
            slowest = await source_store.slowest(conn, stage_names)
        if upto - (slowest or begins) <= AHEAD_SLICES * timedelta(seconds=SECONDS[publisher.timeframe]):
            return
        await asyncio.sleep(WAIT_SECONDS)


async def _deliver(
    publisher: Publisher, series: Sequence[CandleFile], since: datetime, upto: datetime, span: Span
) -> None:
    """Store and publish the bars that close in (since, upto], then promise ``upto``."""
    now = datetime.now(UTC)
    step = timedelta(seconds=SECONDS[publisher.timeframe])
    messages: list[Outgoing] = []
    async with publisher.pool.acquire() as conn, conn.transaction():
        for one in series:
            part = one.candles.between(since - step + SECOND, upto - step + SECOND)
            stored = await store.store_candles(conn, part, one.asset_class, now)
            metrics.CANDLES_STORED.labels(publisher.name).inc(stored.new)
            metrics.CANDLES_REVISED.labels(publisher.name).inc(stored.revised)
            messages += closed_candles(part, publisher.name, now, stored.written)
        promise = await publisher.promise(conn, upto, begins=None, ended=upto >= span.until)
    messages.sort(key=lambda out: out.message.ts)
    await publisher.publish(messages, promise)
