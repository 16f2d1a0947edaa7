"""Flags of a name and subject are up once, whoever raises them at the same time; each time is a row of its own."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from services.kernel.database import connect_pool
from services.kernel.flags import change_flag, clear_flag, raise_flag

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
ROWS = "select subject, detail, cleared_at is null as up from system_flags order by raised_at, subject"


async def up(pool: Any, subject: str, detail: str, minutes: int) -> bool:
    now = NOW + timedelta(minutes=minutes)
    return await raise_flag(
        pool, "stale_feed", subject, severity="warning", blocks="entries", detail=detail, now=now
    )  # fmt: skip


def test_a_flag_is_up_once_however_many_raise_it(database_url: str) -> None:
    async def case() -> None:
        pool = await connect_pool(database_url, size=8)
        raised = await asyncio.gather(*(up(pool, "BTC/USDT", f"words {n}", n) for n in range(50)))
        assert sum(raised) == 1
        assert await up(pool, "ETH/USDT", "words", 60)
        assert await pool.fetchval("select count(*) from system_flags") == 2
        cleared = await asyncio.gather(*(clear_flag(pool, "stale_feed", "BTC/USDT", NOW) for _ in range(20)))
        assert sum(cleared) == 1
        assert not await clear_flag(pool, "stale_feed", "NVDA", NOW)
        await pool.close()

    asyncio.run(case())


def test_each_row_says_what_was_true_while_it_was_up(database_url: str) -> None:
    async def case() -> None:
        pool = await connect_pool(database_url, size=1)
        await up(pool, "BTC/USDT", "3 bars", 0)
        assert not await up(pool, "BTC/USDT", "4 bars", 1), "the words of the first stay"
        changed = {"severity": "warning", "blocks": "entries", "detail": "5 bars", "now": NOW + timedelta(minutes=2)}
        await change_flag(pool, "stale_feed", "BTC/USDT", **changed)  # type: ignore[arg-type]
        await clear_flag(pool, "stale_feed", "BTC/USDT", NOW + timedelta(minutes=3))
        await up(pool, "BTC/USDT", "3 bars", 4)
        assert [tuple(row) for row in await pool.fetch(ROWS)] == [
            ("BTC/USDT", "3 bars", False), ("BTC/USDT", "5 bars", False), ("BTC/USDT", "3 bars", True),
        ]  # fmt: skip
        await pool.close()

    asyncio.run(case())
