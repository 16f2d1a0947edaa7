"""Activation through the API while the platform runs: it takes effect in risk and ingestion without a restart."""

import asyncio
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.gateway.api import create_app
from services.gateway.settings import Info
from services.gateway.tokens import create_tokens_file
from services.ingestion.clock_store import collecting
from services.ingestion.replay import claim, read
from services.ingestion.source_store import register_source
from services.kernel.config import config_version, load
from services.kernel.database import connect_pool
from services.kernel.streams import connect
from services.phases.chain import first_broken
from services.phases.store import read_log
from services.standalone.platform import Platform, run_until
from services.standalone.replay import deliver, wait_for_end

ROOT = Path(__file__).parents[2]
SPAN = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 3, 11, tzinfo=UTC))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A ladder whose second step asks for a source only, and an account that pays for it; a person takes the step."""
    folder = tmp_path / "config"
    shutil.copytree(ROOT / "config", folder)
    path = folder / "phases.yaml"
    content = yaml.safe_load(path.read_text())
    rules = content["phases"]["phase_1_stocks"]["requirements"]
    content["phases"]["phase_1_stocks"]["requirements"] = [r for r in rules if r["metric"] == "source_configured"]
    content["auto_activate"] = False
    path.write_text(yaml.safe_dump(content))
    path = folder / "execution.yaml"
    content = yaml.safe_load(path.read_text())
    content["paper"]["starting_cash"] = 5000
    path.write_text(yaml.safe_dump(content))
    return folder


async def _activate(platform: Platform, folder: Path) -> list[tuple[int, Any]]:
    """Ask three times once a day has been evaluated: for a phase that is not ready, one that is, and it again."""
    create_tokens_file(folder / "tokens.yaml")
    tokens = yaml.safe_load((folder / "tokens.yaml").read_text())
    app = create_app(platform.pool, platform.redis, create_tokens_file(folder / "tokens.yaml"), Info(wait_seconds=20))
    answers = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        while not (await client.get("/phases/readiness/phase_1_stocks")).json().get("ready"):
            await asyncio.sleep(0.02)
        for phase in ("phase_2_leveraged_etfs", "phase_1_stocks", "phase_1_stocks"):
            reply = await client.post(
                f"/phases/{phase}/activate",
                json={"note": "the record allows it"},
                headers={"Authorization": f"Bearer {tokens['operate']}"},
            )
            answers.append((reply.status_code, reply.json()))
    return answers


async def _run(database_url: str, redis_url: str, folder: Path, config: Path) -> dict[str, Any]:
    pool, redis = await connect_pool(database_url, size=14, durable=False), connect(redis_url)
    recorded = read(ROOT / "sample", load(AssetsConfig, ASSETS_FILE), *SPAN)
    async with pool.acquire() as conn, conn.transaction():
        await claim(conn, recorded, "1h")
        await register_source(conn, "polygon", "stocks", "candles", True, "configured for this test")
    platform = Platform(pool, redis, folder / "reports", live=False, config=config)
    answers: list[tuple[int, Any]] = []

    async def ask() -> None:
        answers.extend(await _activate(platform, folder))

    await run_until(
        wait_for_end(platform, recorded, lambda _: None),
        [*(loop.run for loop in platform.loops()), lambda: deliver(platform, recorded, config_version()), ask],
    )
    async with pool.acquire() as conn:
        risk = json.loads(await conn.fetchval("select state::text from stage_state where stage = 'risk'"))
        found = {
            "answers": answers,
            "risk": risk,
            "log": await read_log(conn),
            "active": await conn.fetchval("select active from asset_class_config where phase = 'phase_1_stocks'"),
            "collecting": await collecting(conn),
            "commands": [tuple(row) for row in await conn.fetch("select name, status from commands order by seq")],
        }
    await redis.aclose()
    await pool.close()
    return found


def test_activation_reaches_risk_and_ingestion_without_a_restart(
    database_url: str, redis_url: str, tmp_path: Path, config: Path
) -> None:
    found = asyncio.run(_run(database_url, redis_url, tmp_path, config))
    refused, done, again = found["answers"]
    assert refused[0] == 409
    assert "phase_1_stocks is not active" in json.dumps(refused[1])
    assert done[0] == 200, done
    assert again[0] == 409, "a second activation must not be a second row"
    assert found["active"]
    assert {"crypto", "stocks"} <= set(found["risk"]["classes"])
    assert {"NVDA", "TSLA", "AMD"} <= set(found["risk"]["enabled"])
    activated = [e.activation.subject for e in found["log"] if e.activation.change == "activated"]
    assert activated == ["phase_1_stocks"]
    assert first_broken(found["log"]) is None
    # What the clock takes into slices and what a live source asks for, both read anew each time.
    assert {"BTC/USDT", "NVDA", "TSLA", "AMD"} <= set(found["collecting"])
    assert "TQQQ" not in found["collecting"]
    enablement = json.loads((tmp_path / "reports" / "trading_enablement.json").read_text())
    assert "NVDA" in enablement["enabled"]
    assert enablement["assets"]["NVDA"]["level"] == "full"
    assert enablement["assets"]["LINK/USDT"]["why"].startswith("LINK/USDT is research-only")
