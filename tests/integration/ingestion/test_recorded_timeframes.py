"""Recorded files of every class and timeframe through the source and the clock: the slices are the back-test's."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from recorded_files import FILES, recorded

from services.contracts.messages import SliceClosed
from services.contracts.topics import SLICES
from services.domain.calendars import due_open
from services.domain.candles import epoch
from services.domain.corporate_actions import CORPORATE_ACTIONS_FILE, CorporateActions
from services.ingestion import source_store
from services.ingestion.clock import ClockStage
from services.ingestion.replay import Recorded, claim, deliver
from services.kernel.config import config_version, load
from services.kernel.database import connect_pool
from services.kernel.errors import StartRefused
from services.kernel.stage import LoopSettings, StageLoop
from services.kernel.streams import Streams, connect
from services.research.history import slices
from services.standalone.platform import run_until

DAILY = [name for name in FILES if name.endswith("_1d")]
"""All but the unadjusted one, which is of a symbol that is among these."""
COINS = [name for name in FILES if name.endswith("-USDT_1h")]
CASES: dict[str, tuple[list[str], str, str, int]] = {
    "daily bars over Presidents' Day and Good Friday": (DAILY, "2023-02-15", "2023-04-11", 55),
    "an unadjusted split": (["TQQQ_1d_unadjusted"], "2011-02-14", "2011-03-14", 28),
    "coins and forex over Christmas and a weekend": ([*COINS, "GBPJPY_1h"], "2021-12-23", "2021-12-28", 120),
    "coins and a stock over Thanksgiving": ([*COINS, "NVDA_1h"], "2023-11-22", "2023-11-28", 144),
    "minutes over a night": (["GME_1m"], "2022-03-14T19", "2022-03-15T15", 1200),
}


async def through_the_clock(read: Recorded, database_url: str, redis_url: str) -> list[SliceClosed]:
    """Deliver the files as the platform's source and return what the clock closed."""
    pool, redis = await connect_pool(database_url, size=6, durable=False), connect(redis_url)
    async with pool.acquire() as conn, conn.transaction():
        await claim(conn, read, read.timeframe)
    stage = ClockStage(read.timeframe, None, load(CorporateActions, CORPORATE_ACTIONS_FILE))
    loop = StageLoop(stage, pool, Streams(redis, stage.name), LoopSettings(config_version=config_version()))

    async def finished() -> None:
        while await pool.fetchval("select slice_ts from stage_state where stage = 'clock'") != read.span.until:
            await asyncio.sleep(0.02)

    await run_until(finished(), [loop.run, lambda: deliver(pool, redis, read, config_version(), ("clock",))])
    rows = await pool.fetch("select body from outbox where topic = $1 order by seq", SLICES.name)
    await redis.aclose()
    await pool.close()
    return [msgspec.json.decode(row["body"], type=SliceClosed) for row in rows]


def test_every_recorded_file_is_in_one_of_these_replays() -> None:
    assert {name for names, *_ in CASES.values() for name in names} == set(FILES)


@pytest.mark.parametrize(("names", "since", "until", "count"), CASES.values(), ids=CASES)
def test_recorded_files_close_the_same_slices_in_a_replay_and_in_memory(
    names: list[str], since: str, until: str, count: int, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    span = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (since, until)]
    read = recorded(names, tmp_path / "candles", *span)
    assert read.slices == count
    closed = asyncio.run(through_the_clock(read, database_url, redis_url))
    assert closed == slices(read.series, read.span)
    kept = {one.symbol: one for one in read.series}
    for one in closed:
        for absent in one.missing:
            due = due_open(kept[absent.symbol].asset_class, read.timeframe, one.ts)
            assert due is not None, f"{one.ts}: {absent.symbol}'s market was closed"
            assert epoch(due) not in kept[absent.symbol].candles.ts


def test_a_database_of_other_bars_is_refused(database_url: str) -> None:
    async def claim_twice() -> None:
        pool = await connect_pool(database_url, size=1)
        async with pool.acquire() as conn:
            await source_store.claim_run(conn, "replay", "NVDA", "1h")
            await source_store.claim_run(conn, "replay", "NVDA", "1h")
            with pytest.raises(StartRefused, match="holds a replay of 1h bars, not of 1d: use another database"):
                await source_store.claim_run(conn, "replay", "NVDA", "1d")
        await pool.close()

    asyncio.run(claim_twice())
