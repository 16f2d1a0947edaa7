"""A reader of any stream, its true producer, and somebody who can write to Redis and to nothing else."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from services.contracts.messages import Message, decode, encode
from services.contracts.topics import FLOW, Topic
from services.kernel import database
from services.kernel import stage as loop_module
from services.kernel.inbox import Inbox
from services.kernel.stage import LoopSettings, StageLoop
from services.kernel.streams import Envelope, Outgoing, Streams, connect

START = datetime(2024, 1, 1, tzinfo=UTC)
PATIENCE_SECONDS = 30.0
SOURCE = "replay"
"""Under which name the tests' source writes; ingestion itself is no producer."""

PAIRS = [(topic, reader) for topic in FLOW for reader in topic.readers]
"""Every stream with each of its readers."""


def message(topic: Topic, n: int, lie: str = "") -> Message:
    """Make message ``n`` of a topic's counted kind with only what it must have; ``lie`` tells another from it."""
    kind = topic.carries[-1]
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    values = {f.encode_name: _least(f.type) for f in info.fields if f.required}
    forged = decode(msgspec.json.encode({"type": kind.__name__, **values}))
    later = timedelta(minutes=1) if lie else timedelta(0)
    return msgspec.structs.replace(forged, ts=START + timedelta(hours=n) + later)


def _least(kind: msgspec.inspect.Type) -> Any:
    """Give the smallest value that a field of this type takes."""
    least: dict[type[msgspec.inspect.Type], Any] = {
        msgspec.inspect.DateTimeType: START.isoformat(),
        msgspec.inspect.UUIDType: str(UUID(int=0)),
        msgspec.inspect.DecimalType: "0",
        msgspec.inspect.FloatType: 0.0,
        msgspec.inspect.IntType: 0,
        msgspec.inspect.BoolType: False,
        msgspec.inspect.StrType: "x",
        msgspec.inspect.VarTupleType: [],
    }
    if isinstance(kind, msgspec.inspect.LiteralType):
        return kind.values[0]
    if isinstance(kind, msgspec.inspect.UnionType):
        return None
    return least[type(kind)]


def producer_of(topic: Topic) -> str:
    """Name who writes a topic."""
    return SOURCE if topic.writer == "ingestion" else topic.writer


def entry(topic: Topic, n: int, lie: str = "", **changed: Any) -> dict[str, Any]:
    """Make the fields of an entry as its producer would publish it, then changed."""
    body = message(topic, n, lie)
    fields = {"type": type(body).__name__, "ts": body.ts.isoformat(), "producer": producer_of(topic), "seq": n}
    return {**fields, "body": encode(body).decode(), **changed}


class Listener:
    """Decides nothing and writes down what it is given, in order."""

    def __init__(self, topic: Topic, name: str) -> None:
        self.name = name
        self.inputs: tuple[Topic, ...] = (topic,)
        self.output = next((one for one in FLOW if one.writer == name), topic)
        self.heard: list[tuple[str, int, str]] = []

    def take(self, inbox: Inbox) -> list[Envelope]:
        """Take all that waits."""
        (topic,) = self.inputs
        return [inbox.pop(topic.name) for _ in range(len(inbox.queues[topic.name]))]

    async def handle(self, conn: Any, events: list[Envelope]) -> list[Message]:
        """Write down what came."""
        self.heard += [(e.producer, e.seq, encode(e.message).decode()) for e in events]
        return []

    def dump(self) -> str:
        """Return the state as JSON."""
        return msgspec.json.encode(self.heard).decode()

    async def restore(self, conn: Any, state: str | None) -> None:
        """Take the stored state back."""
        self.heard = [] if state is None else msgspec.json.decode(state, type=list[tuple[str, int, str]])


@dataclass
class Ground:
    """The servers, and one topic whose true messages the test decides upon."""

    pool: Any
    redis: Any
    topic: Topic
    reader: str
    stored: int = 0
    expected: list[tuple[str, int, str]] = field(default_factory=list)

    async def store(self, upto: int) -> None:
        """Let the producer decide: its messages are in the outbox, not yet on the stream."""
        producer = producer_of(self.topic)
        made = [message(self.topic, n) for n in range(self.stored + 1, upto + 1)]
        rows = [(one.ts, encode(one).decode()) for one in made]
        async with self.pool.acquire() as conn, conn.transaction():
            await database.append(conn, self.topic.name, producer, self.stored + 1, rows)
            await database.save_state(
                conn, producer, slice_ts=None, seq=upto, previous_seq=self.stored, cursors={}, state="{}",
                config_version="",
            )  # fmt: skip
        self.expected += [(producer, self.stored + n, body) for n, (_, body) in enumerate(rows, start=1)]
        self.stored = upto

    async def publish(self, *numbers: int) -> None:
        """Let the producer publish what it has stored."""
        sent = [(n, message(self.topic, n)) for n in numbers]
        streams = Streams(self.redis, producer_of(self.topic))
        await streams.publish(Outgoing(self.topic.name, streams.group, n, one, encode(one).decode()) for n, one in sent)

    async def forge(self, *entries: Mapping[str, Any]) -> None:
        """Write entries to the stream as anyone can who reaches Redis."""
        pipe = self.redis.pipeline(transaction=False)
        for fields in entries:
            pipe.xadd(self.topic.name, fields)
        await pipe.execute()

    async def truth(self, upto: int) -> list[tuple[str, int, str]]:
        """Store and publish up to a number, and return what the reader has been given once it knows the last."""
        await self.store(upto)
        await self.publish(*range(1, upto + 1))
        return await self.heard(upto)

    async def heard(self, upto: int) -> list[tuple[str, int, str]]:
        """Wait until the reader has stored that it knows a number of the producer; return all that it was given."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                state = await database.load_state(self.pool, self.reader)
                if state.cursors.get(self.topic.name, {}).get(producer_of(self.topic), 0) >= upto:
                    return msgspec.json.decode(state.state or "[]", type=list[tuple[str, int, str]])
                await asyncio.sleep(0.005)

    async def all_read(self) -> None:
        """Wait until nothing on the stream waits for the reader, nor is with it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                (group,) = await self.redis.xinfo_groups(self.topic.name)
                newest = await self.redis.xrevrange(self.topic.name, count=1)
                if newest and group["last-delivered-id"] == newest[0][0] and group["pending"] == 0:
                    return
                await asyncio.sleep(0.005)

    async def put_aside(self) -> list[tuple[str, str]]:
        """Return the producer and the reason of every dead letter, in the order in which they were written."""
        found = [fields for _, fields in await self.redis.xrange(f"dead.{self.topic.name}")]
        found.sort(key=lambda fields: tuple(int(part) for part in fields["entry"].split("-")))
        return [(fields.get("producer", ""), fields["reason"]) for fields in found]


@asynccontextmanager
async def ground(database_url: str, redis_url: str, topic: Topic, reader: str) -> AsyncIterator[Ground]:
    """Open the servers."""
    pool, redis = await database.connect_pool(database_url), connect(redis_url)
    try:
        yield Ground(pool, redis, topic, reader)
    finally:
        await redis.aclose()
        await pool.close()


@asynccontextmanager
async def listening(on: Ground) -> AsyncIterator[StageLoop[Envelope]]:
    """Run the reader as a process would; ends it at the block's end, and raises what ended it before."""
    stage = Listener(on.topic, on.reader)
    loop = StageLoop(stage, on.pool, Streams(on.redis, on.reader), LoopSettings(block_ms=20, retry_seconds=0.01))
    task = asyncio.create_task(loop.run())
    try:
        yield loop
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def believe_everything(monkeypatch: Any) -> None:
    """Switch the check off, to show that an attack would get through without it."""

    async def all_true(_: Any, envelopes: list[Envelope], __: Inbox) -> tuple[list[Envelope], list[Envelope]]:
        return list(envelopes), []

    monkeypatch.setattr(loop_module, "vouched", all_true)
