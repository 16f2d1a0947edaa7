"""Flags in ``system_flags``: conditions that people should see or that block trading. One home to raise and clear them.

At most one row of a name and subject is open at a time: an index sees to it, so raising is safe to repeat and to race.
"""

from datetime import datetime
from uuid import UUID

from services.contracts.messages import decision_id
from services.domain.flags import Blocks, Severity
from services.kernel.database import Connection

RAISE = """
insert into system_flags (id, name, subject, severity, blocks, detail, raised_at)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing
"""
CLEAR = "update system_flags set cleared_at = $3 where name = $1 and subject = $2 and cleared_at is null"

# A flag is acknowledged once: the first name stays. It stays up until its condition is over.
ACKNOWLEDGE = """
update system_flags set acknowledged_by = $2, acknowledged_at = $3, note = $4 where id = $1 and acknowledged_by is null
"""


async def raise_flag(
    conn: Connection, name: str, subject: str, *, severity: Severity, blocks: Blocks, detail: str, now: datetime
) -> bool:
    """Raise a flag; False where one of that name and subject is up already, whose words then stay."""
    identity = decision_id(now, name, f"{subject}|{detail}")
    done: str = await conn.execute(RAISE, identity, name, subject, severity, blocks, detail, now)
    return done.endswith(" 1")


async def clear_flag(conn: Connection, name: str, subject: str, now: datetime) -> bool:
    """Take a flag down; False where it is not up."""
    done: str = await conn.execute(CLEAR, name, subject, now)
    return done.endswith(" 1")


async def change_flag(
    conn: Connection, name: str, subject: str, *, severity: Severity, blocks: Blocks, detail: str, now: datetime
) -> None:
    """Close the open row and raise a new one, so that each row says what was true while it was open."""
    await clear_flag(conn, name, subject, now)
    await raise_flag(conn, name, subject, severity=severity, blocks=blocks, detail=detail, now=now)


async def acknowledge_flag(conn: Connection, identity: UUID, by: str, note: str, now: datetime) -> bool:
    """Note who has seen a flag; False where someone has before, or where there is none of that id."""
    done: str = await conn.execute(ACKNOWLEDGE, identity, by, now, note)
    return done.endswith(" 1")
