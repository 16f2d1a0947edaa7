"""A replay from a folder: what it covers, how it is delivered, when it has reached its end."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.domain.assets import AssetsConfig
from services.domain.candles import moment
from services.ingestion import source_store
from services.ingestion.files import CandleFile, read_folder
from services.ingestion.service import Publisher, Span, replay
from services.kernel.database import Connection
from services.kernel.errors import DataError
from services.kernel.streams import Streams
from services.standalone.platform import PACED_BY, Platform

SOURCE = "ingestion-crypto"
HOUR = timedelta(hours=1)

# Reached when execution has settled the last slice and phases have judged the last whole day.
REACHED = """
select (select slice_ts from stage_state where stage = 'execution') as settled,
       (select slice_ts from stage_state where stage = 'risk') as decided,
       (select slice_ts from stage_state where stage = 'phases') as judged
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a replay folder holds, and the span of it that becomes slices."""

    series: tuple[CandleFile, ...]
    span: Span
    description: str
    refused: int

    @property
    def slices(self) -> int:
        """Number of slices in the span."""
        return int((self.span.until - self.span.begins) / HOUR)


def read(folder: Path, assets: AssetsConfig, since: datetime | None, until: datetime | None) -> Recorded:
    """Read a folder; the span runs over whole hours from ``since`` to ``until`` or as far as there are bars."""
    classes = {symbol: asset.asset_class for symbol, asset in assets.assets.items()}
    found = read_folder(folder, assets.timeframe, assets.resolve, classes, datetime.now(UTC), source="replay")
    series = [one for one in found.series if len(one.candles)]
    if not series:
        raise DataError(f"{folder}: no usable candle of {assets.timeframe}")
    first = min(moment(int(one.candles.ts[0])) for one in series)
    last = max(moment(int(one.candles.ts[-1])) for one in series) + HOUR
    begins, ends = max(since or first, first), min(until or last, last)
    if begins >= ends:
        raise DataError(
            f"{folder}: its bars span {first:%Y-%m-%d} to {last:%Y-%m-%d}, nothing lies in what was asked for"
        )
    names = ",".join(one.symbol for one in series)
    description = f"{names} {begins:%Y-%m-%dT%H:%M} to {ends:%Y-%m-%dT%H:%M}"
    return Recorded(tuple(series), Span(begins, ends), description, sum(len(one.refused) for one in series))


async def claim(conn: Connection, recorded: Recorded, timeframe: str) -> None:
    """Say that the database holds this replay; raises StartRefused if it holds something else."""
    await source_store.claim_run(conn, "replay", recorded.description, timeframe)
    await source_store.register_source(conn, "replay", "crypto", "candles", True, recorded.description)


async def deliver(platform: Platform, recorded: Recorded, config_version: str) -> None:
    """Deliver the recorded candles as the source of the platform."""
    publisher = Publisher(platform.pool, Streams(platform.redis, SOURCE), SOURCE, "1h", config_version)
    await replay(publisher, recorded.series, recorded.span, PACED_BY)


async def wait_for_end(platform: Platform, until: datetime, tell: Callable[[datetime | None], None]) -> None:
    """Return when the last slice has passed every stage; ``tell`` hears how far execution is."""
    midnight = until.replace(hour=0, minute=0, second=0, microsecond=0)
    while True:
        async with platform.pool.acquire() as conn:
            settled, decided, judged = await conn.fetchrow(REACHED)
        tell(settled)
        done = settled is not None and settled >= until and decided is not None and decided >= until
        if done and (judged is None or judged >= midnight or midnight < settled - timedelta(days=1)):
            return
        await asyncio.sleep(0.1)
