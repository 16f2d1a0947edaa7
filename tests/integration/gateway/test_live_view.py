"""``GET /live``: empty where no desk has run, else accounts, positions, orders, flags and reasons."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.live_commands import headline, positions

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TABLES = "live_accounts, live_mandates, live_orders, live_fills, live_charges, live_report"


@pytest.fixture
async def desk(seeded: Any) -> Any:
    """A desk that holds half a bitcoin of play money."""
    await seeded.execute(f"truncate {TABLES} cascade")
    order = uuid4()
    await seeded.execute(
        "insert into live_accounts values ('bybit/testnet', $1, 'testnet', 'USDT', 'cash', 1000, $2)", uuid4(), NOW
    )
    await seeded.execute(
        "insert into live_mandates values ('BTC/USDT', 'bybit/testnet', 'crypto', 0.5, 19, null, 2, 0, null, 'p', $1)",
        NOW,
    )
    await seeded.execute(
        "insert into live_orders values ($1, 'bybit/testnet', 'BTC/USDT', 'crypto', 'buy', 'market', 0.5, 'entry', 'p',"
        " $2, 10, null, null, null, 'filled', 0.5, 1, $2, false, '', $2)",
        order,
        NOW,
    )
    await seeded.execute(
        "insert into live_fills values"
        " ('bybit/testnet', 'f1', $1, 'BTC/USDT', 'crypto', 'buy', 0.5, 20, 0.01, 0, 1, null, $2)",
        order,
        NOW,
    )
    await seeded.execute(
        "insert into system_flags (id, name, subject, severity, blocks, detail, raised_at)"
        " values ($1, 'live_mismatch', 'ETH/USDT', 'critical', 'live', 'position: books 0, broker 1', $2)",
        uuid4(),
        NOW,
    )
    await seeded.execute(
        "insert into live_report values ('BTC/USDT', 'bybit/testnet', '{}', $1),"
        " ('ETH/USDT', 'bybit/testnet', '{open flag}', $1)",
        NOW,
    )
    yield seeded
    await seeded.execute(f"truncate {TABLES} cascade")


async def test_without_a_desk_there_is_nothing_to_show(api: httpx.AsyncClient) -> None:
    answer = (await api.get("/live")).json()
    assert answer == {"real_money": False, "accounts": [], "positions": [], "orders": [], "flags": [], "assets": []}
    assert "has never run" in headline(answer)


async def test_the_desk_is_shown_with_what_it_holds_and_what_differs(desk: Any, api: httpx.AsyncClient) -> None:
    answer = (await api.get("/live")).json()
    (held,) = answer["positions"]
    assert (held["held"], held["wanted"], held["real_money"]) == ("0.50000000", "0.50000000", False)
    assert [(o["status"], o["filled"]) for o in answer["orders"]] == [("filled", "0.50000000")]
    assert [f["subject"] for f in answer["flags"]] == ["ETH/USDT"]
    assert {a["symbol"]: a["reasons"] for a in answer["assets"]} == {"BTC/USDT": [], "ETH/USDT": ["open flag"]}
    assert headline(answer) == (
        "bybit/testnet (play money only); 1 of 2 assets may be entered; 1 open flags."
    )  # fmt: skip
    assert positions(answer).row_count == 1
