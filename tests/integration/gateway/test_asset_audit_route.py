"""The audit's routes on PostgreSQL: an asset that has earned real money, and one of which nothing is known."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from audit_rows import BARS, BTC, TABLES, earn, raise_flag
from gateway_cases import LAST, LIVE, OPERATE, READ, START, TOKENS, seed

from services.gateway.api import create_app
from services.gateway.settings import Info

pytestmark = pytest.mark.anyio

WALL = datetime(2024, 3, 5, 0, 20, tzinfo=UTC)
AUDIT = "/assets/BTC-USDT/audit"


@pytest.fixture
async def earned(pool: Any) -> AsyncIterator[Any]:
    """A database in which BTC has earned real money."""
    await pool.execute(f"truncate {TABLES}")
    await seed(pool)
    await earn(pool)
    yield pool
    await pool.execute(f"truncate {TABLES}")


@pytest.fixture
def client(earned: Any, redis: Any, open_client: Any) -> httpx.AsyncClient:
    """A client without a token; config/live.yaml lets BTC be worth 100."""
    info = Info(config_version="cafe")
    named = replace(info, audit=replace(info.audit, max_notional={BTC: Decimal(100)}))
    made: httpx.AsyncClient = open_client(create_app(earned, redis, TOKENS, named, now=lambda: WALL))
    return made


def lines(answer: dict[str, Any], section: str) -> dict[str, dict[str, Any]]:
    """Return a section's lines by name."""
    part = next(part for part in answer["sections"] if part["name"] == section)
    return {one["name"]: one for one in part["lines"]}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_an_asset_that_has_earned_it_is_ready_with_every_figure(client: httpx.AsyncClient) -> None:
    answer = (await client.get(AUDIT)).json()
    assert answer["reasons"] == []
    assert (answer["ready_for_live"], answer["verdict"], answer["paper_reasons"]) == (True, "ok", [])
    assert (answer["mode"], answer["simulated"], answer["as_of"]) == ("replay", True, "2024-03-05T00:00:00Z")
    assert [part["name"] for part in answer["sections"]] == [
        "standing", "data", "feed", "models", "research", "trades", "behaviour", "risk configuration", "indicators",
    ]  # fmt: skip
    data = lines(answer, "data")
    assert data["candles"]["figure"] == f"{BARS:,}, 2023-11-26 to 2024-03-04 23:00"
    assert (data["gaps, 30 days"]["figure"], data["gaps, ever"]["n"]) == ("0 of 720 (0.00 %)", BARS)
    assert (data["revisions"]["figure"], data["refused"]["figure"]) == ("1 (0.04 %)", "1 (0.04 %)")
    assert lines(answer, "feed")["freshness, 7 days"]["figure"] == "100.0 %"
    research = lines(answer, "research")
    assert research["edge after costs"]["figure"] == "+7.1 bps [+1.2, +13.0], n 900"
    assert research["edge after costs"]["yardstick"] == "above 0; the plan starts from +9.8 bps, unmeasured"
    assert (research["cells with an edge"]["figure"], research["tier"]["figure"]) == (
        "1 of 2",
        "tier 1; it is in tier 1",
    )
    trades = lines(answer, "trades")
    assert (trades["closed trades"]["figure"], trades["profit factor"]["figure"]) == ("24", "2.67")
    assert trades["profit factor"]["low"] < 32 / 12 < trades["profit factor"]["high"]
    assert (trades["Sharpe ratio"]["n"], trades["Sortino ratio"]["figure"]) == (4, "2.10")
    behaviour = lines(answer, "behaviour")
    assert behaviour["slippage"]["figure"] == "2.0 bps"
    assert behaviour["size"]["figure"].startswith("largest entry 60.00 (5.9 % of equity)")
    assert {one["verdict"] for one in behaviour.values()} == {"ok"}
    assert answer["newest_model"] == "ensemble e1"


async def test_an_asset_of_which_nothing_is_known_is_not_ready_and_every_reason_is_named(
    client: httpx.AsyncClient,
) -> None:
    answer = (await client.get("/assets/NVDA/audit")).json()
    assert (answer["ready_for_live"], answer["verdict"]) == (False, "fail")
    assert {
        "its phase phase_1_stocks is not active", "no candle is stored", "no model of it is in use",
        "no source for stocks is configured (one of polygon, alpha_vantage, alpaca)",
        "not known: what research finds, for it has not measured it yet", "0 closed trades, at least 20 are needed",
        "not known: how it behaves, for it has not traded", "no max_notional is set for it in live.yaml",
    } <= set(answer["reasons"])  # fmt: skip
    assert answer["indicators_missing"][:2] == ["options_flow", "semiconductor_index"]
    assert lines(answer, "indicators")["options_flow"]["verdict"] == "warn"
    assert set(answer["paper_reasons"]) < set(answer["reasons"])


async def test_nothing_later_than_the_replays_newest_slice_counts(client: httpx.AsyncClient, earned: Any) -> None:
    before = (await client.get(AUDIT)).json()
    later = LAST + timedelta(hours=5)
    await earned.execute("update trades set closed_at = $1 where symbol = $2 and pnl < 0", later, BTC)
    assert lines((await client.get(AUDIT)).json(), "trades")["closed trades"]["figure"] == "16"
    await earned.execute("delete from trades where closed_at = $1", later)
    await earned.execute(
        "insert into research_tiers values ($1, $2, 3, 'later', 1, -9, -10, -8, null, '[]', 'replay')", BTC, later
    )
    assert lines((await client.get(AUDIT)).json(), "research") == lines(before, "research")


async def test_flags_about_it_its_class_or_all_stop_it_and_those_of_others_do_not(
    client: httpx.AsyncClient, earned: Any
) -> None:
    for other in ("ETH/USDT", "stocks", "oanda/practice"):
        await raise_flag(earned, "stale_feed", other)
    answer = (await client.get(AUDIT)).json()
    assert (answer["ready_for_live"], answer["open_flags"]) == (True, [])
    concerning: tuple[str | None, ...] = (BTC, "crypto", "all", "bybit/testnet", "risk", None)
    for subject in concerning:
        await earned.execute("truncate system_flags")
        await raise_flag(earned, "watched", subject)
        answer = (await client.get(AUDIT)).json()
        assert (answer["ready_for_live"], answer["verdict"]) == (False, "fail"), subject
        assert answer["open_flags"] == ["watched: made up"]
    await earned.execute("update system_flags set cleared_at = $1", LAST)
    assert (await client.get(AUDIT)).json()["ready_for_live"]


async def test_a_recorded_audit_is_stored_at_the_replays_newest_slice_and_the_newest_counts(
    client: httpx.AsyncClient, earned: Any
) -> None:
    assert (await client.get(AUDIT)).json()["recorded"] is None
    reply = await client.post(AUDIT, headers=bearer(OPERATE))
    kept = reply.json()["recorded"]
    assert (reply.status_code, kept["ready"], kept["reasons"]) == (200, True, [])
    assert (kept["ts"], kept["valid_until"]) == ("2024-03-05T00:00:00Z", "2024-03-12T00:00:00Z")
    assert (await client.get(AUDIT)).json()["recorded"] == kept

    # Once more at the same moment of the replay: what is true now stands.
    await raise_flag(earned, "stale_feed", BTC)
    again = (await client.post(AUDIT, headers=bearer(OPERATE))).json()["recorded"]
    assert (again["ready"], again["reasons"]) == (False, ["open system flag: stale_feed (BTC/USDT): made up"])
    rows = await earned.fetch("select symbol, ts, ready, reasons::text as reasons from live_audits")
    assert [(r["symbol"], r["ts"], r["ready"], json.loads(r["reasons"])) for r in rows] == [
        (BTC, LAST, False, again["reasons"])
    ]


async def test_recording_needs_the_scope_operate_and_reading_records_nothing(
    client: httpx.AsyncClient, earned: Any
) -> None:
    assert (await client.post(AUDIT)).status_code == 401
    assert (await client.post(AUDIT, headers=bearer(READ))).status_code == 403
    assert (await client.get(AUDIT)).status_code == 200
    assert await earned.fetchval("select count(*) from live_audits") == 0
    assert (await client.post("/assets/BTX/audit", headers=bearer(LIVE))).status_code == 404
    assert (await client.post("/assets/nvda/audit", headers=bearer(LIVE))).json()["recorded"]["ready"] is False


async def test_a_live_run_is_audited_as_of_now(client: httpx.AsyncClient, earned: Any) -> None:
    await earned.execute("update run set mode = 'live'")
    assert (await client.post(AUDIT, headers=bearer(OPERATE))).json()["recorded"]["ts"] == "2024-03-05T00:20:00Z"
    assert await earned.fetchval("select ts from live_audits") == WALL


async def test_a_stored_series_of_a_source_brings_the_indicators_that_it_gives(
    client: httpx.AsyncClient, earned: Any
) -> None:
    await earned.execute(
        "insert into leading_indicators values ($1, $1, 'semiconductor_index', '', 4000, 'index'),"
        " ($2, $2, 'ai_news', 'NVDA', 3, 'feed')",
        START, LAST + timedelta(hours=1),
    )  # fmt: skip
    await earned.execute(
        "insert into options_flow values ($1, $1, 'NVDA', 'stocks', 'c', 'call', 100, '2024-04-19', 9, null, '',"
        " 'unusual_whales')",
        START,
    )
    answer = (await client.get("/assets/NVDA/audit")).json()
    assert answer["indicators_missing"] == ["ai_news", "gpu_supply", "data_center_news"]
    assert lines(answer, "indicators")["options_flow"]["figure"] == "unusual_whales, newest 2024-03-01 00:00"
