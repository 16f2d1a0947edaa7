"""A live run as its stages leave it in the database, all being well, and the watchdog looking at it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from decision_cases import portfolio, position

from services.contracts.messages import CommandGiven, PortfolioSettled, decode, encode
from services.execution import store as execution
from services.kernel import database
from services.kernel.config import load
from services.kernel.streams import connect
from services.watchdog.service import Watchdog
from services.watchdog.settings import WATCHDOG_FILE, WatchdogSettings

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = load(WatchdogSettings, WATCHDOG_FILE, ROOT / "config")
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
"""The newest slice: a Wednesday's."""
NOW = NOON + timedelta(seconds=60)
HOUR = timedelta(hours=1)
LOOK = timedelta(seconds=15)
STAGES = ("clock", "inference", "signals", "risk", "execution", "phases", "research")
BTC = "BTC/USDT"

SENT = "select body from outbox where topic = 'gateway.commands' and producer = 'gateway' order by seq"
FLAGS = "select name, subject, cleared_at is null as up from system_flags order by raised_at, name, subject"


def on_live_run(
    urls: tuple[str, str], case: Callable[[Any, Watchdog], Awaitable[None]], settings: WatchdogSettings = SETTINGS
) -> None:
    """Run a case on a run in which all is well."""

    async def go() -> None:
        pool = await database.connect_pool(urls[0], size=4)
        redis = connect(urls[1])
        try:
            async with pool.acquire() as conn, conn.transaction():
                await begin(conn)
            await case(pool, Watchdog(pool, redis, settings, "cafe"))
        finally:
            await redis.aclose()
            await pool.close()

    asyncio.run(go())


async def begin(conn: Any) -> None:
    """Store a run of ten slices, all handled by all stages, with books that hold half a bitcoin."""
    await conn.execute("insert into run (mode, description, timeframe) values ('live', 'test', '1h')")
    await conn.execute("update run set started_at = $1", NOON - 10 * HOUR)
    for n in range(10):
        await conn.execute(
            "insert into slices (ts, timeframe, present, missing, closed_at) values ($1, '1h', 12, '{}', $2)",
            NOON - n * HOUR, NOON - n * HOUR + timedelta(seconds=20),
        )  # fmt: skip
    for stage in STAGES:
        await stage_at(conn, stage, NOON)
    await conn.execute(
        "insert into candles (ts, symbol, timeframe, asset_class, open, high, low, close, volume, source, received_at)"
        " select $1, symbol, '1h', asset_class, 1, 1, 1, 1, 1, 'test', $1 from asset_registry where trading_enabled",
        NOON - HOUR,
    )
    await settle(conn, 1, NOON, portfolio("2500", position(BTC, "0.5", "1000"), ts=NOON))
    await conn.execute(
        "insert into fills"
        " (id, ts, symbol, asset_class, side, quantity, price, fee, slippage, reason, settled_at, cash)"
        " values (gen_random_uuid(), $1, $2, 'crypto', 'buy', 0.5, 1000, 0, 0.05, 'entry', $1, $3)",
        NOON - 90 * 24 * HOUR, BTC, Decimal("-500"),
    )  # fmt: skip


async def stage_at(conn: Any, stage: str, ts: datetime) -> None:
    """Let a stage have handled everything up to a slice."""
    await conn.execute(
        "insert into stage_state (stage, slice_ts, config_version) values ($1, $2, 'cafe')"
        " on conflict (stage) do update set slice_ts = excluded.slice_ts",
        stage, ts,
    )  # fmt: skip


async def settle(conn: Any, seq: int, ts: datetime, books: PortfolioSettled) -> None:
    """Store books as execution does: the tables and the message."""
    await execution.save(conn, books, had_positions=True)
    await database.append(conn, "execution.portfolio", "execution", seq, [(ts, encode(books).decode())])


async def looking(watchdog: Watchdog, start: datetime, looks: int, every: timedelta = LOOK) -> datetime:
    """Look so many times; returns when the next look is due."""
    for n in range(looks):
        await watchdog.look(start + n * every)
    return start + looks * every


async def flags_of(pool: Any) -> list[tuple[str, str, bool]]:
    """Name every flag and whether it is up, in the order that they were raised."""
    return [(row[0], row[1], row[2]) for row in await pool.fetch(FLAGS)]


async def commands_of(pool: Any) -> list[CommandGiven]:
    """Return the commands as their readers get them."""
    messages = [decode(row[0]) for row in await pool.fetch(SENT)]
    return [message for message in messages if isinstance(message, CommandGiven)]
