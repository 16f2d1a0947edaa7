"""The loop of every stage: read, join, decide, store, publish, acknowledge.

Guarantee: a decision is stored together with its outgoing message, the stage's state and its cursors, in one
transaction. Whatever happens between any two lines, a restart continues from the stored row: inputs that are already
counted are dropped, inputs that the stream lost are read from the outbox, outputs are published again and never
recomputed.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from redis.exceptions import ResponseError

from services.contracts.messages import Message, decode
from services.contracts.topics import BY_NAME, Topic
from services.kernel import database, metrics
from services.kernel.database import Connection
from services.kernel.inbox import Inbox
from services.kernel.logging import get
from services.kernel.outages import outlast
from services.kernel.streams import Envelope, Outgoing, Streams, outgoing
from services.kernel.vouching import NOT_STORED, vouched

E = TypeVar("E")

READ_COUNT = 512
TRIM_EVERY = 256
OUTBOX_KEEP = 2000


class Stage(Protocol[E]):
    """What a service gives to the loop. ``E`` is one joined event, for instance a slice with its orders."""

    name: str
    inputs: tuple[Topic, ...]
    output: Topic

    def take(self, inbox: Inbox) -> list[E]:
        """Take the next events that are complete, oldest first; an empty list means: wait for more."""
        ...

    async def handle(self, conn: Connection, events: list[E]) -> list[Message]:
        """Decide on the events, store the rows (the caller holds the transaction) and return what to publish."""
        ...

    def dump(self) -> str:
        """Return the state as JSON."""
        ...

    async def restore(self, conn: Connection, state: str | None) -> None:
        """Take the stored state (None at the first start) back into memory."""
        ...


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How the loop waits; a live platform may look into the outbox less often than a replay."""

    block_ms: int = 250
    retry_seconds: float = 0.2
    patience_seconds: float = 5.0
    """How long a start waits for an earlier process of this stage to be gone, before it is refused."""
    config_version: str = ""


class StageLoop(Generic[E]):
    """Runs one stage until cancelled; reconnects and restores from the database after any failure of either server."""

    def __init__(self, stage: Stage[E], pool: Connection, streams: Streams, settings: LoopSettings) -> None:
        self.stage = stage
        self.pool = pool
        self.streams = streams
        self.settings = settings
        self.log = get(stage.name)
        self.topics = [topic.name for topic in stage.inputs]
        self.seq = 0
        self.slice_ts: datetime | None = None
        self.inbox = Inbox(self.topics, {})
        self.ready = False
        self._since_trim = 0

    async def run(self) -> None:
        """Loop forever; ChloeErrors (a wrong configuration, a second process) end it, outages do not."""
        await outlast(self.stage.name, self._run, self.settings.retry_seconds)

    async def _run(self) -> None:
        try:
            async with database.sole(
                self.pool, self.stage.name, patience_seconds=self.settings.patience_seconds
            ) as conn:
                await self._start(conn)
                while True:
                    await self._round(conn)
        finally:
            self.ready = False

    async def _start(self, conn: Connection) -> None:
        stored = await database.load_state(conn, self.stage.name)
        await self.stage.restore(conn, stored.state)
        last = await database.last_message(conn, self.stage.output.name, self.stage.name)
        self.seq, self.slice_ts = stored.seq, stored.slice_ts
        self.inbox = Inbox(self.topics, stored.cursors)
        await self.streams.ensure_groups(self.topics)
        await self.streams.drop_pending(self.topics)
        if last is not None:  # readers that missed it see the number and fetch what is before it
            await self.streams.publish(
                [Outgoing(self.stage.output.name, self.stage.name, last.seq, decode(last.body), last.body)]
            )
        await self._recover(conn, self.topics)
        self.ready = True

    async def _round(self, conn: Connection) -> None:
        events = self.stage.take(self.inbox)
        if events:
            await self._decide(conn, events)
            return
        try:
            envelopes = await self.streams.read(self.topics, count=READ_COUNT, block_ms=self.settings.block_ms)
        except ResponseError as error:
            if "NOGROUP" not in str(error) and "WRONGTYPE" not in str(error):
                raise
            await self.streams.ensure_groups(self.topics)
            envelopes = []
        if not envelopes:
            await self.streams.publish([], self.inbox.finished())
            await self._recover(conn, self.topics)
            return
        true, forged = await vouched(conn, envelopes, self.inbox)
        lost = {e.topic for e in true if not self.inbox.offer(e)}
        if forged:
            metrics.FORGED.labels(self.stage.name).inc(len(forged))
            await self.streams.put_aside(forged, NOT_STORED)
            lost.update(self.topics)  # a flood leaves no quiet moment, in which the outbox would be looked into
        if lost:
            await self._recover(conn, sorted(lost))

    async def _decide(self, conn: Connection, events: list[E]) -> None:
        begun = time.perf_counter()
        previous_seq = self.seq
        async with conn.transaction():
            messages = await self.stage.handle(conn, events)
            sent = [
                outgoing(self.stage.output.name, self.stage.name, previous_seq + n, message)
                for n, message in enumerate(messages, start=1)
            ]
            newest = messages[-1].ts if messages else self.slice_ts
            await database.append(
                conn, self.stage.output.name, self.stage.name, previous_seq + 1, [(o.message.ts, o.body) for o in sent]
            )
            await database.save_state(
                conn,
                self.stage.name,
                slice_ts=newest,
                seq=previous_seq + len(sent),
                previous_seq=previous_seq,
                cursors=self.inbox.seen,
                state=self.stage.dump(),
                config_version=self.settings.config_version,
            )
        self.seq, self.slice_ts = previous_seq + len(sent), newest
        await self.streams.publish(sent, self.inbox.finished())
        self._measure(len(events), time.perf_counter() - begun)
        await self._keep_house(conn, len(sent))

    def _measure(self, decided: int, seconds: float) -> None:
        metrics.STAGE_DECISIONS.labels(self.stage.name).inc(decided)
        metrics.STAGE_SECONDS.labels(self.stage.name).observe(seconds)
        if self.slice_ts is not None:
            metrics.STAGE_SLICE.labels(self.stage.name).set(self.slice_ts.timestamp())
        for topic, queue in self.inbox.queues.items():
            metrics.STAGE_LAG.labels(self.stage.name, topic).set(len(queue))

    async def _recover(self, conn: Connection, topics: Sequence[str]) -> None:
        """Read from the outbox what the streams have not brought (yet)."""
        for topic in topics:
            for row in await database.unseen(conn, topic, self.inbox.read_upto(topic)):
                self.inbox.offer(Envelope(topic, row.producer, row.seq, decode(row.body)))
                metrics.OUTBOX_RECOVERED.labels(self.stage.name).inc()

    async def _keep_house(self, conn: Connection, sent: int) -> None:
        self._since_trim += sent
        if self._since_trim < TRIM_EVERY:
            return
        self._since_trim = 0
        topic = BY_NAME[self.stage.output.name]
        await self.streams.trim(topic.name, topic.readers, keep=OUTBOX_KEEP)
        await database.prune(conn, topic.name, self.stage.name, topic.readers, keep=OUTBOX_KEEP)
