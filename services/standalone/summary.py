"""What a run came to, in numbers: equity, trades, profit factor, drawdown, forecast error, readiness."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.domain.candles import Timeframe
from services.domain.performance import profit_factor
from services.kernel.database import Connection
from services.standalone.forecast_record import ForecastRecord, forecast_records

BOOKS = """
select ts, equity, cash, fees, open_positions,
       (select equity from portfolio_equity order by ts limit 1) as first_equity,
       (select count(*) from portfolio_equity) as slices
from portfolio_equity order by ts desc limit 1
"""

TRADES = """
select count(*) as trades, count(*) filter (where pnl > 0) as wins,
       coalesce(sum(pnl) filter (where pnl > 0), 0) as won, coalesce(-sum(pnl) filter (where pnl <= 0), 0) as lost
from trades
"""

ORDERS = "select status, count(*) from orders group by status order by status"

# Largest fall from the peak so far, over every slice.
DRAWDOWN = """
select max(1 - equity / peak) from (
    select equity, max(equity) over (order by ts rows unbounded preceding) as peak from portfolio_equity
) e
"""

# Each enabled asset's forecast that came nearest to its threshold, and the confidence that it had.
NEAREST = """
select distinct on (s.symbol) s.symbol, s.expected_return, s.threshold, s.confidence
from signals s join asset_registry a using (symbol)
where a.trading_enabled and s.expected_return <> 0 and s.threshold > 0
order by s.symbol, s.expected_return / s.threshold desc, s.ts
"""
# Signals that a threshold asked for; the others explore.
REACHED = """
select exists (select from signals where action <> 'HOLD' and reasons[1] not like 'explores on paper%')
"""
REFUSED = "select detail from orders where status = 'refused' group by detail order by count(*) desc, detail limit 1"

READINESS = """
select r.phase, r.active, r.ready, r.requirement, r.comparison, r.threshold, r.current, r.met, r.missing
from phase_readiness r
join asset_class_config c using (phase)
order by c.phase_order
"""


@dataclass(frozen=True, slots=True)
class Summary:
    """A run so far; amounts in account currency."""

    ts: datetime
    slices: int
    equity: Decimal
    first_equity: Decimal
    fees: Decimal
    open_positions: int
    trades: int
    wins: int
    profit_factor: float | None
    max_drawdown: float
    orders: dict[str, int]
    remarks: list[str]
    """Why there was no trade, or none that a threshold asked for."""
    forecasts: list[ForecastRecord]
    readiness: list[dict[str, Any]]


async def summarise(conn: Connection, timeframe: Timeframe, horizon_bars: int) -> Summary | None:
    """Read the summary; None before the first slice is settled."""
    books = await conn.fetchrow(BOOKS)
    if books is None:
        return None
    trades = await conn.fetchrow(TRADES)
    orders = {row[0]: row[1] for row in await conn.fetch(ORDERS)}
    open_positions = books["open_positions"]
    return Summary(
        ts=books["ts"],
        slices=books["slices"],
        equity=books["equity"],
        first_equity=books["first_equity"],
        fees=books["fees"],
        open_positions=open_positions,
        trades=trades["trades"],
        wins=trades["wins"],
        profit_factor=profit_factor(float(trades["won"]), float(trades["lost"])),
        max_drawdown=float(await conn.fetchval(DRAWDOWN) or 0),
        orders=orders,
        remarks=await (explored(conn) if trades["trades"] else untraded(conn, open_positions, orders)),
        forecasts=await forecast_records(conn, timeframe, horizon_bars),
        readiness=[dict(row) for row in await conn.fetch(READINESS)],
    )


async def explored(conn: Connection) -> list[str]:
    """Say so where every trade was below its threshold; empty where some forecast reached it."""
    if await conn.fetchval(REACHED):
        return []
    what = "no forecast reached its threshold: all of these trades explore on paper (config/signals.yaml)"
    return [what, *_nearest(await conn.fetch(NEAREST))]


async def untraded(conn: Connection, open_positions: int, orders: Mapping[str, int]) -> list[str]:
    """Say in plain words why no round trip has been closed."""
    if open_positions:
        return [f"no round trip: {open_positions} open, none has been closed yet"]
    if orders:
        told = ", ".join(f"{n} {status}" for status, n in orders.items())
        refused = await conn.fetchval(REFUSED)
        return [f"no round trip: orders {told}" + (f"; most were refused because of {refused}" if refused else "")]
    nearest = await conn.fetch(NEAREST)
    if not nearest:
        return ["no round trip: no trained model had forecast an enabled asset yet, for it needs days of history"]
    return ["no round trip: no forecast was traded", *_nearest(nearest)]


def _nearest(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"{row['symbol']}: the largest rise expected beside its threshold of {row['threshold']:.2%} was "
        f"{row['expected_return']:+.2%}, with confidence {row['confidence']:.2f}"
        for row in rows
    ]
