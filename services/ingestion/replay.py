"""A replay from a folder: what it covers, and its delivery as the platform's source."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.domain.assets import AssetsConfig
from services.domain.candles import SECONDS, Timeframe, moment
from services.ingestion import source_store
from services.ingestion.files import CandleFile, read_folder
from services.ingestion.service import Publisher, Span, replay
from services.kernel.database import Connection
from services.kernel.errors import ConfigError, DataError
from services.kernel.streams import RedisClient, Streams

SOURCE = "ingestion-crypto"
PACED_BY = ("execution",)
"""The stages that a replay does not run far ahead of; the others come before it in the flow."""
WHOLE: dict[Timeframe, str] = {"1m": "minute", "1h": "hour", "1d": "day"}


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a replay folder holds, and the span of it that becomes slices."""

    series: tuple[CandleFile, ...]
    span: Span
    description: str
    refused: int
    left_out: tuple[tuple[str, str], ...]

    @property
    def timeframe(self) -> Timeframe:
        """The width of the bars, which is that of the slices."""
        return self.series[0].candles.timeframe

    @property
    def step(self) -> timedelta:
        """The time between two slices."""
        return timedelta(seconds=SECONDS[self.timeframe])

    @property
    def slices(self) -> int:
        """Number of slices in the span."""
        return int((self.span.until - self.span.begins) / self.step)


def read(folder: Path, assets: AssetsConfig, since: datetime | None, until: datetime | None) -> Recorded:
    """Read a folder; the span runs over whole slices from ``since`` to ``until`` or as far as there are bars.

    Raises DataError for a folder that is missing or holds nothing usable, ConfigError for a span no slice fits into.
    """
    for asked in (since, until):
        _on_grid(asked, assets.timeframe)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    classes = {symbol: asset.asset_class for symbol, asset in assets.assets.items()}
    found = read_folder(folder, assets.timeframe, assets.resolve, classes, datetime.now(UTC), source="replay")
    series = [one for one in found.series if len(one.candles)]
    if not series:
        raise DataError(f"{folder}: no usable candle of {assets.timeframe}")
    # Slices end on the clock: a bar that opens at half past is whole in the slice after its own close.
    seconds = SECONDS[assets.timeframe]
    first = moment(min(int(one.candles.ts[0]) for one in series) // seconds * seconds)
    last = moment(-(-max(int(one.candles.ts[-1]) for one in series) // seconds) * seconds + seconds)
    begins, ends = max(since or first, first), min(until or last, last)
    if begins >= ends:
        wanted = f"{since or first:%Y-%m-%d} to {until or last:%Y-%m-%d}"
        raise DataError(f"{folder}: its bars span {first:%Y-%m-%d} to {last:%Y-%m-%d}, nothing lies in {wanted}")
    names = ",".join(one.symbol for one in series)
    description = f"{names} {begins:%Y-%m-%dT%H:%M} to {ends:%Y-%m-%dT%H:%M}"
    refused = sum(len(one.refused) for one in series)
    return Recorded(tuple(series), Span(begins, ends), description, refused, tuple(found.left_out))


def _on_grid(asked: datetime | None, timeframe: Timeframe) -> None:
    if asked is not None and int(asked.timestamp()) % SECONDS[timeframe]:
        whole = WHOLE[timeframe]
        raise ConfigError(f"'{asked:%Y-%m-%dT%H:%M}' is not a whole {whole} in UTC; slices of {timeframe} bars are")


async def claim(conn: Connection, recorded: Recorded, timeframe: str) -> None:
    """Say that the database holds this replay; raises StartRefused if it holds something else."""
    await source_store.claim_run(conn, "replay", recorded.description, timeframe)
    await source_store.register_source(conn, "replay", "crypto", "candles", True, recorded.description)


async def deliver(
    pool: Connection, redis: RedisClient, recorded: Recorded, version: str, paced_by: Sequence[str] = PACED_BY
) -> None:
    """Deliver the recorded candles; returns when all are delivered."""
    publisher = Publisher(pool, Streams(redis, SOURCE), SOURCE, recorded.timeframe, version)
    await replay(publisher, recorded.series, recorded.span, paced_by)
