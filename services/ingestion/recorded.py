"""Store recorded series as they were read: good candles, refused ones with their file and line, the feed's health."""

from datetime import UTC, datetime

from services.domain.calendars import expected_opens
from services.domain.candles import SECONDS, find_gaps, moment
from services.ingestion import store
from services.ingestion.files import CandleFile
from services.kernel.database import Connection


async def store_series(
    conn: Connection, series: CandleFile, received_at: datetime, until: datetime | None = None
) -> store.Stored:
    """Store one recorded series in one transaction; storing it again changes nothing but the time it was checked.

    With ``until`` only bars that open before it are stored (a replay delivers the rest); the health speaks of all.
    """
    candles, timeframe = series.candles, series.candles.timeframe
    refused = [row.candle for row in series.refused]
    places = [row.place for row in series.refused]
    missing, owed = _missing(series)
    async with conn.transaction():
        new_refused = await store.store_refused(conn, series.symbol, timeframe, candles.source, refused, places)
        part = candles if until is None else candles.between(datetime(1970, 1, 1, tzinfo=UTC), until)
        stored = await store.store_candles(conn, part, series.asset_class, received_at)
        delta = store.FeedDelta(
            series.symbol, candles.source, series.asset_class, timeframe,
            last_ts=moment(int(candles.ts[-1])) if len(candles) else None,
            bars=stored.new, gaps=missing, refused=new_refused, revisions=stored.revised,
            completeness=1.0 - missing / owed if owed else None,
        )  # fmt: skip
        await store.update_feed_health(conn, delta, received_at)
    return stored


def _missing(series: CandleFile) -> tuple[int, int]:
    """Bars that the files do not have and all that the market owes, between the first and last recorded one."""
    candles, timeframe = series.candles, series.candles.timeframe
    if len(candles) == 0:
        return 0, 0
    since, until = moment(int(candles.ts[0])), moment(int(candles.ts[-1]) + SECONDS[timeframe])
    opens = expected_opens(series.asset_class, timeframe, since, until)
    gaps = find_gaps(candles.ts, timeframe, lambda _, __: opens, since, until)
    return sum(gap.bars for gap in gaps), len(opens)
