"""Wire and run the live desk: ``python -m services.execution.live``."""

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.execution.brokers import alpaca, bybit, oanda
from services.execution.brokers.protocol import Broker
from services.execution.live.running import run_desk
from services.execution.live.service import LiveDesk
from services.execution.live.settings import LIVE_FILE, SWITCH, LiveSettings, account
from services.execution.live.store import PostgresStore
from services.kernel.config import config_version, load
from services.kernel.database import connect_pool
from services.kernel.errors import ConfigError, StartRefused
from services.kernel.logging import get
from services.kernel.outages import outlast
from services.kernel.process import main, serve_health
from services.kernel.settings import Settings

ADAPTERS = {module.NAME: module for module in (bybit, alpaca, oanda)}


def connect(
    live: LiveSettings, assets: AssetsConfig, environment: Mapping[str, str]
) -> tuple[list[Broker], dict[str, tuple[str, ...]]]:
    """Connect the accounts whose keys are set; return also which keys the others lack."""
    brokers: list[Broker] = []
    missing: dict[str, tuple[str, ...]] = {}
    for name, one in live.brokers.items():
        adapter = ADAPTERS.get(name)
        if adapter is None:
            raise ConfigError(f"{LIVE_FILE}: brokers.{name}: no such broker; there are {', '.join(ADAPTERS)}")
        lacking = tuple(key for key in adapter.NEEDS if not environment.get(key))
        if lacking:
            missing[account(name, one.environment)] = lacking
            continue
        names = {s: a.venue_symbols[name] for s, a in assets.assets.items() if name in a.venue_symbols}
        brokers.append(
            adapter.connect(environment, venue=one.environment, currency=one.currency, symbols=names, **one.options)
        )
    return brokers, missing


async def serve(settings: Settings) -> None:
    """Run the desk until stopped; a replay is refused, whatever the switches say."""
    if settings.source == "replay":
        raise StartRefused("CHLOE_SOURCE=replay: a replay never trades live; stop the live desk")
    assets, live = load(AssetsConfig, ASSETS_FILE), load(LiveSettings, LIVE_FILE)
    switched_on = os.environ.get(SWITCH) == "yes"
    log = get("live")
    if not (switched_on and live.enabled):
        log.warning("live trading is off: nothing is entered", file=live.enabled, environment=switched_on)
    brokers, missing = connect(live, assets, os.environ)
    pool = await connect_pool(settings.database())
    store = PostgresStore(pool, config_version())
    desk = LiveDesk(store, brokers, live, assets, switched_on=switched_on, missing_keys=missing)
    ready = asyncio.Event()
    run = partial(run_desk, desk, store, partial(datetime.now, UTC), started=ready.set)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(serve_health(settings, ready.is_set))
            group.create_task(outlast("live", run))
    finally:
        for broker in brokers:
            await broker.close()
        await pool.close()


if __name__ == "__main__":
    main(serve)
