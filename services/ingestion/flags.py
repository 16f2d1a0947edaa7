"""SQL of the flags that ingestion raises in ``system_flags``: one open row a name and subject."""

from collections.abc import Sequence
from datetime import datetime

from services.contracts.messages import decision_id
from services.kernel.database import Connection

SOURCES_DISAGREE = "sources_disagree"

RAISE = """
insert into system_flags (id, name, subject, severity, blocks, detail, raised_at)
select $1, $2, $3, 'warning', 'entries', $4, $5
where not exists (select from system_flags where name = $2 and subject = $3 and cleared_at is null)
"""

CLEAR = "update system_flags set cleared_at = $3 where name = $1 and subject = $2 and cleared_at is null"

OPEN = """
select subject, detail from system_flags
where name = $1 and subject = any($2::text[]) and cleared_at is null
order by subject
"""


async def raise_flag(conn: Connection, name: str, subject: str, detail: str, now: datetime) -> None:
    """Raise a flag, unless it is up already."""
    await conn.execute(RAISE, decision_id(now, name, subject), name, subject, detail, now)


async def clear(conn: Connection, name: str, subject: str, now: datetime) -> None:
    """Take a flag down; nothing happens where it is not up."""
    await conn.execute(CLEAR, name, subject, now)


async def disagreeing(conn: Connection, symbols: Sequence[str]) -> list[tuple[str, str]]:
    """Return which of the symbols have sources that disagree now, and how, by symbol."""
    return [(row[0], row[1]) for row in await conn.fetch(OPEN, SOURCES_DISAGREE, list(symbols))]
