"""A day of 32 assets' one-minute candles with indicators through ingestion: does it keep up, and does it slow down?

The candles are made up (a random walk): the point is the load. Every minute's batch is validated, stored, published and
promised as a live source does it, with six indicators an asset every five minutes.
"""

import random
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.domain.candles import epoch, from_rows, rules_for, validate
from services.ingestion import observation_store, store
from services.ingestion.observations import Observation
from services.ingestion.service import Publisher, closed_candles
from services.kernel.database import connect_pool
from services.kernel.migrate import migrate
from services.kernel.streams import Streams, connect
from services.standalone import servers

ASSETS = 32
INDICATORS = 6
MINUTES = 1440
START = datetime(2024, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Load:
    """Seconds of work a simulated minute: over the day, in its first and its last hour, and the 99th percentile."""

    mean: float
    first_hour: float
    last_hour: float
    p99: float
    stored: int
    lag: int
    """Messages that a reader which reads after every minute had left at the end."""


async def measure() -> Load:
    """Run the day as fast as it goes."""
    rng = random.Random(1)
    prices = {f"MADE{n:02}/USDT": 100.0 for n in range(ASSETS)}
    took: list[float] = []
    with tempfile.TemporaryDirectory(prefix="chloe-bench-") as folder:
        started = servers.start(Path(folder) / "d")
        try:
            migrate(started.database_url)
            pool, redis = await connect_pool(started.database_url, size=3), connect(started.redis_url)
            streams, reader = Streams(redis, "source"), Streams(redis, "clock")
            await reader.ensure_groups(["ingestion.candles"])
            publisher = Publisher(pool, streams, "ingestion-crypto", "1m", "bench")
            await publisher.restore()
            for minute in range(MINUTES):
                begun = time.perf_counter()
                await _minute(publisher, prices, rng, START + minute * MINUTE, with_indicators=minute % 5 == 0)
                await reader.read(["ingestion.candles"], count=1000, block_ms=1)
                took.append(time.perf_counter() - begun)
            left = await reader.read(["ingestion.candles"], count=1000, block_ms=1)
            stored = int(await pool.fetchval("select count(*) from candles"))
            await redis.aclose()
            await pool.close()
        finally:
            started.stop()
    ordered = sorted(took)
    return Load(
        mean=sum(took) / len(took),
        first_hour=sum(took[:60]) / 60,
        last_hour=sum(took[-60:]) / 60,
        p99=ordered[int(len(ordered) * 0.99)],
        stored=stored,
        lag=len(left),
    )


async def _minute(
    publisher: Publisher, prices: dict[str, float], rng: random.Random, opened: datetime, *, with_indicators: bool
) -> None:
    now = opened + MINUTE
    messages = []
    async with publisher.pool.acquire() as conn, conn.transaction():
        for symbol, price in prices.items():
            close = prices[symbol] = price * (1 + rng.gauss(0, 0.0005))
            row = (epoch(opened), price, max(price, close), min(price, close), close, 5.0)
            delivered = from_rows(symbol, "1m", "made_up", [row])
            good = validate(delivered, now, rules_for("crypto", "1m")).good
            stored = await store.store_candles(conn, good, "crypto", now)
            messages += closed_candles(good, publisher.name, now, stored.written)
        if with_indicators:
            found = [
                Observation(f"made_up.{n}", symbol, rng.random(), opened, now)
                for symbol in prices
                for n in range(INDICATORS)
            ]
            await observation_store.save_indicators(conn, "made_up", found)
        promise = await publisher.promise(conn, now, begins=None, ended=False)
    await publisher.publish(messages, promise)
