"""Rows as a short replay leaves them, and tokens to ask with."""

import json
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from services.contracts.messages import (
    CHLOE_NAMESPACE,
    LimitCheck,
    OrdersDecided,
    PortfolioSettled,
    Readiness,
    Requirement,
    Trade,
    encode,
)
from services.domain.money import money
from services.gateway.tokens import Tokens
from services.kernel import database
from services.phases.service import load_params
from services.phases.store import seed as seed_registries

READ, OPERATE, LIVE = "r3ad-9f2c41d87ab6e05c3f1b", "0per-71c9e0b4a6d85f2390ab", "l1ve-5d0a8c3be97f1426d0ce"
TOKENS = Tokens({"read": READ, "operate": OPERATE, "live": LIVE})

START = datetime(2024, 3, 1, tzinfo=UTC)
HOURS = 96
LAST = START + timedelta(hours=HOURS)
FILLED_TABLES = (
    "run, stage_state, outbox, commands, asset_class_config, asset_registry, phase_activation_log, model_registry,"
    " system_flags, feed_health, forecasts, signals, allocations, orders, risk_events, trades, positions,"
    " portfolio_equity, asset_performance, readiness_log"
)
GATE = (
    Requirement("profitable_days (crypto, last 60 d)", ">=", 30.0, 18.0, False, "12 more profitable days"),
    Requirement("sharpe_ratio (crypto, last 60 d)", ">", 1.5, None, False, "not defined yet: 0 trades in 4 days"),
    Requirement("max_drawdown (crypto, last 60 d)", "<", 0.15, 0.04, True, None),
    Requirement("win_rate (crypto, last 60 d)", ">", 0.5, 0.62, True, None),
    Requirement("source_configured (stocks)", "is", 1.0, 0.0, False, "no source for stocks is configured (polygon)"),
)


def trade(n: int, symbol: str = "BTC/USDT") -> Trade:
    """Make a round trip."""
    opened = START + timedelta(hours=5 * n)
    return Trade(
        id=uuid5(CHLOE_NAMESPACE, f"trade {symbol} {n}"),
        symbol=symbol,
        asset_class="crypto",
        side="long",
        opened_at=opened,
        closed_at=opened + timedelta(hours=3),
        quantity=money("0.0125"),
        entry_price=money(61000 + 10 * n),
        exit_price=money(f"{61050.12345678 + 13 * n * (-1) ** n:.8f}"),
        fees=money("0.76"),
        slippage=money(0),
        pnl=money(round(6.25 * (-1) ** n + n / 7, 8)),
        exit_reason="target" if n % 2 else "stop",
        bucket=n % 10,
        regime="high_vol",
    )


TRADES = [trade(n) for n in range(14)] + [trade(n, "ETH/USDT") for n in range(6)]


async def no_time(_: float) -> None:
    """Wait for nothing."""


async def seed(pool: Any) -> None:
    """Fill the tables."""
    async with pool.acquire() as conn, conn.transaction():
        await seed_registries(conn, load_params())
        await conn.execute("insert into run (mode, description, timeframe) values ('replay', 'a test', '1h')")
        await _seed_books(conn)
        await _seed_decisions(conn)
        await _seed_record(conn)
        await _seed_messages(conn)


async def evaluate_phase(pool: Any, phase: str, requirements: tuple[Requirement, ...], ts: datetime = LAST) -> None:
    """Store an evaluation of one phase's gate."""
    ready = all(r.met for r in requirements)
    judged = Readiness(phase, "stocks", False, ready, requirements)
    text = json.dumps(json.loads(encode(judged))["requirements"])
    await pool.execute(
        "insert into readiness_log (ts, phase, asset_class, active, ready, requirements)"
        " values ($1, $2, 'stocks', false, $3, $4::text::json)",
        ts, phase, ready, text,
    )  # fmt: skip


async def _seed_books(conn: Any) -> None:
    rows = []
    for hour in range(1, HOURS + 1):
        equity = money(round(1000 + hour * 0.9 + 22 * math.sin(hour / 9), 8))
        rows.append(
            (START + timedelta(hours=hour), equity - money(410), equity, money(80), money(12), money("15.2"), 2)
        )
    await conn.executemany("insert into portfolio_equity values ($1, $2, $3, $4, $5, $6, $7)", rows)
    held = [("BTC/USDT", money("0.0042"), money(250), money(61800), money("259.56")),
            ("ETH/USDT", money("0.045"), money(152), money(3343), money("150.435"))]  # fmt: skip
    for symbol, quantity, cost, mark, value in held:
        await conn.execute(
            "insert into positions values ($1, 'crypto', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            symbol, quantity, cost, mark, value, value - cost, mark * Decimal("0.96"), mark * Decimal("1.06"),
            LAST - timedelta(hours=4), LAST + timedelta(hours=20), LAST,
        )  # fmt: skip
    await conn.executemany(
        "insert into trades values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        [tuple(getattr(t, name) for name in Trade.__struct_fields__) for t in TRADES],
    )


async def _seed_decisions(conn: Any) -> None:
    wants = [("BTC/USDT", "BUY", 0.0062, 0.91, "expected +0.62 % is above the threshold 0.30 %", "STRONG_BUY"),
             ("ETH/USDT", "HOLD", 0.0021, 0.35, "expected +0.21 % is below the threshold 0.60 %", "HOLD"),
             ("SOL/USDT", "SELL", -0.0104, 0.77, "expected -1.04 % is below -0.75 %", "SELL")]  # fmt: skip
    for back in range(3):
        ts = LAST - timedelta(hours=back)
        for symbol, action, expected, confidence, reason, strength in wants:
            await conn.execute(
                "insert into signals values ($1, $2, $3, 'crypto', $4, 'HIGH', $5, $6, 9, 'high_vol', 0.003, $7,"
                " $8, $9, $10, 'balanced')",
                uuid5(CHLOE_NAMESPACE, f"{ts}{symbol}"), ts, symbol, action, expected, confidence, [reason],
                strength, *((59800.5, 63000.25) if action == "BUY" else (None, None)),
            )  # fmt: skip
            await conn.execute(
                "insert into allocations values ($1, $2, 'crypto', $3, 0.4)",
                ts,
                symbol,
                0.25 if action == "BUY" else None,
            )
            await conn.execute(
                "insert into forecasts values ($1, $2, 'crypto', 12, 61000, $3::float8, 0.01, $4, 9, 0.52, '[]',"
                " $3::float8 - 0.013, $3::float8 + 0.013, '{lstm}')",
                ts, symbol, expected, confidence,
            )  # fmt: skip
    for n, status in enumerate(["approved", "refused", "filled", "cancelled"]):
        await conn.execute(
            "insert into orders (id, ts, symbol, asset_class, side, quantity, reason, reduce_only, status, detail)"
            " values ($1, $2, 'BTC/USDT', 'crypto', 'buy', $3, 'entry', false, $4, $5)",
            uuid5(CHLOE_NAMESPACE, f"order {n}"), LAST - timedelta(hours=n), money("0.004"), status,
            "class crypto: 41 % of at most 40 %" if status == "refused" else "",
        )  # fmt: skip
    await conn.execute(
        "insert into risk_events values ($1, $2, 'BTC/USDT', 'class', 'info', 0.4, 0.41, 'class crypto is full')",
        UUID(int=7),
        LAST,
    )


async def _seed_record(conn: Any) -> None:
    for symbol, count in (("BTC/USDT", 14), ("ETH/USDT", 6)):
        await conn.execute(
            "insert into asset_performance values ($1, $2, 'crypto', 4, 2, 12.5, 3, 1, $3, 0.55, 48.25, 9, 1.21, 1.4,"
            " 0.031, 0.22)",
            date(2024, 3, 4), symbol, count,
        )  # fmt: skip
    await conn.execute(
        "insert into feed_health values ('BTC/USDT', 'replay', 'crypto', '1h', $1, 96, 0, 0, 0, 0, 0, null, now())",
        LAST - timedelta(hours=1),
    )
    await _seed_models(conn)
    await evaluate_phase(conn, "phase_0_crypto", ())
    await evaluate_phase(conn, "phase_1_stocks", GATE)


async def _seed_models(conn: Any) -> None:
    errors = {"out_of_sample": {"n": 96, "rmse": 0.011, "rmse_random_walk": 0.0112, "ratio": 0.98, "mae": 0.008}}
    blend = {"weights": {"lightgbm": 0.6, "lstm": 0.4}, "slope": 0.3, "low": -1.2, "high": 1.3, "base": 0.0,
             "tilt": 1.7, "evidence": 40.0}  # fmt: skip
    for model, version, days, metrics, artefact in (
        ("lightgbm", "v1", 90, {}, b"x"),
        ("lightgbm", "v2", 30, errors, b"y"),
        ("ensemble", "e1", 30, {"rows": 480, "independent": 40.0, "slope": 0.3}, json.dumps(blend).encode()),
    ):
        begins = START - timedelta(days=days)
        await conn.execute(
            "insert into model_registry values ($1, $2, 'BTC/USDT', 'crypto', 12, $3, $4, $4, null, 'f00d',"
            " '{\"preset\": \"small\"}', $5::text::json, $6, 'ab')",
            model, version, begins - timedelta(days=60), begins, json.dumps(metrics), artefact,
        )  # fmt: skip


async def _seed_messages(conn: Any) -> None:
    equity = Decimal(await conn.fetchval("select equity from portfolio_equity order by ts desc limit 1"))
    books = PortfolioSettled(
        ts=LAST, timeframe="1h", fills=(), outcomes=(), trades=(), positions=(), cash=equity, equity=equity,
        starting_cash=money(1000), realised_pnl=money(80), unrealised_pnl=money(12), fees=money(15),
    )  # fmt: skip
    checks = (
        LimitCheck("drawdown", money("0.25"), money("0.0312"), True),
        LimitCheck("daily_loss", money("0.05"), money("0.0081"), True),
        LimitCheck("heat", money(266), money("17.4"), True),
        LimitCheck("class_weight:crypto", money(1065), money("409.99"), True),
    )
    decided = OrdersDecided(ts=LAST, timeframe="1h", orders=(), refused=(), checks=checks, halted=None)
    for stage, topic, message in (("execution", "execution.portfolio", books), ("risk", "risk.orders", decided)):
        await database.append(conn, topic, stage, HOURS, [(LAST, encode(message).decode())])
        await database.save_state(
            conn, stage, slice_ts=LAST, seq=HOURS, previous_seq=0, state="{}", config_version="cafe",
            cursors={"execution.portfolio": {"execution": HOURS - 2}} if stage == "risk" else {},
        )  # fmt: skip
