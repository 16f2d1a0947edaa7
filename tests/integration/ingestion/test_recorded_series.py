"""A folder on disk becomes rows in PostgreSQL, and the same folder again becomes nothing more."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.ingestion.files import read_folder
from services.ingestion.recorded import store_series

pytestmark = pytest.mark.anyio

SAMPLE = Path(__file__).parents[3] / "sample"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLASSES = {"BTC/USDT": "crypto", "ETH/USDT": "crypto", "SOL/USDT": "crypto"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool(database_url: str, anyio_backend: str) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=4) as opened:
        yield opened


def resolve(text: str) -> str:
    return text.replace("-", "/")


async def test_the_sample_is_stored_once(pool: Any) -> None:
    series = read_folder(SAMPLE, "1h", resolve, CLASSES, NOW).series
    async with pool.acquire() as conn:
        first = [(await store_series(conn, one, NOW)).new for one in series]
        second = [(await store_series(conn, one, NOW)).same for one in series]
        assert first == second == [8784] * 3
        assert await conn.fetchval("select count(*) from candles") == 3 * 8784
        health = await conn.fetch("select symbol, bars, gaps, refused, revisions from feed_health order by symbol")
    assert [tuple(row) for row in health] == [(symbol, 8784, 0, 0, 0) for symbol in CLASSES]


async def test_refused_rows_and_gaps_of_a_file_are_counted_with_their_place(pool: Any, tmp_path: Path) -> None:
    lines = ["ts,open,high,low,close,volume"]
    lines += [f"2024-01-01 {hour:02}:00:00,100,{80 if hour == 3 else 110},90,105,1" for hour in range(8) if hour != 5]
    (tmp_path / "BTC-USDT_1h.csv").write_text("\n".join(lines))
    (series,) = read_folder(tmp_path, "1h", resolve, CLASSES, NOW).series
    async with pool.acquire() as conn:
        await store_series(conn, series, NOW)
        await store_series(conn, series, NOW)
        refused = await conn.fetch("select place, reason from refused_candles")
        health = await conn.fetchrow("select bars, gaps, refused from feed_health")
    assert [tuple(row) for row in refused] == [("BTC-USDT_1h.csv line 5", "high below low")]
    assert tuple(health) == (6, 2, 1)
