"""Forged messages at every step of a replay, by somebody faster than every service: the books are as if they were not.

Beside it the same forgeries with the check switched off, one at a time: each does what it is meant to do.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bypass_ground as on
import few_models
import psycopg
import pytest
from bypass_doors import Doors
from psycopg import conninfo

from services.contracts.topics import (
    ACTIVATIONS,
    CANDLES,
    COMMANDS,
    FLOW,
    FORECASTS,
    ORDERS,
    PORTFOLIO,
    RESEARCH,
    SLICES,
    TARGETS,
)
from services.kernel.streams import Outgoing, connect
from services.kernel.vouching import NOT_STORED
from services.standalone.platform import Platform
from services.standalone.servers import Servers

LOOKS, LOOK_SECONDS = 1_000, 0.02
"""How often and how soon again is looked for what an attack does."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Few models and many trades."""
    return few_models.write_config(tmp_path_factory.mktemp("bypass") / "config")


@pytest.fixture(scope="module")
def undisturbed(
    servers: Servers, template: str, config: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[on.Books]:
    """The books of a run that nobody attacks."""
    name = "bypass_undisturbed"
    with psycopg.connect(servers.database_url, autocommit=True) as conn:
        conn.execute(f"create database {name} template {template}")
    url = f"postgresql://postgres@/{name}?host={conninfo.conninfo_to_dict(servers.database_url)['host']}"
    import redis

    redis.Redis.from_url(servers.redis_url).flushall()
    yield asyncio.run(on.replay(url, servers.redis_url, tmp_path_factory.mktemp("undisturbed"), config))
    with psycopg.connect(servers.database_url, autocommit=True) as conn:
        conn.execute(f"drop database {name} with (force)")


def enabled(found: on.Books) -> list[str]:
    return [row[0] for row in found["asset_registry"] if row[1]]


def strangers(found: on.Books) -> list[Any]:
    """Return the orders that were not refused, and the fills, of assets that are not enabled."""
    may = enabled(found)
    orders = [row for row in found["orders"] if row[2] not in may and row[5] != "refused"]
    return orders + [row for row in found["fills"] if row[3] not in may]


def test_books_are_as_undisturbed_whatever_is_written_to_the_streams(
    database_url: str,
    redis_url: str,
    tmp_path: Path,
    config: Path,
    undisturbed: on.Books,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert len(undisturbed["fills"]) >= 4, "the replay is meant to trade"
    assert on.STRANGER not in enabled(undisturbed)
    forger = on.EveryForgery()
    on.attack_before_publishing(monkeypatch, forger.before, forger.after)
    doors = Doors(database_url, tmp_path)
    dead: dict[str, list[str]] = {}

    async def case() -> on.Books:
        found = await on.replay(database_url, redis_url, tmp_path, config, doors.knock, doors.write_rows)
        redis = connect(redis_url)
        for topic in FLOW:
            dead[topic.name] = [entry["reason"] for _, entry in await redis.xrange(f"dead.{topic.name}")]
        await redis.aclose()
        return found

    found = asyncio.run(case())
    assert forger.written > 5_000
    assert (doors.opened, doors.rows_written) == ([], [])
    assert min(doors.knocks, doors.rows_tried) > 100
    assert on.differences(found, undisturbed) == []
    assert strangers(found) == []
    published = {row[0] for row in found["outbox"]} | {COMMANDS.name}
    for topic in FLOW:
        assert (NOT_STORED in dead[topic.name]) == (topic.name in published and bool(topic.readers)), topic.name


async def _filled(pool: Any) -> bool:
    return bool(await pool.fetchval("select count(*) from fills where symbol = $1", on.STRANGER))


def differs_from(expected: on.Books, topic: str) -> Any:
    """Make the question whether a later stage has said anything else than in the undisturbed run."""
    truth = {row[:3]: row[4] for row in expected["outbox"]}

    async def arrived(pool: Any) -> bool:
        rows = await pool.fetch("select topic, producer, seq, body from outbox where topic <> $1", topic)
        return any(truth.get((row[0], row[1], row[2])) != row[3] for row in rows)

    return arrived


CHAINS = {
    "an order for an asset that is not enabled": (ORDERS.name,),
    "targets, and the word that it is enabled": (TARGETS.name, ACTIVATIONS.name),
    "the command to enable it, forced": (COMMANDS.name,),
}


@pytest.mark.parametrize("topics", CHAINS.values(), ids=CHAINS)
def test_without_the_check_the_asset_that_is_not_enabled_is_bought(
    database_url: str, redis_url: str, tmp_path: Path, config: Path, topics: tuple[str, ...], monkeypatch: Any
) -> None:
    on.believe_everything(monkeypatch)
    assert asyncio.run(_attacked(database_url, redis_url, tmp_path, config, topics, _filled, monkeypatch))


BELIEVED = (CANDLES, SLICES, FORECASTS, TARGETS, PORTFOLIO, RESEARCH, ACTIVATIONS)


@pytest.mark.parametrize("topic", BELIEVED, ids=lambda topic: topic.name)
def test_without_the_check_a_forged_message_changes_what_is_decided_after_it(
    database_url: str, redis_url: str, tmp_path: Path, config: Path, topic: Any, undisturbed: on.Books, monkeypatch: Any
) -> None:
    on.believe_everything(monkeypatch)
    arrived = differs_from(undisturbed, topic.name)
    assert asyncio.run(_attacked(database_url, redis_url, tmp_path, config, (topic.name,), arrived, monkeypatch))


@pytest.mark.parametrize("topics", CHAINS.values(), ids=CHAINS)
def test_with_the_check_it_is_not_bought(
    database_url: str, redis_url: str, tmp_path: Path, config: Path, topics: tuple[str, ...], undisturbed: on.Books,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The very attacks of the tests before, so that only the check makes the difference."""

    async def case() -> on.Books:
        on.attack_before_publishing(monkeypatch, _lying_on(topics))
        return await on.replay(database_url, redis_url, tmp_path, config)

    assert on.differences(asyncio.run(case()), undisturbed) == []


def _lying_on(topics: tuple[str, ...]) -> on.Attack:
    commanded = False

    async def before(redis: Any, out: Outgoing) -> None:
        nonlocal commanded
        if out.topic in topics and out.seq:
            await on.write(redis, [on.fields(out.topic, out.producer, out.seq, on.lie(out.message))])
        if COMMANDS.name in topics and out.topic == ACTIVATIONS.name and not commanded:
            commanded = True
            forged = on.commands_forged(out.message.ts)[0]
            await on.write(redis, [on.fields(COMMANDS.name, "gateway", 1, forged)])

    return before


async def _attacked(
    database_url: str,
    redis_url: str,
    folder: Path,
    config: Path,
    topics: tuple[str, ...],
    arrived: Any,
    monkeypatch: Any,
) -> bool:
    """Run under attack until it has shown; say whether it has."""
    on.attack_before_publishing(monkeypatch, _lying_on(topics))
    seen = asyncio.Event()

    async def look(platform: Platform) -> None:
        for _ in range(LOOKS):
            if await arrived(platform.pool):
                seen.set()
                raise ShownError
            await asyncio.sleep(LOOK_SECONDS)

    try:
        await on.replay(database_url, redis_url, folder, config, look)
    except* ShownError:
        pass
    return seen.is_set()


class ShownError(Exception):
    """The attack has shown; the rest of the replay is of no interest."""
