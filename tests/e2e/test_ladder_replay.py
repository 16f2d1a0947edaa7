"""The ladder moves by itself, and alike: through all services, and in the back-test, byte for byte.

Gates and floors are loosened (:mod:`ladder_sample`), so that three weeks of the sample open, watch and take off assets.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import ladder_sample
import msgspec
import pytest

from services.contracts.messages import CommandGiven, CommandName
from services.domain.ledger import fills_jsonl, trades_jsonl
from services.gateway.store import load_trades
from services.inference import store as models
from services.ingestion.replay import claim
from services.kernel.commands import STAGE, record
from services.kernel.config import config_version
from services.kernel.database import Connection, connect_pool
from services.kernel.streams import RedisClient, Streams, connect
from services.phases.chain_check import as_lines, verify
from services.phases.store import read_log
from services.research import shadow_store
from services.research.parameters import load_parameters
from services.research.shadow import Following
from services.standalone.platform import Platform, run_until
from services.standalone.replay import deliver, wait_for_end

SETTLED = "select slice_ts from stage_state where stage = 'execution'"
SHADOW = "select state::text from stage_state where stage = $1"
FLAGS = "select count(*) from system_flags where name = $1"


HALTED = "select count(*) from outbox where topic = 'risk.orders' and body::json ->> 'halted' is not null"

Orders = Sequence[tuple[timedelta, CommandName, str | None]]
"""What a person does, and how long after the run's beginning on the platform's clock."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What the services left."""

    log: bytes
    trades: bytes
    levels: dict[str, str]
    shadow: Following
    flags: int
    halted: int
    """Slices at which trading was halted."""
    commands: list[tuple[str, str, str]]


async def command(pool: Connection, redis: RedisClient, version: str, orders: Orders) -> None:
    """Be the person: give each command once the platform is as far, whatever it is at just then."""
    for after, name, subject in orders:
        while (at := await pool.fetchval(SETTLED)) is None or at < ladder_sample.BEGINS + after:
            await asyncio.sleep(0.01)
        given = partial(CommandGiven, id=uuid4(), name=name, subject=subject, by="ada", note="to be followed")
        async with pool.acquire() as conn, conn.transaction():
            recorded = await record(conn, given, datetime.now(UTC), version)
        assert recorded is not None
        await Streams(redis, STAGE).publish([recorded[1]])


async def through_services(
    database_url: str, redis_url: str, folder: Path, told: ladder_sample.Told, orders: Orders = ()
) -> Ended:
    pool, redis = await connect_pool(database_url, size=20, durable=False), connect(redis_url)
    config, recorded = ladder_sample.config(), told.recorded
    version = config_version(config)
    async with pool.acquire() as conn, conn.transaction():
        await claim(conn, recorded, "1h")
        await models.save_models(conn, told.trained)
    platform = Platform(pool, redis, folder, live=False, config=config)
    follows = partial(shadow_store.run, pool, load_parameters(config), version, pause=lambda _: asyncio.sleep(0.5))
    person = partial(command, pool, redis, version, orders)
    await run_until(
        wait_for_end(platform, recorded, lambda _: None),
        [*(loop.run for loop in platform.loops()), partial(deliver, platform, recorded, version), follows, person],
    )
    await shadow_store.look(pool, load_parameters(config), version, datetime.now(UTC))
    async with pool.acquire() as conn:
        ended = Ended(
            as_lines(await read_log(conn)),
            trades_jsonl(await load_trades(conn)),
            dict(await conn.fetch("select symbol, level from asset_registry where level <> 'off'")),
            msgspec.json.decode(await conn.fetchval(SHADOW, shadow_store.NAME), type=Following),
            await conn.fetchval(FLAGS, shadow_store.FLAG),
            await conn.fetchval(HALTED),
            [tuple(row) for row in await conn.fetch("select name, status, outcome from commands order by seq")],
        )
    await redis.aclose()
    await pool.close()
    return ended


@pytest.mark.slow
def test_the_ladder_moves_through_all_services_as_it_does_in_the_backtest(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    expected = ladder_sample.told().expected
    ended = asyncio.run(through_services(database_url, redis_url, tmp_path, ladder_sample.told()))
    changes = Counter[str](e.activation.change for e in expected.log)
    assert min(changes[change] for change in ladder_sample.CHANGES) >= 1, changes
    assert ended.log == as_lines(expected.log)
    assert verify("the stored log", expected.log, None) == len(expected.log)
    assert ended.trades == trades_jsonl(expected.trades)
    last = expected.words[-1]
    assert ended.levels == {s: "observed" if s in last.observed else "full" for s in last.enabled}
    # The shadow has followed from what the services stored: here it has to find that they did as they should.
    assert (ended.shadow.compared, ended.shadow.adopted) == (ladder_sample.told().recorded.slices, None)
    assert (ended.shadow.differs, ended.flags) == (None, 0)


@pytest.mark.skipif(ladder_sample.YEARS, reason="a few days are enough for this")
def test_the_shadow_follows_what_a_person_does_while_the_services_run(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    told, day = ladder_sample.told(ladder_sample.SHORT), timedelta(days=1)
    orders: Orders = [
        (2 * day, "halt", None),
        (3 * day, "resume", None),
        (4 * day, "disable", ladder_sample.MOVING),
        (5 * day, "block", "BTC/USDT"),
    ]
    ended = asyncio.run(through_services(database_url, redis_url, tmp_path, told, orders))
    assert [(name, status) for name, status, _ in ended.commands] == [(name, "done") for _, name, _ in orders]
    assert ended.halted > 0
    assert ended.log != as_lines(told.expected.log), "what a person did is meant to matter"
    assert (ended.shadow.compared, ended.shadow.adopted) == (told.recorded.slices, None)
    assert (ended.shadow.differs, ended.flags) == (None, 0)


def test_nothing_that_is_off_is_ever_entered_and_a_second_run_gives_the_same_bytes() -> None:
    told = ladder_sample.told()
    first, second = told.expected, ladder_sample.backtested(told.recorded, told.trained)
    assert second is not first
    assert as_lines(second.log) == as_lines(first.log)
    assert (trades_jsonl(second.trades), fills_jsonl(second.fills)) == (
        trades_jsonl(first.trades),
        fills_jsonl(first.fills),
    )
    changed = {word.ts: frozenset(word.enabled) for word in first.words}
    moments = sorted(changed)
    entries = [fill for fill in first.fills if fill.reason in ("entry", "increase")]
    assert len({fill.symbol for fill in entries}) >= 3
    begun = frozenset(("BTC/USDT", "ETH/USDT"))
    for fill in entries:
        # Decided at the slice that it filled after: at midnight itself the day's word is not out yet.
        before = [ts for ts in moments if ts < fill.filled_at]
        assert fill.symbol in (changed[before[-1]] if before else begun), fill
