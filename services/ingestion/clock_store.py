"""All SQL of the slice clock."""

import json
from collections.abc import Sequence
from datetime import datetime

from services.contracts.messages import Bar, SliceClosed
from services.kernel.database import Connection

# Whose bars belong into a slice; activations change it without a restart.
COLLECTING = "select symbol, asset_class from asset_registry where collecting order by symbol"

BARS = """
select ts, symbol, asset_class, open, high, low, close, volume from candles
where timeframe = $1 and symbol = any($2::text[]) and ts > $3 and ts <= $4
order by symbol, ts
"""

SLICE = """
insert into slices (ts, timeframe, present, missing)
select t, $1, p, m::json from unnest($2::timestamptz[], $3::integer[], $4::text[]) as s (t, p, m)
on conflict do nothing
"""


async def collecting(conn: Connection) -> dict[str, str]:
    """Return the symbols that are collected, with their asset classes."""
    return {row[0]: row[1] for row in await conn.fetch(COLLECTING)}


async def bars(
    conn: Connection, timeframe: str, symbols: Sequence[str], after: datetime, until: datetime
) -> list[tuple[datetime, Bar]]:
    """Read the stored bars that opened in (after, until], by symbol and time, with their opening times."""
    rows = await conn.fetch(BARS, timeframe, list(symbols), after, until)
    return [(row[0], Bar(*row[1:])) for row in rows]


async def save(conn: Connection, timeframe: str, closed: Sequence[SliceClosed]) -> None:
    """Store that the slices closed, with what was present and missing."""
    missing = [json.dumps({m.symbol: m.reason for m in s.missing}) for s in closed]
    await conn.execute(SLICE, timeframe, [s.ts for s in closed], [len(s.bars) for s in closed], missing)
