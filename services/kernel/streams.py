"""Redis streams as transport: publish, read by group, acknowledge, trim, dead-letter. Never the truth.

An entry has the fields ``type``, ``ts``, ``producer``, ``seq`` and ``body`` (JSON), so that ``redis-cli xrange`` reads
well. ``seq`` counts a producer's messages on a topic without holes, which lets readers see loss and repetition; 0 marks
a message outside the count (single candles, which the ``candles`` table holds).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from services.contracts.messages import AnyMessage, CandleClosed, IndicatorObserved, Message, decode, encode
from services.contracts.topics import BY_NAME
from services.kernel import metrics
from services.kernel.logging import get

RedisClient: TypeAlias = Any
"""A ``redis.asyncio.Redis`` (its type stubs do not cover streams precisely)."""

DEAD_LETTER_CAP = 1000
NAME_CAP = 64
VALUE_CAP = 4000
"""Characters of an entry's names and values that a dead letter keeps."""

LAST_SEQ = 2**63 - 1
"""The largest number that the outbox has a place for."""

UNCOUNTED = (CandleClosed, IndicatorObserved)
"""Single values for people who watch: nobody decides on them, for the tables ``candles`` and others hold them."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message with its place in its producer's count."""

    topic: str
    producer: str
    seq: int
    message: AnyMessage
    entry_id: str | None = None
    """The stream's entry id, for acknowledging; None when it came from the outbox."""
    body: str = ""
    """As it stood in the entry, to be compared with what is stored; empty when it came from the outbox."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish, already encoded."""

    topic: str
    producer: str
    seq: int
    message: Message
    body: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An entry that is put aside, as it stood on the stream, and why."""

    topic: str
    entry_id: str
    fields: dict[str, str]
    reason: str


def outgoing(topic: str, producer: str, seq: int, message: Message) -> Outgoing:
    """Encode a message once, for the outbox and the stream alike."""
    return Outgoing(topic, producer, seq, message, encode(message).decode())


def connect(url: str) -> RedisClient:
    """Open a client; reads block longer than redis-py's default socket time-out, so that is switched off.

    It never tries a command again by itself: the stage loop does that, from the stored state. Bytes that are no UTF-8
    pass as surrogates, which no message can hold: so they reach the dead-letter stream, and not a traceback inside the
    client that every restart would meet again.
    """
    return Redis.from_url(
        url,
        decode_responses=True,
        encoding_errors="surrogateescape",
        socket_timeout=None,
        health_check_interval=0,
        retry=Retry(NoBackoff(), 0),
    )


class Streams:
    """One service's view of the streams. The group has the reading stage's name."""

    def __init__(self, redis: RedisClient, group: str) -> None:
        self.redis = redis
        self.group = group

    async def publish(self, messages: Iterable[Outgoing], acknowledge: Sequence[tuple[str, str]] = ()) -> None:
        """Send messages and acknowledge consumed entries ``(topic, entry_id)`` in one round trip."""
        pipe = self.redis.pipeline(transaction=False)
        sent = list(messages)
        for out in sent:
            fields = {
                "type": type(out.message).__name__,
                "ts": out.message.ts.isoformat(),
                "producer": out.producer,
                "seq": out.seq,
                "body": out.body,
            }
            pipe.xadd(out.topic, fields)
        by_topic: dict[str, list[str]] = {}
        for topic, entry_id in acknowledge:
            by_topic.setdefault(topic, []).append(entry_id)
        for topic, ids in by_topic.items():
            pipe.xack(topic, self.group, *ids)
        if len(pipe):
            await self._send(pipe, [out.topic for out in sent])

    async def _send(self, pipe: Any, added: Sequence[str]) -> None:
        """Carry out a pipeline that first adds to the given streams; those that somebody has spoilt are dropped."""
        for n, answer in enumerate(await pipe.execute(raise_on_error=False)):
            if isinstance(answer, Exception):
                if n >= len(added) or not _spoilt(answer):
                    raise answer
                await self._drop(added[n], str(answer))

    async def _drop(self, topic: str, reason: str) -> None:
        """Remove what lies under a stream's name; groups are made again, and readers look into the outbox."""
        get(self.group).error("stream dropped: nothing can be added to it or read from it", topic=topic, reason=reason)
        await self.redis.delete(topic)

    async def ensure_groups(self, topics: Sequence[str]) -> None:
        """Create this group on each topic, from the stream's beginning; existing groups stay as they are."""
        for topic in topics:
            try:
                await self._create_group(topic)
            except ResponseError as error:
                if not _spoilt(error):
                    raise
                await self._drop(topic, str(error))
                await self._create_group(topic)

    async def _create_group(self, topic: str) -> None:
        try:
            await self.redis.xgroup_create(topic, self.group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def read(self, topics: Sequence[str], *, count: int, block_ms: int) -> list[Envelope]:
        """Read new entries; unreadable ones go to the dead-letter stream. Raises ResponseError NOGROUP after a wipe."""
        reply = await self.redis.xreadgroup(
            self.group, "only", dict.fromkeys(topics, ">"), count=count, block=block_ms or None
        )
        envelopes, dead = [], []
        for topic, entries in _pairs(reply):
            for entry_id, fields in entries:
                try:
                    envelopes.append(_opened(topic, entry_id, fields))
                except (msgspec.DecodeError, KeyError, ValueError) as error:
                    reason = f"field {error} is missing" if isinstance(error, KeyError) else str(error)
                    dead.append(DeadLetter(topic, entry_id, fields, reason))
        await self._bury(dead)
        return envelopes

    async def drop_pending(self, topics: Sequence[str]) -> int:
        """Acknowledge what an earlier process read and never finished; the outbox brings it again, in order."""
        dropped = 0
        for topic in topics:
            while True:
                reply = await self.redis.xreadgroup(self.group, "only", {topic: "0"}, count=500)
                ids = [entry_id for _, entries in _pairs(reply) for entry_id, _ in entries]
                if not ids:
                    break
                await self.redis.xack(topic, self.group, *ids)
                dropped += len(ids)
        return dropped

    async def trim(self, topic: str, groups: Sequence[str], keep: int) -> None:
        """Cut a stream below what every group has acknowledged; with no groups, to about ``keep`` entries."""
        if not groups:
            await self.redis.xtrim(topic, maxlen=keep, approximate=True)
            return
        known = {info["name"]: info for info in await self.redis.xinfo_groups(topic)}
        floors = []
        for group in groups:
            if group not in known:
                return
            pending = await self.redis.xpending(topic, group)
            floors.append(str(pending["min"] or known[group]["last-delivered-id"]))
        await self.redis.xtrim(topic, minid=min(floors, key=_id_key), approximate=True)

    async def put_aside(self, envelopes: Sequence[Envelope], reason: str) -> None:
        """Send entries that can be read and may not be believed to the dead-letter streams."""
        await self._bury([DeadLetter(e.topic, e.entry_id or "", _fields(e), reason) for e in envelopes])

    async def _bury(self, dead: Sequence[DeadLetter]) -> None:
        """Keep entries with their reasons and acknowledge them, in one round trip and with one line a stream.

        However many there are, they stop nobody: what a producer stored is read from the outbox.
        """
        if not dead:
            return
        pipe = self.redis.pipeline(transaction=False)
        for one in dead:
            kept = {name[:NAME_CAP]: value[:VALUE_CAP] for name, value in one.fields.items()}
            said = {**kept, "entry": one.entry_id, "group": self.group, "reason": one.reason}
            pipe.xadd(f"dead.{one.topic}", said, maxlen=DEAD_LETTER_CAP)
        for one in dead:
            pipe.xack(one.topic, self.group, one.entry_id)
        await self._send(pipe, [f"dead.{one.topic}" for one in dead])
        for topic, count in Counter(one.topic for one in dead).items():
            metrics.DEAD_LETTERS.labels(topic).inc(count)
            last = next(one for one in reversed(dead) if one.topic == topic)
            get(self.group).error(
                "entries put aside", topic=topic, entries=count, last=last.entry_id, reason=last.reason
            )


def _opened(topic: str, entry_id: str, fields: dict[str, str]) -> Envelope:
    """Read an entry; raises KeyError, ValueError or a ``msgspec.DecodeError`` that says what is wrong with it."""
    message = decode(fields["body"])
    if type(message).__name__ != fields["type"]:
        raise msgspec.ValidationError(f"field 'type' says {fields['type']}, body {type(message).__name__}")
    producer, seq = fields["producer"], int(fields["seq"])
    _check_belongs(topic, producer, message)
    _check_place(producer, seq, message)
    return Envelope(topic, producer, seq, message, entry_id, fields["body"])


def _fields(envelope: Envelope) -> dict[str, str]:
    kind = type(envelope.message).__name__
    return {"type": kind, "producer": envelope.producer, "seq": str(envelope.seq), "body": envelope.body}


def _spoilt(error: Exception) -> bool:
    """Say whether a stream's name holds something else, or an entry with the largest id that there is."""
    return isinstance(error, ResponseError) and ("WRONGTYPE" in str(error) or "exhausted" in str(error))


def _check_belongs(topic: str, producer: str, message: Message) -> None:
    """Refuse what the flow table does not have: a message of another stream, or one by another stage."""
    row = BY_NAME.get(topic)
    if row is None:
        return
    if type(message) not in row.carries:
        raise msgspec.ValidationError(f"a {type(message).__name__} does not belong on this stream")
    if row.writer not in ("ingestion", producer):  # ingestion writes in the names of its sources
        raise msgspec.ValidationError(f"written by '{producer}', but only '{row.writer}' writes this stream")


def _check_place(producer: str, seq: int, message: Message) -> None:
    """Refuse a number or a name that no producer can have stored a message under."""
    if not 0 <= seq <= LAST_SEQ:
        raise msgspec.ValidationError(f"number {seq} is none that a producer counts")
    if seq == 0 and not isinstance(message, UNCOUNTED):
        raise msgspec.ValidationError(f"a {type(message).__name__} without a number; only single values are uncounted")
    if not (producer.isascii() and producer.isprintable() and len(producer) <= NAME_CAP):
        raise msgspec.ValidationError("written under a name that no producer has")


def _pairs(reply: Any) -> Iterable[tuple[str, list[tuple[str, dict[str, str]]]]]:
    """Both shapes of an XREADGROUP reply (a list of pairs, or a mapping under RESP3) as pairs."""
    if not reply:
        return []
    if isinstance(reply, dict):
        return [(topic, [e for chunk in chunks for e in chunk]) for topic, chunks in reply.items()]
    return [(topic, entries) for topic, entries in reply]


def _id_key(entry_id: str) -> tuple[int, int]:
    ms, _, n = entry_id.partition("-")
    return int(ms), int(n or 0)
