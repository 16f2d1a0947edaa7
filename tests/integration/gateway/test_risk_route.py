"""``GET /risk``: the halt switch, the portfolio's table and figures, and the last refusals with theirs."""

from decimal import Decimal
from typing import Any

import httpx
import pytest
from decision_cases import HOUR, START, command, parameters, portfolio, target, targets_at

from services.contracts.messages import OrdersDecided, encode
from services.risk import store as risk_store
from services.risk.decide import decide
from services.risk.state import RiskEvent, RiskState

pytestmark = pytest.mark.anyio
BTC, NVDA = "BTC/USDT", "NVDA"


def refusing() -> OrdersDecided:
    """A slice that approves BTC, refuses NVDA (its class is closed), and the slice after, which is halted."""
    state = RiskState(enabled=(BTC, NVDA), classes=("crypto",))
    wanted = (target(BTC, "BUY", 0.2), target(NVDA, "BUY", 0.05))
    return decide(state, RiskEvent(targets_at(START, *wanted), portfolio("2500")), parameters().risk)[1]


async def store(pool: Any, decided: OrdersDecided, seq: int) -> None:
    async with pool.acquire() as conn, conn.transaction():
        await risk_store.save(conn, decided, None)
        await conn.execute(
            "insert into outbox (topic, producer, seq, ts, body) values ('risk.orders', 'risk', $1, $2, $3)",
            seq, decided.ts, encode(decided).decode(),
        )  # fmt: skip


async def test_risk_shows_the_table_now_and_the_last_refusals_with_theirs(api: httpx.AsyncClient, seeded: Any) -> None:
    await seeded.execute("truncate orders, risk_events")
    await store(seeded, refusing(), 10_001)
    body = (await api.get("/risk")).json()
    assert (body["halted"], body["reason"]) == (False, None)
    names = [line["name"] for line in body["limits"]]
    assert names[:4] == ["drawdown", "daily_loss", "heat", "leverage"]
    assert set(body["figures"]) == {"risk_score", "weighted_edge_bps", "trades_per_day"}
    assert Decimal(body["figures"]["trades_per_day"]) == 1
    (refused,) = body["refused"]
    assert (refused["symbol"], refused["refused_by"]) == (NVDA, "class_active")
    assert refused["reason"] == "stocks is not active"
    table = {line["name"]: line for line in refused["checks"]}
    assert len(table) > 35
    assert table["class_active"]["passed"] is False
    assert table["asset_enabled"]["passed"] is True
    assert Decimal(table["heat"]["limit"]) == 625
    assert [(e["symbol"], e["name"]) for e in body["events"]] == [(NVDA, "class_active")]


async def test_risk_names_the_cap_that_left_too_little(api: httpx.AsyncClient, seeded: Any) -> None:
    await seeded.execute("truncate orders, risk_events")
    used = RiskState(
        enabled=(BTC,), classes=("crypto",), day="2024-01-01", notional_today={BTC: Decimal(4995)},
    )  # fmt: skip
    event = RiskEvent(targets_at(START, target(BTC, "BUY", 0.45)), portfolio("2500"))
    await store(seeded, decide(used, event, parameters().risk)[1], 10_002)
    (refused,) = (await api.get("/risk")).json()["refused"]
    assert refused["refused_by"] == "notional_per_day"
    assert [line["allowed"] for line in refused["checks"] if line["name"] == "notional_per_day"] == ["5"]


async def test_risk_shows_a_halt_by_file_and_by_hand(api: httpx.AsyncClient, seeded: Any) -> None:
    both = (command("halt", note="news"), command("halt", by="file switch", note="exchange down", ts=START + HOUR))
    state = RiskState(enabled=(BTC,), classes=("crypto",))
    event = RiskEvent(targets_at(START, target(BTC, "BUY", 0.2)), portfolio("2500"), (), both)
    await store(seeded, decide(state, event, parameters().risk)[1], 10_003)
    body = (await api.get("/risk?limit=1")).json()
    assert (body["halted"], body["reason"]) == (True, "halted by ada: news; halted by file switch: exchange down")
    assert len(body["refused"]) == len(body["events"]) == 1


async def test_orders_from_before_the_table_are_shown_without_one(api: httpx.AsyncClient) -> None:
    (refused,) = (await api.get("/risk")).json()["refused"]
    assert (refused["refused_by"], refused["checks"]) == (None, [])
