"""SQL of the measured record: ``asset_performance`` by day and to date, ``performance_by_cell`` to date."""

from datetime import date
from typing import Any

from services.kernel.database import Connection
from services.phases.record import Record, SymbolRecord, amount
from services.phases.summary import summarise

PERFORMANCE = """
insert into asset_performance (day, symbol, asset_class, trades, wins, pnl, fees, slippage, exposure, trades_to_date,
    win_rate_to_date, pnl_to_date, fees_to_date, slippage_to_date, gross_profit_to_date, gross_loss_to_date,
    profit_factor_to_date, sharpe_to_date, sortino_to_date, max_drawdown_to_date)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
on conflict (day, symbol) do nothing
"""

# To date, so a cell that closed no trade since keeps its row.
BY_CELL = """
insert into performance_by_cell (symbol, asset_class, regime, bucket, trades, wins, pnl, profit_factor, as_of)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (symbol, regime, bucket) do update set asset_class = excluded.asset_class, trades = excluded.trades,
    wins = excluded.wins, pnl = excluded.pnl, profit_factor = excluded.profit_factor, as_of = excluded.as_of
where performance_by_cell.as_of <= excluded.as_of
"""


async def save_performance(conn: Connection, record: Record, day: str) -> None:
    """Store the record's newest day (ISO), of each asset that has ever traded; raises ValueError for another day."""
    if not record.days or day != record.days[-1]:
        raise ValueError(f"{day} is not the newest day of the record, {record.days[-1] if record.days else 'none'}")
    on = date.fromisoformat(day)
    lines = [_line(record, symbol, kept, on) for symbol, kept in record.symbols.items()]
    if lines:
        await conn.executemany(PERFORMANCE, lines)
    cells = [
        (symbol, kept.asset_class, regime, bucket, f.trades, f.wins, amount(f.pnl), f.profit_factor, on)
        for symbol, kept in record.symbols.items()
        if kept.newest.trades
        for (regime, bucket), f in summarise(record, symbol).by_cell.items()
    ]
    if cells:
        await conn.executemany(BY_CELL, cells)


def _line(record: Record, symbol: str, kept: SymbolRecord, on: date) -> tuple[Any, ...]:
    today, whole = kept.newest, summarise(record, symbol)
    won = sum(pnl for pnl in kept.closed_pnl if pnl > 0)
    return (
        on, symbol, kept.asset_class, today.trades, today.wins, today.pnl, today.fees, today.slippage, today.exposure,
        whole.trades, whole.win_rate, kept.worth, kept.fees, amount(sum(kept.slippage)), amount(won),
        amount(won - sum(kept.closed_pnl)), whole.profit_factor, whole.sharpe_ratio, whole.sortino_ratio,
        whole.max_drawdown,
    )  # fmt: skip
