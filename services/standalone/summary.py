"""What a run came to, in numbers: equity, trades, profit factor, drawdown, forecast error, readiness."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np

from services.domain.candles import Timeframe, Times
from services.domain.performance import profit_factor
from services.inference.evaluate import ForecastErrors, measure, verdict
from services.kernel.database import Connection
from services.research.outcomes import outcomes

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

# Forecasts, and the bars they spoke of; what came is the close at the horizon's end in the market's own bars.
FORECASTS = """
select symbol, asset_class, extract(epoch from ts)::bigint, expected_return, close
from forecasts where expected_return <> 0 order by symbol, ts
"""
CANDLES = """
select c.symbol, extract(epoch from c.ts)::bigint, c.close
from candles c join run r using (timeframe)
where c.symbol = any($1::text[]) and c.ts >= to_timestamp($2) - r.timeframe::interval * 2
order by c.symbol, c.ts
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


async def summarise(conn: Connection, timeframe: Timeframe, horizon_bars: int) -> Summary | None:
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
        forecasts=await _forecasts(conn, timeframe, horizon_bars),
        readiness=[dict(row) for row in await conn.fetch(READINESS)],
    )


async def _forecasts(
    conn: Connection, timeframe: Timeframe, horizon_bars: int
) -> dict[str, tuple[ForecastErrors | None, str]]:
    """Measure each symbol's forecasts beside what came."""
    made = _by_symbol(await conn.fetch(FORECASTS))
    if not made:
        return {}
    since = min(int(rows[0][2]) for rows in made.values())
    stored = _by_symbol(await conn.fetch(CANDLES, list(made), since))
    found = {}
    for symbol, rows in made.items():
        bars = stored.get(symbol, [])
        ts, close = _whole(bars, 1), np.array([bar[2] for bar in bars], dtype=np.float64)
        realised = outcomes(rows[0][1], timeframe, ts, close, _whole(rows, 2), horizon_bars)
        expected = np.array([row[3] for row in rows], dtype=np.float64)
        errors = measure(expected, realised, horizon_bars)
        found[symbol] = (errors, verdict(symbol, errors, horizon_bars))
    return found


def _by_symbol(rows: list[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return found


def _whole(rows: list[Any], column: int) -> Times:
    return np.array([row[column] for row in rows], dtype=np.int64)
