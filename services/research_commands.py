"""What the command line does to find out what parts of the decision are worth. One function a command."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from services.domain.assets import AssetsConfig
from services.domain.candles import moment
from services.inference import settings as inference_settings
from services.ingestion.replay import Recorded, read
from services.kernel import database
from services.kernel.config import config_version
from services.kernel.database import Connection
from services.kernel.errors import StartRefused
from services.kernel.settings import from_environment
from services.research import ablation_table, allocators
from services.research.ablation import History, ablate
from services.research.evaluated_history import forecast_recorded
from services.research.history import forecasts, slices
from services.research.nightly import history as nightly_history
from services.research.nightly import report as nightly_report
from services.research.nightly import store as nightly_store
from services.research.nightly.params import load_params
from services.research.nightly.state import ResearchState
from services.research.parameters import Parameters, load_parameters
from services.standalone import servers
from services.standalone.screen import Screen

T = TypeVar("T")
DATABASE = "database"
"""As a source: the candles that the platform has stored."""
LOCK_SECONDS = 1.0


def run_ablation(source: Path, since: datetime | None, until: datetime | None, *, as_json: bool) -> None:
    """Train and forecast once, back-test with each part off, and print what each is worth."""
    parameters, recorded, history = _forecast(source, since, until)
    with Screen(Console(stderr=True)).training("back-tests:") as tell:
        found = ablate(history, parameters, {"crypto": True}, tell=tell)
    if as_json:
        print(ablation_table.as_json(found, recorded.description))  # noqa: T201
        return
    ablation_table.show(found, recorded.description, Console())


def compare_allocators(source: Path, since: datetime | None, until: datetime | None, *, as_json: bool) -> None:
    """Train and forecast once, back-test with each way to divide the portfolio, and print what each came to."""
    parameters, recorded, history = _forecast(source, since, until)
    found = allocators.compare(history, parameters, {"crypto": True})
    what_if = allocators.compare(history, allocators.eager(parameters), {"crypto": True})
    if as_json:
        print(allocators.as_json(found, recorded.description, what_if))  # noqa: T201
        return
    allocators.show(found, recorded.description, Console())
    allocators.show(what_if, recorded.description, Console(), what_if=True)


def _forecast(source: Path, since: datetime | None, until: datetime | None) -> tuple[Parameters, Recorded, History]:
    """Train by walk-forward and forecast every slice of a folder, once for all back-tests."""
    parameters = load_parameters()
    configured = inference_settings.load(timeframe=parameters.assets.timeframe, replay=True)
    recorded = read(source, parameters.assets, since, until)
    closed = slices(recorded.series, recorded.span)
    made = forecasts(recorded.series, closed, configured)
    history = list(zip(closed, made, strict=True))
    return parameters, recorded, history


def run_research(
    source: str | Path,
    symbols: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    *,
    store: bool,
    data: Path,
    as_json: bool,
) -> None:
    """Measure a history as nightly research does, and print each asset's tier, edge, cells and mix beside the plan's.

    ``source`` is a folder of recorded candles or ``database``. With ``store`` the platform's research goes on from the
    sums, of the database of ``data`` or else of CHLOE_DATABASE_URL; raises StartRefused where it cannot.
    """
    params = load_params()
    configured = inference_settings.load(timeframe=params.assets.timeframe, replay=True)
    wanted = [params.assets.resolve(symbol) for symbol in symbols]
    running = _with_pool(data, _running) if store else None
    if running is not None:
        until = min(until, moment(running.begins)) if until else moment(running.begins)
    recorded = _recorded(source, params.assets, since, until, data)
    with Screen(Console(stderr=True)).training() as tell:
        _, made = forecast_recorded(recorded, configured, symbols=wanted, tell=tell)
    state = nightly_history.measure(made, params)
    rows = nightly_report.found(state, recorded.span.until, params, wanted)
    if as_json:
        print(nightly_report.as_json(rows, recorded.description))  # noqa: T201
    else:
        nightly_report.show(rows, recorded.description, Console())
    if store:
        through = int(recorded.span.until.timestamp())
        _with_pool(data, lambda pool: _hand_over(pool, state, through))
        Screen(Console(stderr=True)).step("stored", f"research goes on from {recorded.span.until:%Y-%m-%d %H:%M} UTC")


def _recorded(
    source: str | Path, assets: AssetsConfig, since: datetime | None, until: datetime | None, data: Path
) -> Recorded:
    if str(source) != DATABASE:
        return read(Path(source), assets, since, until)
    classes = {symbol: asset.asset_class for symbol, asset in assets.assets.items()}

    async def ask(pool: Connection) -> Recorded:
        async with pool.acquire() as conn:
            series = await nightly_store.stored_series(conn, assets.timeframe, classes)
        span = nightly_history.spanned(series, since, until)
        names = ",".join(one.symbol for one in series)
        told = f"stored candles of {names} {span.begins:%Y-%m-%dT%H:%M} to {span.until:%Y-%m-%dT%H:%M}"
        return Recorded(tuple(series), span, told, 0, ())

    return _with_pool(data, ask)


async def _running(pool: Connection) -> ResearchState | None:
    """Read what the stage has measured itself; raises StartRefused where a history is before it already."""
    async with pool.acquire() as conn:
        state = await nightly_store.running_state(conn)
    if state is not None and state.through:
        raise StartRefused(f"research has a history until {moment(state.through):%Y-%m-%d %H:%M} UTC already")
    return state if state is not None and state.begins else None


async def _hand_over(pool: Connection, history: ResearchState, through: int) -> None:
    """Put history before what the stage has measured, which must not run meanwhile."""
    async with database.sole(pool, nightly_store.STAGE, patience_seconds=LOCK_SECONDS) as conn, conn.transaction():
        running = await nightly_store.running_state(conn)
        if running is not None and (running.through or (running.begins and running.begins < through)):
            raise StartRefused("research has gone on meanwhile: run the command again")
        begun = running if running is not None and running.begins else None
        state = nightly_history.handed(history, through, begun)
        await nightly_store.hand_over(conn, state, config_version())


def _with_pool(data: Path, ask: Callable[[Connection], Awaitable[T]]) -> T:
    """Ask the database of a data folder, joining its server or starting it, else that of CHLOE_DATABASE_URL."""
    if not (data / "pg").exists() and "CHLOE_DATABASE_URL" not in os.environ:
        raise StartRefused(f"{data}: holds no standalone platform; run 'chloe standalone' first, or name one by --data")

    async def go(url: str) -> T:
        pool = await database.connect_pool(url, size=2)
        try:
            return await ask(pool)
        finally:
            await pool.close()

    if not (data / "pg").exists():
        return asyncio.run(go(from_environment().database()))
    started = servers.start(data)
    try:
        return asyncio.run(go(started.database_url))
    finally:
        started.stop()
