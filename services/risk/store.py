"""All SQL of risk."""

from typing import Any

from services.contracts.messages import OrdersDecided, decision_id
from services.kernel.database import Connection
from services.kernel.errors import StartRefused

# What may be entered when risk starts for the first time; later phases says so by message.
ENABLED = "select symbol from asset_registry where trading_enabled order by symbol"
CLASSES = "select distinct asset_class from asset_class_config where active order by asset_class"

ORDER = """
insert into orders (id, ts, symbol, asset_class, side, quantity, reason, reduce_only, status, reference_price,
                    stop_price, target_price, detail)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
on conflict (id) do nothing
"""

EVENT = """
insert into risk_events (id, ts, symbol, name, severity, limit_value, current_value, detail)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (id) do nothing
"""

COMMAND_DONE = "update commands set status = 'done', outcome = $2 where id = $1 and status = 'pending'"


async def enablement(conn: Connection) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read the enabled symbols and active classes; an empty registry means that the database was not set up."""
    if not await conn.fetchval("select exists (select from asset_registry)"):
        raise StartRefused("asset_registry is empty: run the migrations first ('make migrate' or the migrate service)")
    enabled = tuple(row[0] for row in await conn.fetch(ENABLED))
    return enabled, tuple(row[0] for row in await conn.fetch(CLASSES))


async def save(conn: Connection, decided: OrdersDecided, newly_halted: str | None) -> None:
    """Store approved and refused orders, and what people should know about."""
    orders: list[tuple[Any, ...]] = [
        (
            o.id,
            decided.ts,
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
        )
        for o in decided.orders
    ]
    orders += [
        (
            r.id,
            decided.ts,
            r.symbol,
            r.asset_class,
            r.side,
            r.quantity,
            "entry",
            False,
            "refused",
            None,
            None,
            None,
            r.reason,
        )
        for r in decided.refused
    ]
    events: list[tuple[Any, ...]] = [
        (decision_id(decided.ts, "risk_event", r.symbol), decided.ts, r.symbol, r.check, "info", None, None, r.reason)
        for r in decided.refused
    ]
    if newly_halted is not None:
        checks = {c.name: c for c in decided.checks}
        check = checks["daily_loss" if newly_halted.startswith("daily") else "drawdown"]
        event_id = decision_id(decided.ts, "risk_event", "halt")
        events.append((event_id, decided.ts, None, "halt", "critical", check.limit, check.current, newly_halted))
    if orders:
        await conn.executemany(ORDER, orders)
    if events:
        await conn.executemany(EVENT, events)


async def finish_command(conn: Connection, command_id: Any, outcome: str) -> None:
    """Record that an operator's command took effect."""
    await conn.execute(COMMAND_DONE, command_id, outcome)
