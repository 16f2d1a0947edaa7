"""The gateway under a steady 100 requests a second: an open loop, so that a slow answer does not slow the asking."""

import asyncio
import tempfile
import time
from pathlib import Path

import httpx
import uvicorn

from bench.made_up import portfolios
from services.gateway.api import create_app
from services.gateway.settings import Info
from services.gateway.tokens import create_tokens_file
from services.kernel.database import connect_pool
from services.kernel.migrate import migrate
from services.kernel.streams import connect
from services.phases import store as phases_store
from services.phases.decide import DayEnded, on_day, start
from services.phases.service import load_params
from services.standalone import servers

SECONDS = 10
RATE = 100


def measure() -> tuple[float, float, int]:
    """Return the median and the 99th percentile in seconds, and how many requests were made."""
    return asyncio.run(_measure())


async def _measure() -> tuple[float, float, int]:
    with tempfile.TemporaryDirectory(prefix="chloe-bench-") as folder:
        started = servers.start(Path(folder) / "d")
        try:
            migrate(started.database_url)
            pool, redis = await connect_pool(started.database_url), connect(started.redis_url)
            await _evaluate(pool)
            app = create_app(pool, redis, create_tokens_file(Path(folder) / "tokens.yaml"), Info())
            server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", 0, log_level="warning", access_log=False))
            serving = asyncio.ensure_future(server.serve())
            while not server.started:
                await asyncio.sleep(0.05)
            port = server.servers[0].sockets[0].getsockname()[1]
            taken = sorted(await _load(f"http://127.0.0.1:{port}/phases/readiness"))
            server.should_exit = True
            await serving
            await redis.aclose()
            await pool.close()
        finally:
            started.stop()
    return taken[len(taken) // 2], taken[int(len(taken) * 0.99)], len(taken)


async def _evaluate(pool: object) -> None:
    """Store a year of daily evaluations, made up."""
    params = load_params()
    state = start(params)
    async with pool.acquire() as conn, conn.transaction():  # type: ignore[attr-defined]
        await phases_store.seed(conn, params)
        for day in portfolios(days=365):
            state, verdict = on_day(state, DayEnded(day, {"crypto": True}), params)
            await phases_store.save_evaluation(conn, verdict.message, verdict.log)


async def _load(url: str) -> list[float]:
    async with httpx.AsyncClient(trust_env=False) as client:

        async def once() -> float:
            begun = time.perf_counter()
            (await client.get(url)).raise_for_status()
            return time.perf_counter() - begun

        for _ in range(20):
            await once()
        begun = time.perf_counter()
        asked = []
        for n in range(SECONDS * RATE):
            await asyncio.sleep(max(0.0, begun + n / RATE - time.perf_counter()))
            asked.append(asyncio.ensure_future(once()))
        return list(await asyncio.gather(*asked))
