"""Redis streams as transport: publish, read by group, acknowledge, trim, dead-letter. Never the truth.

An entry has the fields ``type``, ``ts``, ``producer``, ``seq`` and ``body`` (JSON), so that ``redis-cli xrange`` reads
well. ``seq`` counts a producer's messages on a topic without holes, which lets readers see loss and repetition; 0 marks
a message outside the count (single candles, which the ``candles`` table holds).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from services.contracts.messages import AnyMessage, Message, decode, encode
from services.contracts.topics import BY_NAME
from services.kernel import metrics
from services.kernel.errors import StreamCorrupt

RedisClient: TypeAlias = Any
"""A ``redis.asyncio.Redis`` (its type stubs do not cover streams precisely)."""

DEAD_LETTER_CAP = 1000
DEAD_LETTER_ALARM = 500


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message with its place in its producer's count."""

    topic: str
    producer: str
    seq: int
    message: AnyMessage
    entry_id: str | None = None
    """The stream's entry id, for acknowledging; None when it came from the outbox."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish, already encoded."""

    topic: str
    producer: str
    seq: int
    message: Message
    body: str


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
        for out in messages:
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
            await pipe.execute()

    async def ensure_groups(self, topics: Sequence[str]) -> None:
        """Create this group on each topic, from the stream's beginning; existing groups stay as they are."""
        for topic in topics:
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
        envelopes = []
        for topic, entries in _pairs(reply):
            for entry_id, fields in entries:
                envelope = await self._open(topic, entry_id, fields)
                if envelope is not None:
                    envelopes.append(envelope)
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

    async def _open(self, topic: str, entry_id: str, fields: dict[str, str]) -> Envelope | None:
        try:
            message = decode(fields["body"])
            if type(message).__name__ != fields["type"]:
                raise msgspec.ValidationError(f"field 'type' says {fields['type']}, body {type(message).__name__}")
            _check_belongs(topic, fields["producer"], message)
            return Envelope(topic, fields["producer"], int(fields["seq"]), message, entry_id)
        except (msgspec.DecodeError, KeyError, ValueError) as error:
            reason = f"field {error} is missing" if isinstance(error, KeyError) else str(error)
            await self._dead_letter(topic, entry_id, fields, reason)
            return None

    async def _dead_letter(self, topic: str, entry_id: str, fields: dict[str, str], reason: str) -> None:
        metrics.DEAD_LETTERS.labels(topic).inc()
        dead = f"dead.{topic}"
        kept = {name[:64]: value[:4000] for name, value in fields.items()}
        await self.redis.xadd(
            dead, {**kept, "entry": entry_id, "group": self.group, "reason": reason}, maxlen=DEAD_LETTER_CAP
        )
        await self.redis.xack(topic, self.group, entry_id)
        if await self.redis.xlen(dead) >= DEAD_LETTER_ALARM:
            raise StreamCorrupt(f"stream {topic}: {DEAD_LETTER_ALARM} unreadable messages, the last: {reason}")


def _check_belongs(topic: str, producer: str, message: Message) -> None:
    """Refuse what the flow table does not have: a message of another stream, or one by another stage."""
    row = BY_NAME.get(topic)
    if row is None:
        return
    if type(message) not in row.carries:
        raise msgspec.ValidationError(f"a {type(message).__name__} does not belong on this stream")
    if row.writer not in ("ingestion", producer):  # ingestion writes in the names of its sources
        raise msgspec.ValidationError(f"written by '{producer}', but only '{row.writer}' writes this stream")


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
