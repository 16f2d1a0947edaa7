"""The standalone run: servers, schema, training, the loop, the API; a replay of a folder or the live exchange."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.gateway.api import create_app
from services.gateway.settings import Info
from services.gateway.tokens import Tokens, create_tokens_file
from services.inference import settings as inference_settings
from services.inference.trainer import follow
from services.ingestion.live import run_family
from services.ingestion.settings import FAMILIES, DataSources
from services.kernel.config import config_version, load
from services.kernel.database import connect_pool
from services.kernel.migrate import migrate
from services.kernel.outages import outlast
from services.kernel.settings import from_environment
from services.kernel.streams import connect
from services.phases.service import load_params
from services.phases.store import seed
from services.research import shadow_store
from services.research.parameters import load_parameters
from services.risk.switch import follow as follow_switch
from services.standalone import servers, summary, training
from services.standalone.platform import Platform, run_until
from services.standalone.replay import Recorded, claim, deliver, read, wait_for_end
from services.standalone.screen import Screen
from services.standalone.watching import watch

POOL_SIZE = 20
"""Each stage and the source keep one connection for their lock; the API and the work of a round need more."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the person asked for on the command line."""

    data: Path
    source: Path | None
    since: datetime | None
    until: datetime | None
    live: bool
    fresh: bool
    serve: bool
    port: int


async def run(wanted: Wanted, started: servers.Servers, screen: Screen) -> None:
    """Run until the replay is over (and the API until Ctrl-C), or live for ever."""
    assets = load(AssetsConfig, ASSETS_FILE)
    configured = inference_settings.load(timeframe=assets.timeframe, replay=not wanted.live)
    recorded = None if wanted.live else read(wanted.source or Path("sample"), assets, wanted.since, wanted.until)
    screen.step("schema", migrate(started.database_url))
    async with _platform(wanted, started) as platform:
        async with platform.pool.acquire() as conn, conn.transaction():
            await seed(conn, load_params())
            if recorded is not None:
                await claim(conn, recorded, assets.timeframe)
        tokens = create_tokens_file(wanted.data / "api_tokens.yaml")
        async with _serving(platform, tokens, wanted.port if wanted.serve or wanted.live else None):
            if recorded is None:
                await _live(platform, assets, screen, wanted)
            else:
                await _replay(platform, recorded, configured, screen, wanted)


async def _replay(platform: Platform, recorded: Recorded, configured: Any, screen: Screen, wanted: Wanted) -> None:
    screen.recorded(recorded)
    with screen.training() as tell:
        trained = await training.train(platform.pool, recorded.series, configured, tell)
    screen.models(configured.preset, configured.says, len(trained))
    loops = [loop.run for loop in platform.loops()]
    shown = _show(platform, recorded, configured, screen, wanted)
    await run_until(shown, [*loops, lambda: deliver(platform, recorded, config_version())])


async def _show(platform: Platform, recorded: Recorded, configured: Any, screen: Screen, wanted: Wanted) -> None:
    """Follow the replay to its end and print the result; then, to answer commands, everything goes on running."""
    with screen.replaying(recorded) as progress:
        await _follow(platform, recorded, progress)
    async with platform.pool.acquire() as conn:
        screen.result(await summary.summarise(conn, configured.timeframe, configured.horizon_bars), recorded)
    if wanted.serve:
        screen.serving(wanted.port, wanted.data)
        await asyncio.Event().wait()


async def _follow(platform: Platform, recorded: Recorded, progress: Any) -> None:
    """Wait for the end, and keep the summary line fresh meanwhile."""

    async def refresh() -> None:
        while True:
            async with platform.pool.acquire() as conn:
                progress.line(await conn.fetchrow(summary.BOOKS), await conn.fetchrow(summary.TRADES))
            await asyncio.sleep(0.5)

    refreshing = asyncio.ensure_future(refresh())
    try:
        await wait_for_end(platform, recorded, progress.reached)
    finally:
        refreshing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await refreshing


async def _live(platform: Platform, assets: AssetsConfig, screen: Screen, wanted: Wanted) -> None:
    sources = load(DataSources, "data_sources.yaml")
    screen.live(assets.timeframe, wanted.port, wanted.data)
    async with asyncio.TaskGroup() as group:
        for loop in platform.loops():
            group.create_task(loop.run())
        for family in FAMILIES:
            deliver_family = partial(run_family, platform.pool, platform.redis, assets, sources, family, os.environ)
            group.create_task(outlast(f"ingestion-{family}", deliver_family))
        classes = {symbol: asset.asset_class for symbol, asset in assets.assets.items()}
        configured = inference_settings.load(timeframe=assets.timeframe)
        group.create_task(outlast("trainer", lambda: follow(platform.pool, classes, configured)))
        switch = partial(follow_switch, platform.pool, platform.redis, from_environment().halt_file, config_version())
        group.create_task(outlast("halt-file", switch))
        group.create_task(watch(platform.pool, platform.redis))
        group.create_task(shadow_store.run(platform.pool, load_parameters(), config_version()))


@contextlib.asynccontextmanager
async def _platform(wanted: Wanted, started: servers.Servers) -> AsyncIterator[Platform]:
    # A replay can always be continued from any stored slice, so its commits need not wait for the disk.
    pool = await connect_pool(started.database_url, size=POOL_SIZE, durable=wanted.live)
    redis = connect(started.redis_url)
    try:
        yield Platform(pool, redis, wanted.data / "reports", wanted.live)
    finally:
        await redis.aclose()
        await pool.close()


def _info() -> Info:
    return Info(config_version=config_version())


@contextlib.asynccontextmanager
async def _serving(platform: Platform, tokens: Tokens, port: int | None) -> AsyncIterator[None]:
    if port is None:
        yield
        return
    app = create_app(platform.pool, platform.redis, tokens, _info())
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="warning", access_log=False))
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    task = asyncio.ensure_future(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await asyncio.wait_for(task, timeout=timedelta(seconds=5).total_seconds())
