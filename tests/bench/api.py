"""The gateway under a steady 100 requests a second: an open loop, so that a slow answer does not slow the asking."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.made_up import portfolios
from services.contracts.messages import encode
from services.contracts.topics import ACTIVATIONS
from services.gateway.tokens import create_tokens_file
from services.kernel.database import append, connect_pool
from services.kernel.migrate import migrate
from services.phases import store as phases_store
from services.phases.decide import DayEnded, on_day, start
from services.phases.service import load_params
from services.standalone import servers

SECONDS = 10
RATE = 100
ROUTES = ("/phases/readiness", "/rollout")


def measure() -> dict[str, tuple[float, float, int]]:
    """Return by route the median and the 99th percentile in seconds, and how many requests were made."""
    return asyncio.run(_measure())


async def _measure() -> dict[str, tuple[float, float, int]]:
    with tempfile.TemporaryDirectory(prefix="chloe-bench-") as folder:
        started = servers.start(Path(folder) / "d")
        try:
            migrate(started.database_url)
            pool = await connect_pool(started.database_url)
            await _evaluate(pool)
            await pool.close()
            with _gateway(started, Path(folder)) as url:
                taken = {route: sorted(await _load(f"{url}{route}")) for route in ROUTES}
        finally:
            started.stop()
    return {route: (one[len(one) // 2], one[int(len(one) * 0.99)], len(one)) for route, one in taken.items()}


@contextmanager
def _gateway(started: servers.Servers, folder: Path) -> Iterator[str]:
    """Run the gateway as a process of its own, as in production."""
    create_tokens_file(folder / "tokens.yaml")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "CHLOE_DATABASE_URL": started.database_url.replace(":@", "@"),
        "CHLOE_REDIS_URL": started.redis_url,
        "CHLOE_TOKENS_FILE": str(folder / "tokens.yaml"),
        "CHLOE_HTTP_PORT": str(port),
    }
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen([sys.executable, "-m", "services.gateway"], env=environment) as process:
        try:
            _wait_for(url, process)
            yield url
        finally:
            process.terminate()


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        try:
            httpx.get(f"{url}/ready", trust_env=False).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise SystemExit("the gateway did not start")


async def _evaluate(pool: object) -> None:
    """Store a year of daily evaluations, made up."""
    params = load_params()
    state = start(params)
    async with pool.acquire() as conn, conn.transaction():  # type: ignore[attr-defined]
        await phases_store.seed(conn, params)
        for seq, day in enumerate(portfolios(days=365), start=1):
            state, verdict = on_day(state, DayEnded(day, {"crypto": True}), params)
            await phases_store.save_evaluation(conn, verdict.message, verdict.log)
            said = (verdict.message.ts, encode(verdict.message).decode())
            await append(conn, ACTIVATIONS.name, "phases", seq, [said])


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
