"""SQL of the source role: what is collected, how far the stages are, which run this database holds."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.kernel.database import Connection
from services.kernel.errors import StartRefused

# A replay collects what its folder has; nothing else can come.
COLLECT_ONLY = """
update asset_registry set collecting = symbol = any($1::text[]), updated_at = now()
where collecting is distinct from (symbol = any($1::text[]))
"""

COLLECTING = """
select symbol, asset_class from asset_registry where collecting and asset_class = any($1::text[]) order by symbol
"""

# The slowest stage bounds how far a replay may run ahead; a stage without a row has not begun.
SLOWEST = """
select case when count(*) = cardinality($1::text[]) then min(slice_ts) end
from stage_state where stage = any($1::text[])
"""

# A bar that opens in [since, until) closes in (since, until].
SINCE = """
select ts, symbol, timeframe, open, high, low, close, volume, source, received_at, revision from candles
where timeframe = $1 and ts >= $2 and ts < $3 order by ts, symbol
"""

CLAIM_RUN = """
insert into run (mode, description, timeframe) values ($1, $2, $3) on conflict do nothing
"""
RUN = "select mode, description, timeframe from run"

SOURCE = """
insert into data_source_registry (source, family, gives, configured, detail) values ($1, $2, $3, $4, $5)
on conflict (source) do update set family = excluded.family, gives = excluded.gives, configured = excluded.configured,
    detail = excluded.detail, updated_at = now()
"""


async def collect_only(conn: Connection, symbols: Sequence[str]) -> None:
    """Collect these symbols and no others."""
    await conn.execute(COLLECT_ONLY, list(symbols))


async def collecting(conn: Connection, asset_classes: Sequence[str]) -> dict[str, str]:
    """Return the symbols of these classes that are collected now, with their class."""
    return {row[0]: row[1] for row in await conn.fetch(COLLECTING, list(asset_classes))}


async def slowest(conn: Connection, stages: Sequence[str]) -> datetime | None:
    """Return the slice that the slowest of the stages has reached; None while one has not begun."""
    reached: datetime | None = await conn.fetchval(SLOWEST, list(stages))
    return reached


async def received_between(
    conn: Connection, timeframe: str, since: datetime, until: datetime
) -> list[tuple[datetime, dict[str, Any]]]:
    """Read the candles that closed in (since, until], for publishing."""
    rows = await conn.fetch(SINCE, timeframe, since, until)
    return [(row[0], dict(list(row.items())[1:])) for row in rows]


async def claim_run(conn: Connection, mode: str, description: str, timeframe: str) -> None:
    """Say what this database holds; raises StartRefused if it already holds something else."""
    await conn.execute(CLAIM_RUN, mode, description, timeframe)
    held = await conn.fetchrow(RUN)
    if (held[0], held[1]) != (mode, description):
        raise StartRefused(
            f"this database holds a {held[0]} ({held[1]}), not a {mode} ({description}): "
            "use another database, or start over with --fresh"
        )
    if held[2] != timeframe:
        raise StartRefused(
            f"this database holds a {held[0]} of {held[2]} bars, not of {timeframe}: "
            "use another database, or start over with --fresh"
        )


async def register_source(
    conn: Connection, source: str, family: str, gives: str, configured: bool, detail: str
) -> None:
    """Record a source of data and whether it is configured."""
    await conn.execute(SOURCE, source, family, gives, configured, detail)
