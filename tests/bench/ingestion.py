"""Candle ingestion beside a bare COPY of the same rows into the same kind of table, on one server in one run.

The rows are the sample's, shifted by whole years to make more of them: real values, made-up dates.
"""

import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.domain.candles import Candles, moment, rules_for, validate
from services.ingestion import store
from services.ingestion.replay import read
from services.ingestion.service import closed_candles
from services.kernel.config import load
from services.kernel.database import connect_pool
from services.kernel.migrate import migrate
from services.kernel.streams import Streams, connect
from services.standalone import servers

SAMPLE = Path(__file__).parents[2] / "sample"
YEARS = 10
YEAR_SECONDS = 366 * 86_400
PAGE = 8_784
COLUMNS = (
    "ts", "symbol", "timeframe", "asset_class", "open", "high", "low", "close", "volume", "source", "received_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figures:
    """Rows a second; the best of the repetitions each."""

    rows: int
    copy: float
    stored: float
    published: float


async def measure(repetitions: int = 3) -> Figures:
    """Measure in turns, each time into emptied tables with the same indexes."""
    pages = _pages()
    rows = sum(len(page) for page in pages)
    best = {"copy": 0.0, "stored": 0.0, "published": 0.0}
    with tempfile.TemporaryDirectory(prefix="chloe-bench-") as folder:
        started = servers.start(Path(folder) / "d")
        try:
            migrate(started.database_url)
            pool = await connect_pool(started.database_url, size=2)
            redis = connect(started.redis_url)
            async with pool.acquire() as conn:
                await conn.execute("create table bare (like candles including all)")
                for _ in range(repetitions):
                    for name, work in (("copy", _copy), ("stored", _store), ("published", _publish)):
                        await conn.execute("truncate candles, bare")
                        await redis.flushall()
                        seconds = await work(conn, Streams(redis, "bench"), pages)
                        best[name] = max(best[name], rows / seconds)
            await redis.aclose()
            await pool.close()
        finally:
            started.stop()
    return Figures(rows, best["copy"], best["stored"], best["published"])


def _pages() -> list[Candles]:
    recorded = read(SAMPLE, load(AssetsConfig, ASSETS_FILE), None, None)
    pages = []
    for year in range(YEARS):
        for one in recorded.series:
            c = one.candles
            ts = c.ts - np.int64(year * YEAR_SECONDS)
            pages.append(Candles(c.symbol, c.timeframe, "bench", ts, c.open, c.high, c.low, c.close, c.volume))
    return pages


async def _copy(conn: Any, _: Streams, pages: list[Candles]) -> float:
    """COPY records as asyncpg does it, one transaction a page; building the records counts for neither side."""
    now = datetime.now(UTC)
    records = [
        [
            (moment(ts), page.symbol, page.timeframe, "crypto", *values, "bench", now)
            for ts, *values in zip(
                page.ts.tolist(),
                *(c.tolist() for c in (page.open, page.high, page.low, page.close, page.volume)),
                strict=True,
            )
        ]
        for page in pages
    ]
    begun = time.perf_counter()
    for page_records in records:
        async with conn.transaction():
            await conn.copy_records_to_table("bare", records=page_records, columns=COLUMNS)
    return time.perf_counter() - begun


async def _store(conn: Any, _: Streams, pages: list[Candles]) -> float:
    begun = time.perf_counter()
    for page in pages:
        now = datetime.now(UTC)
        good = validate(page, now, rules_for("crypto", page.timeframe)).good
        async with conn.transaction():
            await store.store_candles(conn, good, "crypto", now)
    return time.perf_counter() - begun


async def _publish(conn: Any, streams: Streams, pages: list[Candles]) -> float:
    begun = time.perf_counter()
    for page in pages:
        now = datetime.now(UTC)
        good = validate(page, now, rules_for("crypto", page.timeframe)).good
        async with conn.transaction():
            stored = await store.store_candles(conn, good, "crypto", now)
        await streams.publish(closed_candles(good, "bench", now, stored.written))
    return time.perf_counter() - begun
