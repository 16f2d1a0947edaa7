"""Rows of an asset that has earned real money, over the made-up replay of ``gateway_cases``."""

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid5

from gateway_cases import LAST, START

from services.contracts.messages import CHLOE_NAMESPACE
from services.domain.money import money

BTC = "BTC/USDT"
TABLES = (
    "candles, refused_candles, fills, research_tiers, research_edges, performance_by_cell, live_audits,"
    " leading_indicators, options_flow, social_sentiment, data_source_registry, stage_state, system_flags, run"
)
"""What is filled here and by no other test of the gateway, or changed by one; emptied before and after."""
BARS = 100 * 24
WON = (3, 1, 2, 2)
"""By each winning trade of a day."""
MIX = [{"regime": "high_vol", "bucket": bucket, "share": share} for bucket, share in ((0, 0.4), (1, 0.3), (2, 0.3))]


async def earn(pool: Any) -> None:
    """Give BTC a hundred days of candles, 24 good trades with their fills, a measured edge and a clean feed."""
    async with pool.acquire() as conn, conn.transaction():
        await _candles(conn)
        await _trades(conn)
        await _research(conn)
        await conn.execute("insert into data_source_registry values ('binance', 'crypto', 'candles', true, '')")


async def raise_flag(pool: Any, name: str, subject: str | None, blocks: str = "entries") -> None:
    """Put a flag up."""
    await pool.execute(
        "insert into system_flags (id, name, subject, severity, blocks, detail, raised_at)"
        " values ($1, $2, $3, 'warning', $4, 'made up', $5)",
        uuid5(CHLOE_NAMESPACE, f"{name} {subject}"), name, subject, blocks, LAST,
    )  # fmt: skip


async def _candles(conn: Any) -> None:
    first = LAST - timedelta(hours=BARS)
    await conn.executemany(
        "insert into candles values ($1, $2, '1h', 'crypto', 100, 101, 99, 100, 5, 'binance', $3, $1)",
        # One more after the replay's newest slice, which nothing may look at.
        [(first + timedelta(hours=n), BTC, 1 if n == 7 else 0) for n in range(BARS + 1)],
    )
    await conn.execute(
        "insert into refused_candles (symbol, timeframe, source, place, reason, raw)"
        " values ($1, '1h', 'binance', 'row 3', 'high < low', '')",
        BTC,
    )


async def _trades(conn: Any) -> None:
    await conn.execute("delete from trades where symbol = $1", BTC)
    await conn.execute("delete from asset_performance where symbol = $1", BTC)
    for n in range(24):
        opened = START + timedelta(hours=4 * n)
        closed, lost = opened + timedelta(hours=3), n % 3 == 0
        pnl = money("-1.5") if lost else money(WON[n // 6])
        identity = uuid5(CHLOE_NAMESPACE, f"audited {n}")
        await conn.execute(
            "insert into trades (id, symbol, asset_class, side, opened_at, closed_at, quantity, entry_price,"
            " exit_price, fees, slippage, pnl, exit_reason, bucket, regime)"
            " values ($1, $2, 'crypto', 'long', $3, $4, 0.001, 60000, 60100, 0.1, 0.01, $5, $6, $7, 'high_vol')",
            identity, BTC, opened, closed, pnl, "stop" if lost else "target", n % 3,
        )  # fmt: skip
        for side, reason, ts in (("buy", "entry", opened), ("sell", "target", closed)):
            await conn.execute(
                "insert into fills (id, ts, symbol, asset_class, side, quantity, price, fee, slippage, reason,"
                " settled_at) values ($1, $2, $3, 'crypto', $4, 0.001, 60000, 0.06, 0.012, $5, $2)",
                uuid5(identity, reason), ts, BTC, side, reason,
            )  # fmt: skip
    for n in range(4):
        await conn.execute(
            "insert into asset_performance (day, symbol, asset_class, trades, wins, pnl, fees, slippage,"
            " trades_to_date, win_rate_to_date, pnl_to_date, fees_to_date, profit_factor_to_date, sharpe_to_date,"
            " max_drawdown_to_date, exposure, sortino_to_date)"
            " values ($1, $2, 'crypto', 6, 4, 5, 1, 0.1, $3, 0.66, $4, $5, 2.6, 1.4, 0.031, 0.2, 2.1)",
            date(2024, 3, 1 + n), BTC, 6 * (n + 1), money(5 * (n + 1) + n % 2), money(n + 1),
        )  # fmt: skip
    for bucket, pnl in ((0, Decimal(4)), (1, Decimal(8)), (2, Decimal(8))):
        await conn.execute(
            "insert into performance_by_cell values ($1, 'crypto', 'high_vol', $2, 8, 6, $3, 2.0, '2024-03-04')",
            BTC, bucket, pnl,
        )  # fmt: skip


async def _research(conn: Any) -> None:
    for night, edge in ((1, 3.0), (0, 7.1)):
        await conn.execute(
            "insert into research_tiers values ($1, $2, 1, 'above 5 bps', 900, $3, 1.2, 13.0, 0.003, $4::text::json,"
            " 'replay')",
            BTC, LAST - timedelta(days=night), edge, json.dumps(MIX),
        )  # fmt: skip
    for bucket, as_of, edge, source in (
        (0, START - timedelta(days=9999), 9.8, "plan"), (1, START - timedelta(days=9999), 9.8, "plan"),
        (1, LAST - timedelta(days=1), 6.0, "replay"), (1, LAST, 9.5, "replay"),
        (2, LAST - timedelta(days=2), 0.4, "replay"),
    ):  # fmt: skip
        await conn.execute(
            "insert into research_edges values ($1, 'crypto', 'high_vol', $2, $3, $4, $5, $6, $7, $8, $9)",
            BTC, bucket, edge, *((None, None, 0) if source == "plan" else (edge - 3, edge + 3, 220)), source, as_of,
            None if source == "plan" else 0.01,
        )  # fmt: skip
