"""What the command line does about data: sources, back-fill, diagnosis. One function a command."""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.domain.candles import Candles
from services.domain.corporate_actions import CORPORATE_ACTIONS_FILE, CorporateActions
from services.gateway.feeds import diagnoses
from services.gateway.reading import timeframe
from services.ingestion.backfill import Feed, Looked, backfill
from services.ingestion.failover import Failover
from services.ingestion.registry import Declared, candle_sources, declared
from services.ingestion.settings import DataSources
from services.ingestion.source_store import claim_run
from services.ingestion.store import Stored, missing_bars
from services.kernel.config import load
from services.kernel.database import connect_pool
from services.kernel.errors import DataError, StartRefused
from services.kernel.migrate import migrate
from services.phases.service import load_params
from services.phases.store import seed
from services.research import inspection, inspection_table
from services.standalone import servers

HEALTH = """
select source, max(last_ts), sum(errors) from feed_health group by source having max(last_ts) is not null
"""

COUNTS = ("bars", "gaps", "repaired", "refused", "revisions", "errors")


def sources(data: Path, *, as_json: bool, environment: Mapping[str, str] = os.environ) -> None:
    """List every declared source: what it gives, whether it is configured, its limits, and how it has been doing."""
    found = declared(load(DataSources, "data_sources.yaml"), environment)
    health = _health_of_running(data)
    if as_json:
        print(json.dumps([{**_as_dict(one), "health": health.get(one.name)} for one in found], indent=2))  # noqa: T201
        return
    console = Console(highlight=False, soft_wrap=True)
    family = ""
    for one in found:
        if one.settings.family != family:
            family = one.settings.family
            console.print(f"[bold]{family}[/]")
        mark = "[green]✓[/]" if one.configured else "[yellow]–[/]"
        console.print(f"  {mark} {one.name:<16} {', '.join(sorted(one.gives))}: {one.detail}")
        classes = f"for {', '.join(one.settings.asset_classes)}; " if one.settings.asset_classes else ""
        console.print(
            f"    {'':<16} {classes}at most {one.limits}; {health.get(one.name, 'not asked yet')}", style="dim"
        )


def _health_of_running(data: Path) -> dict[str, str]:
    """Say how each source has been doing, if the platform of this folder is running."""
    if not (data / "pg" / "postmaster.pid").exists():
        return {}

    async def ask(database_url: str) -> dict[str, str]:
        conn = await asyncpg.connect(database_url, server_settings={"timezone": "UTC"})
        try:
            return {row[0]: f"newest {row[1]:%Y-%m-%d %H:%M}, {row[2]} errors" for row in await conn.fetch(HEALTH)}
        finally:
            await conn.close()

    found: dict[str, str] = _on_standalone(data, ask)
    return found


def _as_dict(one: Declared) -> dict[str, Any]:
    return {
        "source": one.name,
        "family": one.settings.family,
        "asset_classes": list(one.settings.asset_classes),
        "gives": sorted(one.gives),
        "configured": one.configured,
        "missing": list(one.missing),
        "limits": one.limits,
        "priority": one.settings.priority,
    }


def fill(data: Path, symbol: str, since: datetime, environment: Mapping[str, str] = os.environ) -> None:
    """Fetch and store what is missing of an asset's candles since a time; running it again goes on where it stopped."""
    assets = load(AssetsConfig, ASSETS_FILE)
    name = assets.resolve(symbol)
    asset_class = assets.assets[name].asset_class
    found = declared(load(DataSources, "data_sources.yaml"), environment)
    families = {d.settings.family for d in found if asset_class in d.settings.asset_classes}
    now = datetime.now(UTC)
    chosen = [s for f in sorted(families) for s in candle_sources(found, f, assets, environment, lambda: now)]
    if not chosen:
        states = "; ".join(f"{d.name} {d.detail}" for d in found if asset_class in d.settings.asset_classes)
        raise StartRefused(f"{name}: no source of {asset_class} candles is configured ({states or 'none is declared'})")

    async def go(database_url: str) -> Looked:
        migrate(database_url)
        pool = await connect_pool(database_url, size=3)
        source = Failover(chosen, lambda: now)
        try:
            async with pool.acquire() as conn, conn.transaction():
                await seed(conn, load_params())
                await claim_run(conn, "live", f"paper trading on {assets.timeframe} candles", assets.timeframe)
            return await _fill(Feed(pool, source, assets.timeframe, lambda: now), name, asset_class, since)
        finally:
            await source.close()
            await pool.close()

    looked = _on_standalone(data, go, create=True)
    text = f"{looked.new} new, {looked.revised} revised, {looked.refused} refused"
    left = sum(gap.bars for gap in looked.missing)
    Console().print(f"{name}: {text}; {left} bars still missing")
    if looked.error:
        raise StartRefused(f"{name}: back-fill stopped early: {looked.error}; run it again to go on")


async def _fill(feed: Feed, name: str, asset_class: str, since: datetime) -> Looked:
    """Back-fill with a progress bar; every page is stored before the next is asked for, so that it can be resumed."""
    async with feed.pool.acquire() as conn:
        gaps = await missing_bars(conn, name, feed.timeframe, feed.expected(asset_class), since, feed.closed_until())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"{name} bars", total=sum(gap.bars for gap in gaps))

        async def on_stored(_: Any, __: Candles, stored: Stored) -> None:
            progress.advance(task, stored.new)

        (looked,) = await backfill(replace(feed, on_stored=on_stored), {name: asset_class}, since)
    return looked


def diagnose(data: Path, symbol: str, *, as_json: bool) -> None:
    """Say in plain words whether an asset's feed is fit to trade on, and why not."""
    name = load(AssetsConfig, ASSETS_FILE).resolve(symbol)

    async def go(database_url: str) -> dict[str, Any]:
        conn = await asyncpg.connect(database_url, server_settings={"timezone": "UTC"})
        try:
            (found,) = await diagnoses(conn, name, datetime.now(UTC), await timeframe(conn))
            return found
        finally:
            await conn.close()

    found = _on_standalone(data, go)
    if as_json:
        print(json.dumps(found, indent=2, default=str))  # noqa: T201
        return
    console = Console()
    console.print(found["sentence"], highlight=False, soft_wrap=True)
    for line in found["sources"]:
        counts = ", ".join(
            f"{line[key]} {key}" for key in ("bars", "gaps", "repaired", "refused", "revisions", "errors")
        )
        newest = f"{line['last_ts']:%Y-%m-%d %H:%M}" if line["last_ts"] else "never"
        more = f"{line['limited']} limits"
        if line["completeness"] is not None:
            more += f", {line['completeness']:.1%} complete"
        if line["latency_seconds"] is not None:
            more += f", {line['latency_seconds']:.0f} s late"
        text = f"  {line['source']} ({line['timeframe']}): newest {newest}; {counts}, {more}"
        console.print(text, highlight=False, soft_wrap=True)


def inspect_folder(source: Path, *, as_json: bool) -> None:
    """Report what a folder's candle files hold: span, gaps, refused rows, unadjusted splits, stale ends."""
    if not source.is_dir():
        raise DataError(f"{source}: no such folder")
    assets, actions = load(AssetsConfig, ASSETS_FILE), load(CorporateActions, CORPORATE_ACTIONS_FILE)
    reports = inspection.inspect(source, assets, datetime.now(UTC), actions)
    if as_json:
        print(inspection_table.as_json(reports))  # noqa: T201
    else:
        inspection_table.show(reports, Console())


def _on_standalone(data: Path, go: Any, *, create: bool = False) -> Any:
    """Run with the database of a data folder, joining its server or starting it for the moment."""
    if not create and not (data / "pg").exists():
        raise StartRefused(
            f"{data}: holds no standalone platform; run 'chloe standalone' first, or name one with --data"
        )
    started = servers.start(data)
    try:
        return asyncio.run(go(started.database_url))
    finally:
        started.stop()
