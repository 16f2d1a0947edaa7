"""The loop on real servers: whatever happens, each slice is decided once, in order, wholly."""

import asyncio
import random
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from tiny_stage import Bench, TinyStage, bench, running

from services.contracts.topics import SLICES
from services.kernel.database import connect_pool
from services.kernel.errors import StartRefused


def wholly(upto: int) -> list[tuple[int, int]]:
    return [(n, n) for n in range(1, upto + 1)]


async def check(on: Bench, upto: int) -> None:
    assert await on.written() == list(range(1, upto + 1))
    assert await on.outbox() == wholly(upto)


def test_slices_are_decided_once_and_in_order(database_url: str, redis_url: str) -> None:
    async def case() -> None:
        async with bench(database_url, redis_url) as on, running(on, TinyStage()):
            await on.store(5)
            await on.send(1, 2, 3, 4, 5)
            await on.came_out(5)
            await check(on, 5)

    asyncio.run(case())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"type": "SliceClosed", "producer": "clock", "seq": "2"}, "field 'body' is missing"),
        ({"type": "SliceClosed", "producer": "clock", "seq": "2", "body": "{"}, "truncated"),
        ({"type": "SliceClosed", "producer": "clock", "seq": "2", "body": b"\xff\xfe{}"}, "surrogates not allowed"),
        ({"nonsense": "1"}, "field 'body' is missing"),
    ],
)
def test_a_malformed_message_is_put_aside_with_its_reason_and_the_rest_goes_on(
    database_url: str, redis_url: str, fields: dict[str, Any], reason: str
) -> None:
    async def case() -> None:
        async with bench(database_url, redis_url) as on, running(on, TinyStage()) as loop:
            await on.store(4)
            await on.send(1)
            await on.raw(**fields)
            await on.send(2, 3, 4)
            await on.came_out(4)
            await check(on, 4)
            ((_, dead),) = await on.redis.xrange(f"dead.{SLICES.name}")
            assert reason in dead["reason"]
            assert dead["group"] == "inference"
            assert loop.ready

    asyncio.run(case())


def test_a_message_of_another_stream_or_stage_is_put_aside(database_url: str, redis_url: str) -> None:
    async def case() -> None:
        async with bench(database_url, redis_url) as on, running(on, TinyStage()):
            await on.store(2)
            await on.send(1)
            await on.came_out(1)
            (row,) = await on.pool.fetch("select body from outbox where producer = 'inference'")
            ts = "2024-01-01T00:00:00+00:00"
            await on.raw(type="ForecastsMade", ts=ts, producer="clock", seq=2, body=row[0])
            body = await on.pool.fetchval("select body from outbox where producer = 'clock' and seq = 2")
            await on.raw(type="SliceClosed", ts=ts, producer="stranger", seq=1, body=body)
            await on.send(2)
            await on.came_out(2)
            await check(on, 2)
            dead = [fields["reason"] for _, fields in await on.redis.xrange(f"dead.{SLICES.name}")]
            assert dead == [
                "a ForecastsMade does not belong on this stream",
                "written by 'stranger', but only 'clock' writes this stream",
            ]

    asyncio.run(case())


def test_what_the_stream_lost_is_read_from_the_outbox(database_url: str, redis_url: str) -> None:
    async def case() -> None:
        async with bench(database_url, redis_url) as on, running(on, TinyStage()):
            await on.store(6)
            await on.send(2, 6, 1, 1, 4)
            await on.came_out(6)
            await check(on, 6)
            await on.store(7)
            await on.send(7)
            await on.came_out(7)
            assert await on.pending() == 0, "entries that came early or twice must not hold up trimming"

    asyncio.run(case())


def test_what_was_never_sent_is_read_from_the_outbox_when_the_stream_is_silent(
    database_url: str, redis_url: str
) -> None:
    async def case() -> None:
        async with bench(database_url, redis_url) as on, running(on, TinyStage()):
            await on.store(600)  # more than one reading of the outbox
            await on.came_out(600)
            await check(on, 600)

    asyncio.run(case())


def test_redis_can_lose_everything_in_the_middle(database_url: str, redis_url: str) -> None:
    async def case() -> None:
        async with bench(database_url, redis_url) as on, running(on, TinyStage()) as loop:
            await on.store(3)
            await on.send(1, 2, 3)
            await on.came_out(3)
            await on.redis.flushall()
            await on.store(6)
            await on.came_out(6)
            await on.store(7)
            await on.send(7)  # the group is there again, so the stream brings it
            await on.came_out(7)
            await check(on, 7)
            assert loop.ready

    asyncio.run(case())


@pytest.mark.parametrize(
    "failures",
    [
        [OSError("made up outage")],
        [RedisConnectionError("made up outage"), OSError("again")],
        [ConnectionResetError("made up outage")] * 3,
    ],
)
def test_an_outage_within_a_decision_leaves_nothing_half_done(
    database_url: str, redis_url: str, failures: list[Exception]
) -> None:
    async def case() -> None:
        async with bench(database_url, redis_url) as on:
            stage = TinyStage(failures)
            async with running(on, stage):
                await on.store(3)
                await on.send(1, 2, 3)
                await on.came_out(3)
                await check(on, 3)
                assert stage.count == 3
                assert stage.starts == outages + 1

    outages = len(failures)
    asyncio.run(case())


def test_an_error_that_is_no_outage_ends_the_stage_with_nothing_half_done(database_url: str, redis_url: str) -> None:
    async def case() -> None:
        async with bench(database_url, redis_url) as on:
            await on.store(2)
            async with running(on, TinyStage([ValueError("a bug")])) as loop:
                with pytest.raises(ValueError, match="a bug"):
                    async with asyncio.timeout(30):
                        await loop.run()
            assert await on.written() == []
            assert await on.outbox() == []

    asyncio.run(case())


def test_a_new_process_continues_and_publishes_again_without_deciding_again(database_url: str, redis_url: str) -> None:
    async def case() -> None:
        async with bench(database_url, redis_url) as on:
            async with running(on, TinyStage()):
                await on.store(3)
                await on.send(1, 2, 3)
                await on.came_out(3)
            await on.redis.flushall()
            second = TinyStage()
            async with running(on, second):
                await on.came_out(3)
                assert second.count == 3
                await check(on, 3)
                await on.store(4)
                await on.send(4)
                await on.came_out(4)
                await check(on, 4)

    asyncio.run(case())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_stage_that_is_stopped_at_random_decides_each_slice_once(
    database_url: str, redis_url: str, seed: int
) -> None:
    chance = random.Random(seed)

    async def case() -> None:
        async with bench(database_url, redis_url) as on:
            for n in range(1, 9):
                await on.store(n * 5)
                numbers = [k for k in range(max(1, n * 5 - 7), n * 5 + 1) if chance.random() > 0.3]
                chance.shuffle(numbers)
                await on.send(*numbers)
                async with running(on, TinyStage([OSError("made up")] if chance.random() < 0.3 else [])):
                    await on.came_out(chance.randrange(max(1, n * 5 - 5), n * 5 + 1))
            async with running(on, TinyStage()):
                await on.came_out(40)
            await check(on, 40)

    asyncio.run(case())


def test_the_outbox_holds_exactly_what_was_published(database_url: str, redis_url: str) -> None:
    async def case() -> None:
        async with bench(database_url, redis_url) as on, running(on, TinyStage()):
            await on.store(3)
            await on.send(1, 2, 3)
            await on.came_out(3)
            entries = await on.redis.xrange("inference.forecasts")
            stored = await on.pool.fetch("select seq, body from outbox where producer = 'inference' order by seq")
            assert [(int(f["seq"]), f["body"]) for _, f in entries] == [(r[0], r[1]) for r in stored]
            assert all(f["type"] == "ForecastsMade" and f["producer"] == "inference" for _, f in entries)

    asyncio.run(case())


@pytest.mark.parametrize("dsn", ["postgresql://chloe:hunter2-Zx9@127.0.0.1:1/none", "mysql://chloe:hunter2-Zx9@x/y"])
def test_a_database_that_cannot_be_reached_is_one_line_without_its_password(dsn: str) -> None:
    with pytest.raises(StartRefused) as refused:
        asyncio.run(connect_pool(dsn))
    said = str(refused.value)
    assert said.startswith("database ")
    assert "hunter2" not in said
    assert "\n" not in said
