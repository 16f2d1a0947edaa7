"""Standings as PostgreSQL and the enablement file keep them: what fell is off everywhere, live included."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from decision_cases import command, portfolio, position

from services.contracts.messages import CommandGiven, ResearchMade, decision_id
from services.contracts.research import AssetResearch
from services.kernel import database
from services.phases.chain import first_broken
from services.phases.enablement import FILE
from services.phases.service import Day, PhasesStage, load_params, load_stage
from services.phases.store import read_log, seed

pytestmark = pytest.mark.anyio
BTC, ETH = "BTC/USDT", "ETH/USDT"
BEGUN = datetime(2024, 3, 1, tzinfo=UTC)


def day(number: int, equity: str, *held: str, tiers: dict[str, int] | None = None) -> Day:
    """A day that ends so, with fresh feeds."""
    ts = BEGUN + timedelta(days=number)
    books = portfolio(equity, *(position(symbol, "0.1", "100") for symbol in held), ts=ts)
    assets = load_params().assets.assets
    said = (AssetResearch(s, 24, 24, tier=(tiers or {}).get(s, a.tier), tier_why="made up") for s, a in assets.items())
    return Day((books,), ResearchMade(ts=ts, assets=tuple(said)))


def asked(name: str, subject: str, hours: int, **changes: Any) -> CommandGiven:
    return command(name, subject, ts=BEGUN + timedelta(days=1, hours=hours), **changes)


async def decide(conn: Any, stage: PhasesStage, *events: Day | CommandGiven) -> None:
    async with conn.transaction():
        await stage.handle(conn, list(events))


async def standing(conn: Any, symbol: str) -> dict[str, Any]:
    return dict(await conn.fetchrow("select * from asset_registry where symbol = $1", symbol))


async def test_a_live_phase_is_stored_with_an_audit_and_lost_with_the_tier(database_url: str, tmp_path: Path) -> None:
    stage = load_stage(tmp_path)
    pool = await database.connect_pool(database_url, size=1)
    async with pool.acquire() as conn:
        await decide(conn, stage, day(1, "5000"), asked("enable", BTC, 1, live=True, forced=True))
        assert not (await standing(conn, BTC))["live_enabled"], "without an audit"
        old = BEGUN - timedelta(days=7)
        for ts, ready in ((old, True), (BEGUN + timedelta(hours=3), False), (BEGUN + timedelta(hours=9), True)):
            await conn.execute("insert into live_audits values ($1, $2, $3, '[]')", BTC, ts, ready)
        await decide(conn, stage, asked("enable", BTC, 2, live=True, forced=True))
        stored = await standing(conn, BTC)
        assert (stored["trading_enabled"], stored["live_enabled"], stored["level"]) == (True, True, "full")
        for number in range(2, 9):
            await decide(conn, stage, day(number, "5000", BTC, tiers={BTC: 3}))
        stored = await standing(conn, BTC)
        assert (stored["trading_enabled"], stored["live_enabled"], stored["level"]) == (False, False, "off")
        assert (stored["tier"], stored["level_since"]) == (3, BEGUN + timedelta(days=8))
        assert stored["waits_for"].startswith("tier 3 instead of 1, 7 nights in a row: made up; cools down until")
        await seed(conn, load_params())
        assert (await standing(conn, BTC))["tier"] == 3, "a start keeps what research changed"
        log = await read_log(conn)
        assert [(e.activation.subject, e.activation.change) for e in log] == [
            (BTC, "live_enabled"), (BTC, "tier_changed"), (BTC, "disabled"), (BTC, "live_disabled"),
        ]  # fmt: skip
        assert first_broken(log) is None
        rows = await conn.fetch("select * from rollout_log where symbol = $1 order by ts", BTC)
        assert [row["level"] for row in rows] == ["full"] * 8 + ["off"]
        assert json.loads(rows[0]["requirements"])[0]["met"] is True
    await pool.close()
    told = json.loads((tmp_path / FILE).read_text())
    assert (told["enabled"], told["live"], told["winding"]) == ([ETH], [], [BTC])
    assert told["assets"][BTC]["level"] == "off"


async def test_a_demoted_phase_is_not_active_any_more(database_url: str, tmp_path: Path) -> None:
    stage = load_stage(tmp_path)
    pool = await database.connect_pool(database_url, size=1)
    async with pool.acquire() as conn:
        await decide(conn, stage, day(1, "5000"))
        fell = portfolio("3500", position(BTC, "-15", "100"), ts=BEGUN + timedelta(days=2), starting_cash="5000")
        await decide(conn, stage, Day((fell,), None))
        active = await conn.fetchval("select active from asset_class_config where phase = 'phase_0_crypto'")
        traded = await conn.fetchval("select count(*) from asset_registry where trading_enabled")
        assert (active, traded) == (False, 0)
    await pool.close()


async def test_the_enablement_file_is_written_again_at_a_start_where_it_is_gone(
    database_url: str, tmp_path: Path
) -> None:
    pool = await database.connect_pool(database_url, size=1)
    async with pool.acquire() as conn:
        stage = load_stage(tmp_path / "reports")
        await decide(conn, stage, day(1, "5000"), asked("disable", ETH, 1))
        file = tmp_path / "reports" / FILE
        file.unlink()
        again = load_stage(tmp_path / "reports")
        await again.restore(conn, stage.dump())
        told = json.loads(file.read_text())
        assert (told["enabled"], told["log_hash"]) == ([BTC], stage.state.log_hash)
        file.write_text("{}")
        await again.restore(conn, stage.dump())
        assert json.loads(file.read_text()) == told
    await pool.close()


async def test_a_thousand_requests_for_one_activation_are_one_row(database_url: str, tmp_path: Path) -> None:
    stage = load_stage(tmp_path)
    pool = await database.connect_pool(database_url, size=1)
    async with pool.acquire() as conn:
        await decide(conn, stage, day(1, "5000"))
        names = [decision_id(BEGUN, "test", f"{n % 400}") for n in range(1000)]  # some are given twice or more
        await decide(conn, stage, *(asked("activate", "phase_1_stocks", 1, forced=True, id=name) for name in names))
        log = await read_log(conn)
        assert [(e.activation.subject, e.activation.change) for e in log] == [("phase_1_stocks", "activated")]
    await pool.close()
