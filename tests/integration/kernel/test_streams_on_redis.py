"""Streams on a real Redis: readable entries, dead letters, trimming, and groups after a wipe."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from redis.exceptions import ResponseError

from services.contracts.messages import FeedAdvanced, SliceClosed, encode
from services.kernel import streams as plumbing
from services.kernel.streams import Streams, connect, outgoing

TOPIC = "ingestion.slices"
START = datetime(2024, 1, 1, tzinfo=UTC)
Case = Callable[[Any], Awaitable[None]]


def on_redis(url: str, case: Case) -> None:
    async def whole() -> None:
        redis = connect(url)
        try:
            await case(redis)
        finally:
            await redis.aclose()

    asyncio.run(whole())


def closed(n: int) -> SliceClosed:
    return SliceClosed(ts=START + timedelta(hours=n), timeframe="1h", bars=())


async def send(redis: Any, first: int, last: int) -> None:
    await Streams(redis, "clock").publish(outgoing(TOPIC, "clock", n, closed(n)) for n in range(first, last + 1))


async def read(streams: Streams, count: int = 100) -> list[int]:
    return [e.seq for e in await streams.read([TOPIC], count=count, block_ms=0)]


def test_entries_are_readable_by_people_and_read_back_equal(redis_url: str) -> None:
    async def case(redis: Any) -> None:
        reader = Streams(redis, "execution")
        await reader.ensure_groups([TOPIC])
        await send(redis, 1, 1)
        ((entry_id, fields),) = await redis.xrange(TOPIC)
        assert fields == {
            "type": "SliceClosed",
            "ts": "2024-01-01T01:00:00+00:00",
            "producer": "clock",
            "seq": "1",
            "body": encode(closed(1)).decode(),
        }
        (envelope,) = await reader.read([TOPIC], count=10, block_ms=0)
        assert (envelope.message, envelope.seq, envelope.entry_id) == (closed(1), 1, entry_id)

    on_redis(redis_url, case)


def test_acknowledging_and_publishing_is_one_step(redis_url: str) -> None:
    async def case(redis: Any) -> None:
        reader = Streams(redis, "execution")
        await reader.ensure_groups([TOPIC])
        await send(redis, 1, 3)
        got = await reader.read([TOPIC], count=10, block_ms=0)
        done = [(TOPIC, e.entry_id) for e in got[:2] if e.entry_id]
        message = FeedAdvanced(ts=START, source="x", timeframe="1h")
        await reader.publish([outgoing("ingestion.candles", "x", 1, message)], done)
        assert (await redis.xpending(TOPIC, "execution"))["pending"] == 1
        assert await redis.xlen("ingestion.candles") == 1
        await reader.publish([])

    on_redis(redis_url, case)


def test_a_group_starts_at_the_streams_beginning_and_survives_being_asked_for_twice(redis_url: str) -> None:
    async def case(redis: Any) -> None:
        await send(redis, 1, 2)
        reader = Streams(redis, "inference")
        await reader.ensure_groups([TOPIC])
        await reader.ensure_groups([TOPIC])
        assert await read(reader) == [1, 2]

    on_redis(redis_url, case)


def test_after_a_wipe_reading_says_so_and_the_group_can_be_made_again(redis_url: str) -> None:
    async def case(redis: Any) -> None:
        reader = Streams(redis, "execution")
        await reader.ensure_groups([TOPIC])
        await redis.flushall()
        with pytest.raises(ResponseError, match="NOGROUP"):
            await read(reader)
        await reader.ensure_groups([TOPIC])
        await send(redis, 1, 1)
        assert await read(reader) == [1]

    on_redis(redis_url, case)


GOOD = {"type": "SliceClosed", "ts": "x", "producer": "clock", "seq": "2", "body": encode(closed(2)).decode()}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (GOOD | {"body": "not json"}, "JSON is malformed"),
        (GOOD | {"body": ""}, "Input data was truncated"),
        (GOOD | {"body": b"\xc3\x28"}, "surrogates not allowed"),
        (GOOD | {"body": '{"type":"SliceClosed"}'}, "missing required field `ts`"),
        (GOOD | {"body": GOOD["body"].replace("1h", '1h","surprise":"x')}, "unknown field `surprise`"),
        (GOOD | {"body": GOOD["body"].replace("Z", "")}, "timezone"),
        (GOOD | {"type": "ForecastsMade"}, "field 'type' says ForecastsMade, body SliceClosed"),
        (GOOD | {"seq": "two"}, "invalid literal for int"),
        (GOOD | {"seq": "-1"}, "number -1 is none that a producer counts"),
        (GOOD | {"seq": str(2**63)}, "is none that a producer counts"),
        (GOOD | {"seq": "0"}, "a SliceClosed without a number"),
        (GOOD | {"producer": "stranger"}, "written by 'stranger'"),
        ({k: v for k, v in GOOD.items() if k != "seq"}, "field 'seq' is missing"),
        ({k: v for k, v in GOOD.items() if k != "type"}, "field 'type' is missing"),
        ({b"\xff": b"\xff" * 9000}, "field 'body' is missing"),
    ],
)
def test_a_poison_message_goes_to_the_dead_letters_with_its_reason_and_readers_go_on(
    redis_url: str, fields: dict[Any, Any], reason: str
) -> None:
    async def case(redis: Any) -> None:
        reader, other = Streams(redis, "execution"), Streams(redis, "inference")
        for one in (reader, other):
            await one.ensure_groups([TOPIC])
        await send(redis, 1, 1)
        poison = await redis.xadd(TOPIC, fields)
        await send(redis, 3, 3)
        assert await read(reader) == [1, 3]
        assert await read(other) == [1, 3]
        dead = await redis.xrange(f"dead.{TOPIC}")
        assert [(f["entry"], f["group"]) for _, f in dead] == [(poison, "execution"), (poison, "inference")]
        for _, f in dead:
            assert reason in f["reason"]
            assert all(len(value) <= 4000 for value in f.values())
        assert (await redis.xpending(TOPIC, "execution"))["pending"] == 2, "the poison itself is acknowledged"

    on_redis(redis_url, case)


def test_dead_letters_are_capped_and_however_many_stop_nobody(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plumbing, "DEAD_LETTER_CAP", 20)

    async def case(redis: Any) -> None:
        reader = Streams(redis, "execution")
        await reader.ensure_groups([TOPIC])
        pipe = redis.pipeline(transaction=False)
        for _ in range(600):
            pipe.xadd(TOPIC, {"junk": "1"})
        await pipe.execute()
        await send(redis, 1, 1)
        with structlog.testing.capture_logs() as said:
            assert await read(reader, 1000) == [1]
        assert await redis.xlen(f"dead.{TOPIC}") < 200  # Redis trims whole nodes of a hundred
        assert [(line["topic"], line["entries"], line["reason"]) for line in said] == [
            (TOPIC, 600, "field 'body' is missing")
        ]
        assert (await redis.xpending(TOPIC, "execution"))["pending"] == 1, "only what can be read waits"

    on_redis(redis_url, case)


BEYOND = "18446744073709551615-18446744073709551615"


@pytest.mark.parametrize("spoilt", [TOPIC, f"dead.{TOPIC}"])
@pytest.mark.parametrize("how", ["another kind of value", "the largest id"])
def test_a_stream_that_nothing_can_be_added_to_is_dropped_and_made_again(redis_url: str, spoilt: str, how: str) -> None:
    async def case(redis: Any) -> None:
        if how == "another kind of value":
            await redis.set(spoilt, "x")
        else:
            await redis.xadd(spoilt, {"junk": "1"}, id=BEYOND)
        reader = Streams(redis, "execution")
        await reader.ensure_groups([TOPIC])
        await send(redis, 1, 1)  # at the latest this finds the largest id
        await reader.ensure_groups([TOPIC])
        await redis.xadd(TOPIC, {"junk": "1"})
        await read(reader)  # at the latest this drops the dead letters' stream
        await redis.xadd(TOPIC, {"junk": "1"})
        await send(redis, 2, 2)
        assert await read(reader) == [2]
        assert await redis.xlen(f"dead.{TOPIC}") >= 1

    on_redis(redis_url, case)


def test_trimming_never_cuts_what_a_reader_has_not_acknowledged(redis_url: str) -> None:
    async def case(redis: Any) -> None:
        fast, slow = Streams(redis, "inference"), Streams(redis, "execution")
        for one in (fast, slow):
            await one.ensure_groups([TOPIC])
        await send(redis, 1, 1000)
        got = await fast.read([TOPIC], count=1000, block_ms=0)
        await fast.publish([], [(TOPIC, e.entry_id) for e in got if e.entry_id])
        await slow.trim(TOPIC, ["inference", "execution"], keep=1)
        assert await redis.xlen(TOPIC) == 1000, "the slow reader has read nothing"
        half = await slow.read([TOPIC], count=600, block_ms=0)
        await slow.publish([], [(TOPIC, e.entry_id) for e in half[:400] if e.entry_id])
        await slow.trim(TOPIC, ["inference", "execution"], keep=1)
        left = [int(f["seq"]) for _, f in await redis.xrange(TOPIC)]
        assert left[0] <= 401
        assert left == list(range(left[0], 1001))
        assert len(left) < 1000, "what all have acknowledged goes"

    on_redis(redis_url, case)


def test_a_stream_whose_reader_was_never_there_is_not_trimmed(redis_url: str) -> None:
    async def case(redis: Any) -> None:
        fast = Streams(redis, "inference")
        await fast.ensure_groups([TOPIC])
        await send(redis, 1, 500)
        got = await fast.read([TOPIC], count=1000, block_ms=0)
        await fast.publish([], [(TOPIC, e.entry_id) for e in got if e.entry_id])
        await fast.trim(TOPIC, ["inference", "execution"], keep=1)
        assert await redis.xlen(TOPIC) == 500

    on_redis(redis_url, case)


def test_a_stream_without_readers_keeps_its_newest_entries(redis_url: str) -> None:
    async def case(redis: Any) -> None:
        await send(redis, 1, 1000)
        await Streams(redis, "clock").trim(TOPIC, [], keep=100)
        left = [int(f["seq"]) for _, f in await redis.xrange(TOPIC)]
        assert 100 <= len(left) < 300
        assert left[-1] == 1000

    on_redis(redis_url, case)


def test_what_an_earlier_process_left_unfinished_is_acknowledged_for_the_outbox_brings_it(redis_url: str) -> None:
    async def case(redis: Any) -> None:
        reader = Streams(redis, "execution")
        await reader.ensure_groups([TOPIC])
        await send(redis, 1, 1200)
        await reader.read([TOPIC], count=1100, block_ms=0)
        assert await reader.drop_pending([TOPIC]) == 1100
        assert (await redis.xpending(TOPIC, "execution"))["pending"] == 0
        assert len(await read(reader, 1000)) == 100
        assert await Streams(redis, "execution").drop_pending([TOPIC]) == 100

    on_redis(redis_url, case)
