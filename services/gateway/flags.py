"""What the API shows of the system's flags, and how a person says to have seen one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import Field

from services.gateway import views
from services.gateway.access import Caller, require
from services.gateway.changing import DENIED, Note
from services.gateway.commands import utc_now
from services.gateway.reading import ACQUIRE_SECONDS, Limit
from services.gateway.tokens import Tokens
from services.gateway.views import View
from services.kernel.database import Connection
from services.kernel.flags import acknowledge_flag
from services.kernel.logging import get

ONE = """
select id, name, coalesce(subject, 'all') as subject, severity, blocks, detail, raised_at, cleared_at, acknowledged_by,
       acknowledged_at, note
from system_flags
"""
# The gravest first, and of those the newest; those that are over behind all others.
LIST = f"""{ONE}
where $1 or cleared_at is null
order by cleared_at desc nulls first, array_position(array['critical', 'warning', 'info'], severity), raised_at desc, id
limit $2
"""
BY_ID = f"{ONE} where id = $1"


class FlagView(View):
    """A condition of the platform; up while ``cleared_at`` is null."""

    id: UUID
    name: str = Field(examples=["stale_feed"])
    subject: str = Field(description="A symbol, an asset class, a stage, a source or all", examples=["BTC/USDT"])
    severity: Literal["info", "warning", "critical"]
    blocks: str = Field(description="live: live entries; entries: all entries; empty: it is only seen")
    detail: str
    raised_at: datetime
    cleared_at: datetime | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    note: str = Field(description="What the person who acknowledged it had to say")


class FlagsView(View):
    """Flags, the gravest first."""

    items: list[FlagView]


All = Annotated[bool, Query(alias="all", description="Those that are over too")]


def routes(pool: Connection, tokens: Tokens, read: Sequence[Any]) -> APIRouter:
    """Make both routes; ``read`` are the dependencies of reading."""
    router = APIRouter(tags=["risk"])
    operate = Depends(require(tokens, "operate"))

    @router.get("/flags", response_model=FlagsView, dependencies=list(read), responses=DENIED if read else {})
    async def flags(every: All = False, limit: Limit = 100) -> Any:
        """Show what is wrong with the platform: each flag that is up, what it blocks, and who has seen it."""
        async with pool.acquire(timeout=ACQUIRE_SECONDS) as conn:
            return {"items": [dict(row) for row in await conn.fetch(LIST, every, limit)]}

    missing = {**DENIED, 404: {"model": views.Problem, "description": "No such flag"}}

    @router.post("/flags/{flag_id}/acknowledge", response_model=FlagView, responses=missing)
    async def acknowledge(flag_id: UUID, body: Note | None = None, caller: Caller = operate) -> Any:
        """Say to have seen a flag; it stays up until its condition is over, and the first who says so stands."""
        note = "" if body is None else body.note.strip()
        async with pool.acquire(timeout=ACQUIRE_SECONDS) as conn, conn.transaction():
            first = await acknowledge_flag(conn, flag_id, caller.by, note, utc_now())
            row = await conn.fetchrow(BY_ID, flag_id)
        if row is None:
            raise HTTPException(404, f"no flag {flag_id}; GET /flags lists them")
        if first:
            get("gateway").info("flag acknowledged", name=row["name"], subject=row["subject"], by=caller.by)
        return dict(row)

    return router
