"""All SQL of ingestion: candles and their revisions, refused candles, the health of feeds.

Every function runs inside the caller's transaction, so that stored rows and published messages commit together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.domain.candles import (
    FIELDS,
    Candles,
    ExpectedOpens,
    Gap,
    RefusedCandle,
    Timeframe,
    Times,
    find_gaps,
    moment,
)
from services.ingestion import pgcopy
from services.kernel.database import Connection

# Serialises writers of one symbol and timeframe until commit: between looking and writing nobody else may write.
LOCK_SERIES = "select pg_advisory_xact_lock(hashtextextended($1, 0))"

# What is stored of the times that a batch covers.
STORED_IN_RANGE = """
select ts, open, high, low, close, volume, received_at, revision from candles
where symbol = $1 and timeframe = $2 and ts >= $3 and ts <= $4 order by ts
"""
STORED_COLUMNS = [("ts", ">i8"), *((name, ">f8") for name in FIELDS), ("received_at", ">i8"), ("revision", ">i4")]

# Moves what bars said to the history, before what they say now is copied in their place.
MOVE_TO_REVISIONS = """
with old as (
    delete from candles
    where symbol = $1 and timeframe = $2 and ts >= $3 and ts <= $4 and ts = any($5::timestamptz[])
    returning *
)
insert into candle_revisions (ts, symbol, timeframe, asset_class, revision, open, high, low, close, volume,
                              source, received_at, replaced_at)
select ts, symbol, timeframe, asset_class, revision, open, high, low, close, volume, source, received_at, $6 from old
"""

STORE_REFUSED = """
insert into refused_candles (symbol, timeframe, source, place, reason, raw)
select $1, $2, $3, place, reason, raw from unnest($4::text[], $5::text[], $6::text[]) as r (place, reason, raw)
on conflict (symbol, timeframe, source, place, reason) do nothing
returning 1
"""

# Counters add up. Gaps, completeness and latency say the present; null leaves them as they are.
UPDATE_FEED_HEALTH = """
insert into feed_health as f (symbol, source, asset_class, timeframe, last_ts, bars, gaps, repaired, refused,
                              revisions, errors, last_error, checked_at, completeness, latency_seconds, limited)
values ($1, $2, $3, $4, $5, $6, coalesce($7, 0), $8, $9, $10, $11, $12, $13, $14, $15, $16)
on conflict (symbol, source, timeframe) do update
set last_ts = greatest(f.last_ts, excluded.last_ts), bars = f.bars + excluded.bars,
    gaps = coalesce($7, f.gaps), repaired = f.repaired + excluded.repaired,
    refused = f.refused + excluded.refused, revisions = f.revisions + excluded.revisions,
    errors = f.errors + excluded.errors, last_error = coalesce(excluded.last_error, f.last_error),
    checked_at = excluded.checked_at, completeness = coalesce(excluded.completeness, f.completeness),
    latency_seconds = coalesce(excluded.latency_seconds, f.latency_seconds), limited = f.limited + excluded.limited
"""

NEWEST = "select max(ts) from candles where symbol = $1 and timeframe = $2"
SPAN = "select min(ts), max(ts) from candles where symbol = $1 and timeframe = $2"

LOAD = """
select ts, open, high, low, close, volume from candles
where symbol = $1 and timeframe = $2 and ts >= $3 and ts < $4 order by ts
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch. ``written`` maps each new or changed bar's open (epoch s) to its revision number."""

    new: int = 0
    same: int = 0
    revised: int = 0
    written: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeedDelta:
    """What one look at a feed adds to its health; ``gaps`` is the number missing now, None when not looked at.

    ``completeness`` is the share of owed bars that are stored, ``latency_s`` how long after its close the newest bar
    came, ``limited`` whether the error was the source's limit.
    """

    symbol: str
    source: str
    asset_class: str
    timeframe: Timeframe
    last_ts: datetime | None = None
    bars: int = 0
    gaps: int | None = None
    repaired: int = 0
    refused: int = 0
    revisions: int = 0
    error: str | None = None
    completeness: float | None = None
    latency_s: float | None = None
    limited: bool = False


async def store_candles(conn: Connection, candles: Candles, asset_class: str, received_at: datetime) -> Stored:
    """Store a validated batch in one transaction; a bar that says something else is a revision, its old values kept.

    ``candles.ts`` must be strictly ascending, as ``validate`` leaves it.
    """
    if len(candles) == 0:
        return Stored()
    series, span = (candles.symbol, candles.timeframe), (moment(int(candles.ts[0])), moment(int(candles.ts[-1])))
    async with conn.transaction():
        await conn.execute(LOCK_SERIES, f"candles {candles.symbol} {candles.timeframe}")
        stored = pgcopy.read_rows(await _copy_out(conn, STORED_IN_RANGE, *series, *span), STORED_COLUMNS)
        new, changed, revisions = _compare(candles, stored, pgcopy.ticks(received_at))
        written = new | changed
        if changed.any():
            opens = [moment(ts) for ts in candles.ts[changed].tolist()]
            await conn.execute(MOVE_TO_REVISIONS, *series, *span, opens, received_at)
        if written.any():
            rows = pgcopy.rows_for_copy(candles.take(written), revisions[written], asset_class, received_at)
            await conn.copy_to_table("candles", source=BytesIO(rows), columns=pgcopy.COLUMNS, format="binary")
    return Stored(
        new=int(new.sum()),
        same=len(candles) - int(written.sum()),
        revised=int(changed.sum()),
        written=dict(zip(candles.ts[written].tolist(), revisions[written].tolist(), strict=True)),
    )


def _compare(
    candles: Candles, stored: NDArray[Any], received: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:
    """Which bars of a batch are new, which say something else than the stored ones, and each one's revision then.

    A delivery received before the stored one is an echo of the past (a redelivery) and changes nothing.
    """
    revisions = np.zeros(len(candles), dtype=np.int64)
    new, changed = np.ones(len(candles), dtype=np.bool_), np.zeros(len(candles), dtype=np.bool_)
    if len(stored):
        stored_ts = pgcopy.seconds(stored["ts"])
        at = np.minimum(np.searchsorted(stored_ts, candles.ts), len(stored) - 1)
        new = stored_ts[at] != candles.ts
        for name in FIELDS:
            changed |= stored[name][at] != getattr(candles, name)
        changed &= ~new & (stored["received_at"][at] <= received)
        revisions[changed] = stored["revision"][at][changed] + 1
    return new, changed, revisions


async def _copy_out(conn: Connection, query: str, *args: object) -> bytes:
    out = BytesIO()
    await conn.copy_from_query(query, *args, output=out, format="binary")
    return out.getvalue()


async def store_refused(
    conn: Connection,
    symbol: str,
    timeframe: Timeframe,
    source: str,
    refused: Sequence[RefusedCandle],
    places: Sequence[str] | None = None,
) -> int:
    """Store refused candles and return how many were not known before. A place defaults to the bar's time."""
    if not refused:
        return 0
    where = places or [place_of(one) for one in refused]
    columns = (list(where), [one.reason for one in refused], [one.raw for one in refused])
    return len(await conn.fetch(STORE_REFUSED, symbol, timeframe, source, *columns))


def place_of(refused: RefusedCandle) -> str:
    """Name a refused candle of a live feed by its time, so that asking again does not count it again."""
    try:
        return f"{moment(refused.ts):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return f"epoch {refused.ts}"


async def update_feed_health(conn: Connection, delta: FeedDelta, checked_at: datetime) -> None:
    """Add what one look at a feed found to its row in ``feed_health``."""
    d = delta
    await conn.execute(
        UPDATE_FEED_HEALTH, d.symbol, d.source, d.asset_class, d.timeframe, d.last_ts, d.bars, d.gaps, d.repaired,
        d.refused, d.revisions, 0 if d.error is None else 1, d.error, checked_at,
        d.completeness, d.latency_s, int(d.limited),
    )  # fmt: skip


async def newest_ts(conn: Connection, symbol: str, timeframe: Timeframe) -> datetime | None:
    """Open of the newest stored bar, None when there is none."""
    newest: datetime | None = await conn.fetchval(NEWEST, symbol, timeframe)
    return newest


async def stored_span(conn: Connection, symbol: str, timeframe: Timeframe) -> tuple[datetime, datetime] | None:
    """Opens of the oldest and newest stored bar, None when there is none."""
    oldest, newest = await conn.fetchrow(SPAN, symbol, timeframe)
    return None if oldest is None else (oldest, newest)


async def load_candles(
    conn: Connection, symbols: Iterable[str], timeframe: Timeframe, since: datetime, until: datetime
) -> dict[str, Candles]:
    """Stored bars with opens in [since, until) per symbol, ascending; the source is named ``store``."""
    loaded = {}
    for symbol in symbols:
        data = await _copy_out(conn, LOAD, symbol, timeframe, since, until)
        loaded[symbol] = pgcopy.candles_from_copy(data, symbol, timeframe, "store")
    return loaded


async def stored_opens(conn: Connection, symbol: str, timeframe: Timeframe, since: datetime, until: datetime) -> Times:
    """Opens of the stored bars in [since, until), ascending epoch seconds."""
    loaded = await load_candles(conn, [symbol], timeframe, since, until)
    return loaded[symbol].ts


async def missing_bars(
    conn: Connection, symbol: str, timeframe: Timeframe, expected: ExpectedOpens, since: datetime, until: datetime
) -> list[Gap]:
    """Gaps in what is stored, in [since, until)."""
    stored = await stored_opens(conn, symbol, timeframe, since, until)
    return find_gaps(stored, timeframe, expected, since, until)
