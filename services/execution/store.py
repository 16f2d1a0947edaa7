"""All SQL of execution."""

from services.contracts.messages import PortfolioSettled
from services.kernel.database import Connection

FILL = """
insert into fills (id, ts, order_id, symbol, asset_class, side, quantity, price, fee, slippage, reason, settled_at, fx,
                   liquidity, cash)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
on conflict do nothing
"""

TRADE = """
insert into trades (id, symbol, asset_class, side, opened_at, closed_at, quantity, entry_price, exit_price, fees,
                    slippage, pnl, exit_reason, bucket, regime, carry)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
on conflict (id) do nothing
"""

CHARGE = """
insert into carry_charges (id, ts, symbol, asset_class, kind, notional, rate, amount)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (id) do nothing
"""

OUTCOME = """
update orders set status = $2, filled_quantity = $3, updated_at = now(),
    detail = case when $4 = '' then detail else concat_ws('; ', nullif(detail, ''), $4) end
where id = $1
"""

# The open positions replace those of the slice before; closed ones leave.
CLOSED_POSITIONS = "delete from positions where symbol <> all($1::text[])"
POSITION = """
insert into positions (symbol, asset_class, quantity, cost, mark_price, market_value, unrealised_pnl, stop_price,
                       target_price, opened_at, expires_at, as_of, fx, trail)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
on conflict (symbol) do update set quantity = excluded.quantity, cost = excluded.cost, mark_price = excluded.mark_price,
    market_value = excluded.market_value, unrealised_pnl = excluded.unrealised_pnl, stop_price = excluded.stop_price,
    target_price = excluded.target_price, opened_at = excluded.opened_at, expires_at = excluded.expires_at,
    as_of = excluded.as_of, fx = excluded.fx, trail = excluded.trail
"""

EQUITY = """
insert into portfolio_equity (ts, cash, equity, realised_pnl, unrealised_pnl, fees, open_positions, carry)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (ts) do nothing
"""


async def save(conn: Connection, settled: PortfolioSettled, had_positions: bool) -> None:
    """Store what a slice's settlement changed."""
    if settled.fills:
        await conn.executemany(
            FILL,
            [
                (f.id, f.filled_at, f.order_id, f.symbol, f.asset_class, f.side, f.quantity, f.price, f.fee, f.slippage,
                 f.reason, settled.ts, f.fx, f.liquidity, f.cash)
                for f in settled.fills
            ],
        )  # fmt: skip
    if settled.trades:
        await conn.executemany(
            TRADE,
            [
                (t.id, t.symbol, t.asset_class, t.side, t.opened_at, t.closed_at, t.quantity, t.entry_price,
                 t.exit_price, t.fees, t.slippage, t.pnl, t.exit_reason, t.bucket, t.regime, t.carry)
                for t in settled.trades
            ],
        )  # fmt: skip
    if settled.charges:
        await conn.executemany(
            CHARGE,
            [
                (c.id, settled.ts, c.symbol, c.asset_class, c.kind, c.notional, c.rate, c.amount)
                for c in settled.charges
            ],
        )
    if settled.outcomes:
        await conn.executemany(OUTCOME, [(o.order_id, o.status, o.filled_quantity, o.detail) for o in settled.outcomes])
    if had_positions:
        await conn.execute(CLOSED_POSITIONS, [p.symbol for p in settled.positions])
    if settled.positions:
        await conn.executemany(
            POSITION,
            [
                (p.symbol, p.asset_class, p.quantity, p.cost, p.mark_price, p.market_value, p.market_value - p.cost,
                 p.stop_price, p.target_price, p.opened_at, p.expires_at, settled.ts, p.fx, p.trail)
                for p in settled.positions
            ],
        )  # fmt: skip
    await conn.execute(
        EQUITY, settled.ts, settled.cash, settled.equity, settled.realised_pnl, settled.unrealised_pnl, settled.fees,
        len(settled.positions), settled.carry,
    )  # fmt: skip
