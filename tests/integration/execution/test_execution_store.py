"""Execution's SQL on a real PostgreSQL: what settling says is what the tables hold, in the same bytes."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from decision_cases import HOUR, START, bar, flat_bar, order, orders_at, parameters, slice_at

from services.contracts.messages import Bar, Fill, Order, PortfolioSettled, encode
from services.domain.ledger import fills_jsonl, trades_jsonl
from services.domain.money import money
from services.execution import store
from services.execution.book import open_book
from services.execution.decide import Settle, settle
from services.gateway.store import load_trades

AVAX, LIRA = "AVAX/USDT", "USD/TRY"
CASH = Decimal("10000.00000000")
COLUMNS = ", ".join("ts as filled_at" if name == "filled_at" else name for name in Fill.__struct_fields__)


def lira(price: float) -> Bar:
    return Bar(LIRA, "forex", price, price, price, price, 1e9)


def days() -> list[PortfolioSettled]:
    """A short with a trailing stop over a midnight, dollars for lira, and a limit order that waits."""
    venue, book, said = parameters().venue, open_book(CASH), []
    decided: dict[int, tuple[Order, ...]] = {
        0: (
            order(AVAX, "sell", "10", trail=Decimal("0.10")),
            order(LIRA, "buy", "1000", asset_class="forex"),
            order("BTC/USDT", "buy", "0.1", kind="limit", limit_price=money(90), valid_until=START + timedelta(days=2)),
        ),
        20: (order(AVAX, "buy", "10", "exit", ts=START + 20 * HOUR),),
    }
    for n in range(26):
        bars = (bar(AVAX, 40, 41, 39, 40), lira(32 + n), flat_bar("BTC/USDT", 100.0 if n < 24 else 85.0))
        event = Settle(slice_at(START + (n + 1) * HOUR, *bars), orders_at(START + n * HOUR, *decided.get(n, ())))
        book, settled = settle(book, event, venue)
        said.append(settled)
    return said


async def stored(database_url: str, said: list[PortfolioSettled]) -> dict[str, Any]:
    conn = await asyncpg.connect(database_url)
    try:
        for _ in range(2):  # a slice that is handled again changes nothing
            held = False
            for settled in said:
                await store.save(conn, settled, held)
                held = bool(settled.positions)
        fills = [Fill(**dict(row)) for row in await conn.fetch(f"select {COLUMNS} from fills")]
        return {
            "fills": fills_jsonl(fills),
            "trades": trades_jsonl(await load_trades(conn)),
            "charges": [dict(row) for row in await conn.fetch("select * from carry_charges order by ts, symbol")],
            "positions": [dict(row) for row in await conn.fetch("select * from positions order by symbol")],
            "equity": [
                tuple(row) for row in await conn.fetch("select ts, equity, carry from portfolio_equity order by ts")
            ],
            "cash": await conn.fetchval(
                "select (select sum(cash - fee) from fills) - (select sum(amount) from carry_charges)"
            ),
        }
    finally:
        await conn.close()


@pytest.fixture(scope="module")
def said() -> list[PortfolioSettled]:
    return days()


def test_what_was_settled_is_what_is_stored(said: list[PortfolioSettled], database_url: str) -> None:
    found = asyncio.run(stored(database_url, said))
    assert found["fills"] == fills_jsonl([fill for one in said for fill in one.fills])
    assert found["trades"] == trades_jsonl([trade for one in said for trade in one.trades])
    assert b'"carry":"0.0' in found["trades"]
    charges = [(one.ts, c.symbol, c.kind, c.notional, c.rate, c.amount) for one in said for c in one.charges]
    wanted = ("ts", "symbol", "kind", "notional", "rate", "amount")
    assert [tuple(row[name] for name in wanted) for row in found["charges"]] == sorted(charges)
    assert {row["kind"] for row in found["charges"]} == {"funding", "financing"}
    assert found["equity"] == [(one.ts, one.equity, one.carry) for one in said]
    assert {row["symbol"]: (row["fx"], row["market_value"], row["trail"]) for row in found["positions"]} == {
        p.symbol: (p.fx, p.market_value, p.trail) for p in said[-1].positions
    }
    assert found["cash"] == said[-1].cash - CASH, "the fills and charges alone give the cash"


def test_the_days_of_this_test_have_all_that_is_to_be_stored(said: list[PortfolioSettled]) -> None:
    assert [(f.symbol, f.liquidity) for one in said for f in one.fills] == [
        (AVAX, "taker"),
        (LIRA, "taker"),
        (AVAX, "taker"),
        ("BTC/USDT", "maker"),
    ]
    assert said[0].positions[0].trail == Decimal("0.10")
    assert all(encode(one) for one in said)
