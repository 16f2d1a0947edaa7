"""What ``chloe research`` does: it measures a history, shows the plan's figure beside it, and hands it over once."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from nightly_made_up import ADA, BTC, made_up

from services import research_commands
from services.domain.candles import epoch
from services.kernel import database
from services.kernel.errors import StartRefused
from services.research.nightly import store as nightly_store
from services.research.nightly.state import ResearchState

SAMPLE = Path(__file__).parents[3] / "sample"
MADE = made_up()
UNTIL = datetime(2024, 2, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def forecast_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training is not what is tested here: forecasts are made up, and the candles stay the sample's."""

    def made(recorded: Any, *_: Any, **__: Any) -> tuple[list[Any], list[Any]]:
        return [], [one for one in MADE if recorded.span.begins < one.ts <= recorded.span.until]

    monkeypatch.setattr(research_commands, "forecast_recorded", made)


def research(store: bool = False, as_json: bool = False, symbols: tuple[str, ...] = ()) -> None:
    research_commands.run_research(SAMPLE, symbols, None, UNTIL, store=store, data=Path("nowhere"), as_json=as_json)


def test_it_tells_tier_edge_cells_and_mix_beside_the_plans_figure(capsys: pytest.CaptureFixture[str]) -> None:
    research()
    shown = capsys.readouterr().out
    assert "walk-forward forecasts, nothing was traded" in shown
    assert f"{ADA}: +" in shown
    assert "-4.7" in shown
    assert "+9.8" in shown
    assert "best: " in shown
    assert "expected: " in shown
    assert max(len(line) for line in shown.splitlines() if line.startswith("│")) <= 80


def test_it_is_written_as_json_too_of_the_symbols_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    research(as_json=True, symbols=("adausdt",))
    told = json.loads(capsys.readouterr().out)
    (ada,) = told["assets"]
    assert ada["symbol"] == ADA
    assert ada["tier"] == 1
    assert ada["plan"] == {"edge_bps": -4.7, "regime": None, "buckets": []}
    assert {cell["bucket"] for cell in ada["best"]} == {8}
    assert told["kind"] == "walk-forward forecasts, nothing was traded"


def test_what_is_stored_is_where_the_stage_begins_and_is_stored_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHLOE_DATABASE_URL", database_url)
    research(store=True)
    stored = asyncio.run(state_of(database_url))
    assert stored is not None
    assert stored.through == epoch(UNTIL)
    assert stored.begins == 0
    assert stored.assets[BTC].cells.keys() <= set(range(40))
    with pytest.raises(StartRefused, match=r"research has a history until 2024-02-10 00:00 UTC already"):
        research(store=True)


def test_a_stage_that_runs_is_not_written_over(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHLOE_DATABASE_URL", database_url)
    monkeypatch.setattr(research_commands, "LOCK_SECONDS", 0.05)

    async def hand_over_beside_a_running_stage() -> None:
        pool = await database.connect_pool(database_url, size=3)
        try:
            async with database.sole(pool, "research", patience_seconds=1.0):
                await research_commands._hand_over(pool, ResearchState(), epoch(UNTIL + timedelta(hours=1)))
        finally:
            await pool.close()

    with pytest.raises(StartRefused, match="another process is running it"):
        asyncio.run(hand_over_beside_a_running_stage())
    assert asyncio.run(state_of(database_url)) is None


def test_without_a_platform_there_is_nothing_to_store_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHLOE_DATABASE_URL", raising=False)
    with pytest.raises(StartRefused, match="holds no standalone platform"):
        research(store=True)


async def state_of(url: str) -> ResearchState | None:
    pool = await database.connect_pool(url, size=1)
    async with pool.acquire() as conn:
        found = await nightly_store.running_state(conn)
    await pool.close()
    return found
