"""A stage of a few lines on real servers: it writes down each slice and forecasts nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from services.contracts.messages import ForecastsMade, Message, SliceClosed, encode
from services.contracts.topics import FORECASTS, SLICES, Topic
from services.kernel import database
from services.kernel.inbox import Inbox, pop_as
from services.kernel.stage import LoopSettings, StageLoop
from services.kernel.streams import Streams, connect, outgoing

START = datetime(2024, 1, 1, tzinfo=UTC)
PATIENCE = 30.0


def slice_number(n: int) -> SliceClosed:
    return SliceClosed(ts=START + timedelta(hours=n), timeframe="1h", bars=())


class TinyStage:
    """Counts slices; ``failures`` are raised one by one after the rows were written and before they are committed."""

    name = "inference"
    inputs: tuple[Topic, ...] = (SLICES,)
    output = FORECASTS

    def __init__(self, failures: Sequence[Exception] = ()) -> None:
        self.failures = list(failures)
        self.count = 0
        self.starts = 0

    def take(self, inbox: Inbox) -> list[SliceClosed]:
        if inbox.peek(SLICES.name, SliceClosed) is None:
            return []
        return [pop_as(inbox, SLICES.name, SliceClosed)]

    async def handle(self, conn: Any, events: list[SliceClosed]) -> list[Message]:
        for event in events:
            await conn.execute("insert into written (ts) values ($1)", event.ts)
            self.count += 1
        if self.failures:
            raise self.failures.pop(0)
        return [ForecastsMade(ts=event.ts, timeframe="1h", forecasts=()) for event in events]

    def dump(self) -> str:
        return json.dumps({"count": self.count})

    async def restore(self, conn: Any, state: str | None) -> None:
        self.starts += 1
        self.count = json.loads(state)["count"] if state else 0


@dataclass
class Bench:
    """The servers, an upstream clock whose deliveries the test decides upon, and what came out."""

    pool: Any
    redis: Any
    stored: int = 0

    async def store(self, upto: int) -> None:
        """Let the clock decide slices up to a number: they are in the outbox, not yet on the stream."""
        async with self.pool.acquire() as conn, conn.transaction():
            numbers = range(self.stored + 1, upto + 1)
            rows = [(slice_number(n).ts, encode(slice_number(n)).decode()) for n in numbers]
            await database.append(conn, SLICES.name, "clock", self.stored + 1, rows)
            await database.save_state(
                conn,
                "clock",
                slice_ts=None,
                seq=upto,
                previous_seq=self.stored,
                cursors={},
                state="{}",
                config_version="",
            )
        self.stored = upto

    async def send(self, *numbers: int) -> None:
        """Deliver slices on the stream, in the given order."""
        streams = Streams(self.redis, "clock")
        await streams.publish(outgoing(SLICES.name, "clock", n, slice_number(n)) for n in numbers)

    async def raw(self, **fields: Any) -> None:
        """Put anything on the stream."""
        await self.redis.xadd(SLICES.name, fields)

    async def came_out(self, upto: int) -> None:
        """Wait for the stage to publish a number; it does so after the commit."""
        last = "0"
        async with asyncio.timeout(PATIENCE):
            while True:
                reply = await self.redis.xread({FORECASTS.name: last}, block=1000)
                for _, entries in reply.items() if isinstance(reply, dict) else reply or ():
                    flat = [e for chunk in entries for e in chunk] if isinstance(reply, dict) else entries
                    for last, fields in flat:  # noqa: B007 - the next read continues from it
                        if int(fields["seq"]) >= upto:
                            return

    async def written(self) -> list[int]:
        rows = await self.pool.fetch("select ts from written order by n")
        return [round((row[0] - START) / timedelta(hours=1)) for row in rows]

    async def outbox(self) -> list[tuple[int, int]]:
        """Sequence numbers and slice numbers of what the stage published."""
        rows = await self.pool.fetch("select seq, ts from outbox where producer = 'inference' order by seq")
        return [(row[0], round((row[1] - START) / timedelta(hours=1))) for row in rows]

    async def pending(self) -> int:
        found = await self.redis.xpending(SLICES.name, "inference")
        return int(found["pending"])


@asynccontextmanager
async def bench(database_url: str, redis_url: str) -> AsyncIterator[Bench]:
    pool, redis = await database.connect_pool(database_url), connect(redis_url)
    await pool.execute("create table written (n bigserial, ts timestamptz)")
    try:
        yield Bench(pool, redis)
    finally:
        await redis.aclose()
        await pool.close()


@asynccontextmanager
async def running(on: Bench, stage: TinyStage) -> AsyncIterator[StageLoop[SliceClosed]]:
    """Run the stage as a process would; ends it at the block's end."""
    loop = StageLoop(stage, on.pool, Streams(on.redis, stage.name), LoopSettings(block_ms=20, retry_seconds=0.01))
    task = asyncio.create_task(loop.run())
    try:
        yield loop
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
