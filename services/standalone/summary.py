"""What a run came to, in numbers: equity, trades, profit factor, drawdown, forecast error, readiness."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np

from services.domain.performance import profit_factor
from services.inference.evaluate import ForecastErrors, measure, verdict
from services.kernel.database import Connection

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

# Forecasts beside what came: the bar that closes at the horizon's end.
FORECASTS = """
select f.symbol, f.expected_return, ln(c.close / f.close)
from forecasts f
join candles c on c.symbol = f.symbol and c.timeframe = '1h'
    and c.ts = f.ts + make_interval(hours => f.horizon_hours - 1)
where f.expected_return <> 0
order by f.symbol, f.ts
"""

READINESS = """
select r.phase, r.active, r.ready, r.requirement, r.comparison, r.threshold, r.current, r.met, r.missing
from phase_readiness r
join asset_class_config c using (phase)
order by c.phase_order
"""


@dataclass(frozen=True, slots=True)
class Summary:
    """A run so far; amounts in account currency. ``forecasts`` maps symbols to errors and a verdict in words."""

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
    forecasts: dict[str, tuple[ForecastErrors | None, str]]
    readiness: list[dict[str, Any]]


async def summarise(conn: Connection, horizon_hours: int) -> Summary | None:
    """Read the summary; None before the first slice is settled."""
    books = await conn.fetchrow(BOOKS)
    if books is None:
        return None
    trades = await conn.fetchrow(TRADES)
    return Summary(
        ts=books["ts"],
        slices=books["slices"],
        equity=books["equity"],
        first_equity=books["first_equity"],
        fees=books["fees"],
        open_positions=books["open_positions"],
        trades=trades["trades"],
        wins=trades["wins"],
        profit_factor=profit_factor(float(trades["won"]), float(trades["lost"])),
        max_drawdown=float(await conn.fetchval(DRAWDOWN) or 0),
        orders={row[0]: row[1] for row in await conn.fetch(ORDERS)},
        forecasts=_errors(await conn.fetch(FORECASTS), horizon_hours),
        readiness=[dict(row) for row in await conn.fetch(READINESS)],
    )


def _errors(rows: list[Any], horizon_hours: int) -> dict[str, tuple[ForecastErrors | None, str]]:
    by_symbol: dict[str, list[tuple[float, float]]] = {}
    for symbol, expected, realised in rows:
        by_symbol.setdefault(symbol, []).append((expected, realised))
    found = {}
    for symbol, pairs in by_symbol.items():
        columns = np.array(pairs, dtype=np.float64)
        errors = measure(columns[:, 0], columns[:, 1], horizon_hours)
        found[symbol] = (errors, verdict(symbol, errors, horizon_hours))
    return found
