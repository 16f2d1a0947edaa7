"""Whoever can write to Redis can hold nobody up and have nothing decided: a reader takes what producers stored."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from forging import PAIRS, START, Ground, believe_everything, entry, ground, listening, message, producer_of

from services.contracts.messages import encode
from services.contracts.topics import CANDLES, COMMANDS, ORDERS, Topic
from services.kernel import metrics
from services.kernel.vouching import NOT_STORED

EVERY_READER = pytest.mark.parametrize(("topic", "reader"), PAIRS, ids=[f"{t.name}-{r}" for t, r in PAIRS])
NONE = "none that a producer counts"
NAMELESS = "written under a name that no producer has"

# Before message 4 is stored, with 1 to 3 known: what is written to the stream, and the reason that it is put aside for.
Forgery = Callable[[Topic], dict[str, Any]]
FORGERIES: dict[str, tuple[Forgery, str]] = {
    "the next number": (lambda t: entry(t, 4, "lie"), NOT_STORED),
    "the next message, guessed to the letter": (lambda t: entry(t, 4), NOT_STORED),
    "an old message under the next number": (lambda t: entry(t, 2, seq=4), NOT_STORED),
    "a far number": (lambda t: entry(t, 1_000_000, "lie"), NOT_STORED),
    "an old number with another message": (lambda t: entry(t, 2, "lie"), NOT_STORED),
    "no number": (lambda t: entry(t, 4, "lie", seq=0), "without a number"),
    "a negative number": (lambda t: entry(t, 4, "lie", seq=-4), NONE),
    "a number beyond all": (lambda t: entry(t, 4, "lie", seq=2**64), NONE),
    "a name that nobody has": (lambda t: entry(t, 1, "lie", producer="stranger"), "stranger"),
    "a name with a zero byte": (lambda t: entry(t, 1, "lie", producer="a\0b"), "\0"),
    "a name in no known script": (lambda t: entry(t, 1, "lie", producer=b"\xff\xfe"), "\udcff"),
}


def reason_for(topic: Topic, name: str, reason: str) -> str:
    """Return what is said of a forgery: among sources an unknown one is only known by having stored nothing."""
    if topic.writer != "ingestion":
        return reason
    return {"stranger": NOT_STORED, "\0": NAMELESS, "\udcff": NAMELESS}.get(reason, reason)


@EVERY_READER
def test_no_forged_entry_reaches_a_reader_and_the_true_ones_all_do(
    database_url: str, redis_url: str, topic: Topic, reader: str
) -> None:
    async def case() -> None:
        async with ground(database_url, redis_url, topic, reader) as on, listening(on) as loop:
            await on.truth(3)
            for forgery, _ in FORGERIES.values():
                await on.forge(forgery(topic))
            await on.all_read()
            assert await on.heard(3) == on.expected, "nothing new was stored, so nothing new may be heard"
            for (name, (_, reason)), (_, said) in zip(FORGERIES.items(), await on.put_aside(), strict=True):
                assert reason_for(topic, name, reason) in said, name
            await on.store(5)
            await on.forge(entry(topic, 4, "lie"), entry(topic, 5, "lie"))  # in front of the true ones
            await on.publish(4, 5)
            assert await on.heard(5) == on.expected
            await on.all_read()
            assert [said for _, said in (await on.put_aside())[-2:]] == [NOT_STORED] * 2
            assert loop.ready

    asyncio.run(case())


@EVERY_READER
def test_each_reader_would_take_a_forged_entry_if_it_did_not_look_into_the_outbox(
    database_url: str, redis_url: str, topic: Topic, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    believe_everything(monkeypatch)

    async def case() -> None:
        async with ground(database_url, redis_url, topic, reader) as on, listening(on):
            await on.truth(3)
            await on.forge(entry(topic, 4, "lie"))
            lie = (producer_of(topic), 4, encode(message(topic, 4, "lie")).decode())
            assert (await on.heard(4))[-1] == lie
            await on.store(5)
            await on.publish(4, 5)
            assert await on.heard(5) == [*on.expected[:3], lie, on.expected[4]], "the true one was shadowed"

    asyncio.run(case())


def test_an_unknown_source_would_be_believed_without_the_check(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    believe_everything(monkeypatch)

    async def case() -> None:
        async with ground(database_url, redis_url, CANDLES, "clock") as on, listening(on):
            await on.truth(1)
            await on.forge(entry(CANDLES, 1, "lie", producer="stranger"))
            await on.truth(2)
            assert ("stranger", 1, encode(message(CANDLES, 1, "lie")).decode()) in await on.heard(2)

    asyncio.run(case())


def test_a_true_entry_that_comes_again_is_dropped_without_a_word_even_when_its_row_is_pruned(
    database_url: str, redis_url: str
) -> None:
    async def case() -> None:
        async with ground(database_url, redis_url, ORDERS, "execution") as on, listening(on):
            await on.truth(4)
            await on.pool.execute("delete from outbox where topic = $1 and seq <= 2", ORDERS.name)
            await on.publish(1, 2, 3, 4, 4, 1)
            assert await on.truth(5) == on.expected
            await on.all_read()
            assert await on.put_aside() == []

    asyncio.run(case())


def test_ten_thousand_forged_entries_hold_nothing_up_and_are_counted_and_said(
    database_url: str, redis_url: str
) -> None:
    async def case() -> None:
        async with ground(database_url, redis_url, ORDERS, "execution") as on, listening(on):
            await on.truth(1)
            before = metrics.FORGED.labels("execution")._value.get()
            with structlog.testing.capture_logs() as said:
                await on.store(3)
                await on.forge(*[entry(ORDERS, 2 + n % 3, "lie") for n in range(10_000)])
                await on.publish(2, 3)
                assert await on.heard(3) == on.expected
                await on.all_read()
            assert metrics.FORGED.labels("execution")._value.get() - before == 10_000
            lines = [line for line in said if line["event"] == "entries put aside"]
            assert sum(line["entries"] for line in lines) == 10_000
            assert {(line["topic"], line["reason"], line["log_level"]) for line in lines} == {
                (ORDERS.name, NOT_STORED, "error")
            }
            assert len(lines) < 200, "a flood must not flood the log"
            assert await on.redis.xlen(f"dead.{ORDERS.name}") < 1_100, "the newest are kept"

    asyncio.run(case())


def test_a_flood_cannot_hide_what_the_stream_has_lost(database_url: str, redis_url: str) -> None:
    async def case() -> None:
        async with ground(database_url, redis_url, COMMANDS, "phases") as on, listening(on):
            await on.truth(1)
            await on.store(2)  # never published: somebody has cut it from the stream
            stop = asyncio.Event()

            async def flood() -> None:
                while not stop.is_set():
                    await on.forge(*[entry(COMMANDS, 3, "lie")] * 20)

            flooding = asyncio.create_task(flood())
            assert await on.heard(2) == on.expected
            stop.set()
            await flooding

    asyncio.run(case())


@pytest.mark.parametrize("after", ["nothing", "a wipe of Redis"])
def test_entries_forged_while_a_reader_is_down_are_refused_when_it_starts(
    database_url: str, redis_url: str, after: str
) -> None:
    async def case() -> None:
        async with ground(database_url, redis_url, ORDERS, "execution") as on:
            async with listening(on):
                await on.truth(2)
            if after == "a wipe of Redis":
                await on.redis.flushall()
            await on.store(3)
            await on.forge(entry(ORDERS, 3, "lie"), entry(ORDERS, 4, "lie"), entry(ORDERS, 1, "lie"))
            async with listening(on):
                assert await on.heard(3) == on.expected
                assert await on.truth(5) == on.expected
                await on.all_read()
            assert [said for _, said in await on.put_aside()] == [NOT_STORED] * 3

    asyncio.run(case())


@pytest.mark.parametrize("spoil", ["the largest id", "another kind of value", "the groups' end"])
def test_a_spoilt_stream_holds_nobody_up(database_url: str, redis_url: str, spoil: str) -> None:
    async def ruin(on: Ground) -> None:
        largest = "18446744073709551615-18446744073709551615"
        if spoil == "the largest id":
            await on.redis.xadd(ORDERS.name, entry(ORDERS, 3, "lie"), id=largest)
        elif spoil == "another kind of value":
            await on.redis.set(ORDERS.name, "x")
        else:
            await on.redis.xgroup_setid(ORDERS.name, "execution", largest)

    async def case() -> None:
        async with ground(database_url, redis_url, ORDERS, "execution") as on, listening(on):
            await on.truth(2)
            await ruin(on)
            assert await on.truth(4) == on.expected
            assert await on.truth(6) == on.expected

    asyncio.run(case())


def test_the_messages_of_these_tests_are_what_the_topics_carry() -> None:
    for topic, _ in PAIRS:
        made = message(topic, 3)
        assert type(made) in topic.carries
        assert made.ts > START
        assert encode(made) != encode(message(topic, 3, "lie"))
