"""The research stage on real servers: what it says and stores, killed in between, and going on from a history."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from nightly_made_up import ADA, BTC, DAYS, made_up

from services.contracts.messages import ForecastsMade, ResearchMade, decode, encode
from services.contracts.topics import FORECASTS, RESEARCH
from services.domain.candles import epoch
from services.kernel import database
from services.kernel.errors import StartRefused
from services.kernel.stage import LoopSettings, StageLoop
from services.kernel.streams import Streams, connect
from services.research.nightly import decide as nightly
from services.research.nightly import history as nightly_history
from services.research.nightly import store as nightly_store
from services.research.nightly.params import load_params
from services.research.nightly.service import ResearchStage, load_stage

pytestmark = pytest.mark.anyio


async def publish(pool: Any, made: Sequence[ForecastsMade], first: int = 1) -> None:
    """Store forecasts as inference does."""
    async with pool.acquire() as conn, conn.transaction():
        rows = [(one.ts, encode(one).decode()) for one in made]
        await database.append(conn, FORECASTS.name, "inference", first, rows)
        await database.save_state(
            conn, "inference", slice_ts=made[-1].ts, seq=first + len(made) - 1, previous_seq=first - 1, cursors={},
            state="{}", config_version="",
        )  # fmt: skip


async def run_through(pool: Any, redis: Any, stage: ResearchStage, until: int) -> None:
    """Run the stage's loop until it has consumed so many slices, then end it as a kill does."""
    loop = StageLoop(stage, pool, Streams(redis, stage.name), LoopSettings(block_ms=20))
    task = asyncio.create_task(loop.run())
    async with asyncio.timeout(30):
        while True:
            cursors = await pool.fetchval("select cursors::text from stage_state where stage = 'research'")
            if cursors and json.loads(cursors).get(FORECASTS.name, {}).get("inference") == until:
                break
            assert not task.done(), task.exception()
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def said_purely(made: Sequence[ForecastsMade]) -> list[ResearchMade]:
    params = load_params()
    state, said = nightly.start(params), []
    for one in made:
        state = nightly.observe(state, one, params)
        if nightly.ends_day(one.ts):
            state, word = nightly.word(state, one.ts, params)
            said.append(word)
    return said


async def test_killed_and_restarted_it_says_and_stores_what_the_pure_measurement_says(
    database_url: str, redis_url: str
) -> None:
    made = made_up()
    pool, redis = await database.connect_pool(database_url, size=4), connect(redis_url)
    for first, last in ((0, 100), (100, 101), (101, 613), (613, len(made))):
        await publish(pool, made[first:last], first + 1)
        await run_through(pool, redis, load_stage(), last)
    bodies = await pool.fetch("select seq, body from outbox where topic = $1 order by seq", RESEARCH.name)
    tiers = await pool.fetch("select * from research_tiers order by as_of, symbol")
    edges = await pool.fetch("select * from research_edges where source <> 'plan' order by as_of, symbol")
    await redis.aclose()
    await pool.close()
    expected = said_purely(made)
    assert [row["body"] for row in bodies] == [encode(word).decode() for word in expected]
    assert [row["seq"] for row in bodies] == list(range(1, DAYS + 1))
    assert [(row["symbol"], row["as_of"], row["tier"], row["why"], row["n"], row["edge_bps"]) for row in tiers] == [
        (one.symbol, word.ts, one.tier, one.tier_why, one.n, one.edge_bps) for word in expected for one in word.assets
    ]
    assert {row["source"] for row in (*tiers, *edges)} == {"replay"}
    ada = next(one for one in expected[-1].assets if one.symbol == ADA)
    assert [(one.regime, one.bucket) for one in ada.cells] == [("high_vol", 8), ("trend_up", 8), ("chop", 8)]
    assert ada.tier == 1
    mondays = {row["as_of"].weekday() for row in edges if row["symbol"] == BTC}
    assert mondays == {0}, "cells that do not stand out are stored once a week"
    newest = [row for row in edges if row["symbol"] == ADA and row["as_of"] == expected[-1].ts]
    assert [row["q_value"] for row in newest] == [one.q_value for one in ada.cells]


async def test_the_plans_table_is_stored_once_as_the_plans(database_url: str) -> None:
    stage = load_stage()
    pool = await database.connect_pool(database_url, size=1)
    async with pool.acquire() as conn:
        await stage.restore(conn, None)
        await stage.restore(conn, stage.dump())
        rows = await conn.fetch("select * from research_edges order by symbol, bucket")
    await pool.close()
    assert {(row["source"], row["n"], row["low_bps"]) for row in rows} == {("plan", 0, None)}
    told = {(row["symbol"], row["regime"], row["bucket"], row["edge_bps"]) for row in rows}
    assert {(BTC, "high_vol", 0, 9.8), (ADA, "all", -1, -4.7), ("ETH/USDT", "high_vol", -1, 1.6)} <= told
    assert len(told) == 3 + 4 + 4 + 4 + 4 + 2 + 1 + 5


async def handed(pool: Any, made: Sequence[ForecastsMade], through: int) -> None:
    history = nightly_history.measure(made, load_params())
    async with pool.acquire() as conn, conn.transaction():
        running = await nightly_store.running_state(conn)
        state = nightly_history.handed(history, through, running)
        await nightly_store.hand_over(conn, state, "")


async def test_it_goes_on_from_a_history_as_if_it_had_seen_it(database_url: str, redis_url: str) -> None:
    made = made_up()
    history, live = made[:600], made[600:]
    pool, redis = await database.connect_pool(database_url, size=4), connect(redis_url)
    await handed(pool, history, epoch(history[-1].ts))
    await publish(pool, live)
    await run_through(pool, redis, load_stage(), len(live))
    body = await pool.fetchval("select body from outbox where topic = $1 order by seq desc limit 1", RESEARCH.name)
    await redis.aclose()
    await pool.close()
    whole, found = said_purely(made)[-1], decode(body)
    assert isinstance(found, ResearchMade)
    for one, other in zip(whole.assets, found.assets, strict=True):
        assert (other.n, other.edge_bps, other.low_bps, other.cells) == (one.n, one.edge_bps, one.low_bps, one.cells)


async def test_history_that_comes_after_the_stage_has_begun_is_put_before_it(database_url: str, redis_url: str) -> None:
    made = made_up()
    history, live = made[:600], made[600:]
    pool, redis = await database.connect_pool(database_url, size=4), connect(redis_url)
    await publish(pool, live)
    await run_through(pool, redis, load_stage(), len(live))
    await handed(pool, history, epoch(history[-1].ts))
    stage = load_stage()
    async with pool.acquire() as conn:
        stored = await database.load_state(conn, "research")
        await stage.restore(conn, stored.state)
    await redis.aclose()
    await pool.close()
    whole = nightly_history.measure(made, load_params()).assets[ADA]
    joined = stage.state.assets[ADA]
    rows = [sum(tally.rows for tally in own.cells.values()) for own in (whole, joined)]
    assert rows[0] - rows[1] == 12, "a horizon's outcomes between the two are nobody's"
    assert stored.cursors[FORECASTS.name] == {"inference": len(live)}


async def test_a_replay_before_the_end_of_its_history_is_refused(database_url: str) -> None:
    made = made_up(days=2)
    pool = await database.connect_pool(database_url, size=2)
    await handed(pool, made, epoch(made[-1].ts))
    stage = load_stage()
    async with pool.acquire() as conn:
        await conn.execute("insert into run (mode, description, timeframe) values ('replay', 'made up', '1h')")
        await stage.restore(conn, (await database.load_state(conn, "research")).state)
        with pytest.raises(StartRefused, match="it would know its own future"):
            await stage.handle(conn, made[:3])
    await pool.close()
