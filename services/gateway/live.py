"""What the API shows of the live desk: accounts, positions, orders, and what keeps each asset from trading."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from services.gateway.views import Amount, View
from services.kernel.database import Connection

ACCOUNTS = """
select broker as account, environment, environment = 'live' as real_money, currency, basis, opening_cash, opened_at
from live_accounts order by broker
"""
POSITIONS = """
select symbol, asset_class, broker as account, environment = 'live' as real_money, held, wanted, stop_price, detail,
       updated_at
from live_positions where held <> 0 or wanted <> 0 order by symbol
"""
ORDERS = """
select id, broker as account, symbol, side, kind, quantity, filled, purpose, reason, status, stop_price, decided_at,
       detail
from live_orders order by decided_at desc, id limit $1
"""
FLAGS = """
select name, subject, detail, raised_at from system_flags
where name like 'live\\_%' and cleared_at is null order by raised_at, name, subject
"""
ASSETS = "select symbol, account, reasons, as_of from live_report order by cardinality(reasons), symbol"


class LiveAccount(View):
    """An account as the desk took it over."""

    account: str = Field(examples=["bybit/testnet"])
    environment: str
    real_money: bool
    currency: str
    basis: str = Field(description="cash: purchases take their price out of the balance; margin: only results do")
    opening_cash: Amount
    opened_at: datetime


class LivePosition(View):
    """What is held of an asset beside what is wanted; signed."""

    symbol: str
    asset_class: str
    account: str
    real_money: bool
    held: Amount
    wanted: Amount
    stop_price: Amount | None
    detail: str
    updated_at: datetime


class LiveOrderView(View):
    """An order of the desk; ``id`` is the client order id that the broker has."""

    id: UUID
    account: str
    symbol: str
    side: str
    kind: str
    quantity: Amount
    filled: Amount
    purpose: str
    reason: str
    status: str
    stop_price: Amount | None
    decided_at: datetime
    detail: str


class LiveFlag(View):
    """Where books and broker differ, or a broker is out of reach; nothing is entered there."""

    name: str
    subject: str
    detail: str
    raised_at: datetime


class LiveAsset(View):
    """What keeps an asset from being entered, as the desk last looked; nothing does when there is no reason."""

    symbol: str
    account: str | None
    reasons: list[str]
    as_of: datetime


class LiveView(View):
    """The live desk; all empty where it has never run."""

    real_money: bool = Field(description="Whether any account is no play money")
    accounts: list[LiveAccount]
    positions: list[LivePosition]
    orders: list[LiveOrderView]
    flags: list[LiveFlag]
    assets: list[LiveAsset]


def add_route(router: APIRouter, conn_of: Any, limit_of: Any) -> None:
    """Add ``GET /live``."""

    @router.get("/live", response_model=LiveView, tags=["trading"])
    async def live(limit: limit_of = 50, conn: Connection = conn_of) -> Any:
        """Show the live desk: accounts, positions, newest orders, mismatches, and why each asset may not be entered."""
        accounts = [dict(row) for row in await conn.fetch(ACCOUNTS)]
        return {
            "real_money": any(one["real_money"] for one in accounts),
            "accounts": accounts,
            "positions": [dict(row) for row in await conn.fetch(POSITIONS)],
            "orders": [dict(row) for row in await conn.fetch(ORDERS, limit)],
            "flags": [dict(row) for row in await conn.fetch(FLAGS)],
            "assets": [dict(row) for row in await conn.fetch(ASSETS)],
        }
