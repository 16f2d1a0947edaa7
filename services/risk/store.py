"""All SQL of risk."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.contracts.messages import LimitCheck, Order, OrdersDecided, Refused
from services.kernel.database import Connection
from services.kernel.errors import StartRefused
from services.risk.remarks import remarks

# What may be entered when risk starts for the first time; later phases says so by message.
ENABLED = "select symbol from asset_registry where trading_enabled order by symbol"
CLASSES = "select distinct asset_class from asset_class_config where active order by asset_class"

ORDER = """
insert into orders (id, ts, symbol, asset_class, side, quantity, reason, reduce_only, status, reference_price,
                    stop_price, target_price, detail, checks)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::text::json)
on conflict (id) do nothing
"""

EVENT = """
insert into risk_events (id, ts, symbol, name, severity, limit_value, current_value, detail)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (id) do nothing
"""

# What the halt file has last asked for, and the last time that it was gone.
LAST_SWITCH = """
select name, id, (select id from commands where given_by = $1 and name = 'resume' order by seq desc limit 1) as resumed
from commands where given_by = $1 order by seq desc limit 1
"""

COMMAND_DONE = "update commands set status = 'done', outcome = $2 where id = $1 and status = 'pending'"


_ENCODER = msgspec.json.Encoder(decimal_format="string")


async def enablement(conn: Connection) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read the enabled symbols and active classes; an empty registry means that the database was not set up."""
    if not await conn.fetchval("select exists (select from asset_registry)"):
        raise StartRefused("asset_registry is empty: run the migrations first ('make migrate' or the migrate service)")
    enabled = tuple(row[0] for row in await conn.fetch(ENABLED))
    return enabled, tuple(row[0] for row in await conn.fetch(CLASSES))


async def save(conn: Connection, decided: OrdersDecided, halted_before: str | None) -> None:
    """Store approved and refused orders with the table as it stood, and what people should know about."""
    orders = [_approved(decided.ts, order) for order in decided.orders]
    orders += [_refused(decided.ts, refused) for refused in decided.refused]
    events = [
        (r.id, decided.ts, r.symbol, r.name, r.severity, r.limit, r.current, r.detail)
        for r in remarks(decided, halted_before)
    ]
    if orders:
        await conn.executemany(ORDER, orders)
    if events:
        await conn.executemany(EVENT, events)


async def last_switch(conn: Connection, by: str) -> tuple[str | None, UUID | None, UUID | None]:
    """Read the halt file's newest command: its name, its id, and its newest resumption's id; None where none is."""
    row = await conn.fetchrow(LAST_SWITCH, by)
    return (None, None, None) if row is None else (row[0], row[1], row[2])


async def finish_command(conn: Connection, command_id: Any, outcome: str) -> None:
    """Record that an operator's command took effect."""
    await conn.execute(COMMAND_DONE, command_id, outcome)


def _approved(ts: datetime, o: Order) -> tuple[Any, ...]:
    return (
        o.id,
        ts,
        o.symbol,
        o.asset_class,
        o.side,
        o.quantity,
        o.reason,
        o.reduce_only,
        "approved",
        o.reference_price,
        o.stop_price,
        o.target_price,
        "; ".join(o.notes),
        _table(o.checks),
    )


def _refused(ts: datetime, r: Refused) -> tuple[Any, ...]:
    nothing = (None, None, None)
    wish = (r.id, ts, r.symbol, r.asset_class, r.side, r.quantity, "entry", False, "refused")
    return (*wish, *nothing, r.reason, _table(r.checks))


def _table(checks: tuple[LimitCheck, ...]) -> str | None:
    """Write the table as JSON; None for reductions, which are asked nothing."""
    return _ENCODER.encode(checks).decode() if checks else None
