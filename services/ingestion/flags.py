"""The flag that ingestion raises: sources that disagree about an asset's prices."""

from collections.abc import Sequence
from datetime import datetime

from services.kernel import flags
from services.kernel.database import Connection

SOURCES_DISAGREE = "sources_disagree"

OPEN = """
select subject, detail from system_flags
where name = $1 and subject = any($2::text[]) and cleared_at is null
order by subject
"""


async def raise_flag(conn: Connection, name: str, subject: str, detail: str, now: datetime) -> None:
    """Raise a flag, unless it is up already."""
    await flags.raise_flag(conn, name, subject, severity="warning", blocks="entries", detail=detail, now=now)


async def clear(conn: Connection, name: str, subject: str, now: datetime) -> None:
    """Take a flag down; nothing happens where it is not up."""
    await flags.clear_flag(conn, name, subject, now)


async def disagreeing(conn: Connection, symbols: Sequence[str]) -> list[tuple[str, str]]:
    """Return which of the symbols have sources that disagree now, and how, by symbol."""
    return [(row[0], row[1]) for row in await conn.fetch(OPEN, SOURCES_DISAGREE, list(symbols))]
