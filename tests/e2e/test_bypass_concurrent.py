"""A thousand people ask for the same activation at the same time: it happens once, and the log has one row of it."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import bypass_ground as on
import few_models
import httpx
import pytest
import yaml

from services.gateway.api import create_app
from services.gateway.commands import Wish
from services.gateway.settings import Info
from services.gateway.tokens import create_tokens_file
from services.ingestion.source_store import register_source
from services.kernel.database import connect_pool
from services.phases.chain import first_broken
from services.phases.store import read_log
from services.standalone.platform import Platform

REQUESTS = 1_000
AT_A_TIME = 200
PHASE = "phase_1_stocks"
AVAX = "AVAX/USDT"
SHARED = "the-same-for-all"
"""An idempotency key that a third of the crowd uses."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ladder whose second step asks for a source only, and an account that pays for it; a person takes the step."""
    folder = few_models.write_config(tmp_path_factory.mktemp("concurrent") / "config")
    _change(folder / "phases.yaml", _source_only)
    _change(folder / "execution.yaml", lambda content: content["paper"].update(starting_cash=5000))
    return folder


def _change(path: Path, how: Any) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    how(content)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def _source_only(content: dict[str, Any]) -> None:
    gate = content["phases"][PHASE]
    gate["requirements"] = [rule for rule in gate["requirements"] if rule["metric"] == "source_configured"]
    content["auto_activate"] = False


class Crowd:
    """Asks for one thing in a thousand ways, on the running platform."""

    def __init__(self, folder: Path, route: str, scope: str, query: dict[str, str]) -> None:
        self.folder, self.route, self.scope, self.query = folder, route, scope, query
        self.answers: list[tuple[str | None, int, dict[str, Any]]] = []
        self.stolen = (0, "")

    async def ask(self, platform: Platform) -> None:
        """Wait until phases says that the phase is ready, then all ask at once."""
        tokens = create_tokens_file(self.folder / "tokens.yaml")
        known = yaml.safe_load((self.folder / "tokens.yaml").read_text(encoding="utf-8"))
        app = create_app(platform.pool, platform.redis, tokens, Info(wait_seconds=120))
        limit = asyncio.Semaphore(AT_A_TIME)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://testserver", timeout=None,
            headers={"Authorization": f"Bearer {known[self.scope]}"},
        ) as client:  # fmt: skip
            while not (await client.get(f"/phases/readiness/{PHASE}")).json().get("ready"):
                await asyncio.sleep(0.02)

            async def one(n: int) -> None:
                key = (SHARED, f"own-{n}", None)[n % 3]
                headers = {} if key is None else {"Idempotency-Key": key}
                async with limit:
                    reply = await client.post(self.route, params=self.query, headers=headers)
                self.answers.append((key, reply.status_code, reply.json()))

            async with asyncio.TaskGroup() as group:
                for n in range(REQUESTS):
                    group.create_task(one(n))
            given = {row[0] for row in await platform.pool.fetch("select id from commands")}
            used = next(key for key, *_ in self.answers if key and _command_id(key) in given)
            stolen = await client.post("/risk/flatten", headers={"Idempotency-Key": used})
            self.stolen = (stolen.status_code, stolen.json()["error"])


def _command_id(key: str) -> UUID:
    return Wish("activate", PHASE, "", key=key).command_id()


async def _prepared(database_url: str) -> None:
    pool = await connect_pool(database_url, size=1)
    await register_source(pool, "polygon", "stocks", "candles", True, "configured for this test")
    await pool.close()


async def _after(database_url: str) -> dict[str, Any]:
    pool = await connect_pool(database_url, size=1)
    found = {
        "log": await read_log(pool),
        "active": [
            row[0] for row in await pool.fetch("select phase from asset_class_config where active order by phase")
        ],
        "enabled": [row[0] for row in await pool.fetch("select symbol from asset_registry where trading_enabled")],
        "commands": Counter(row[0] for row in await pool.fetch("select status from commands")),
        "ids": {str(row[0]): row[1] for row in await pool.fetch("select id, status from commands")},
    }
    await pool.close()
    return found


def _run(database_url: str, redis_url: str, folder: Path, config: Path, crowd: Crowd) -> dict[str, Any]:
    async def case() -> dict[str, Any]:
        await _prepared(database_url)
        await on.replay(database_url, redis_url, folder, config, crowd.ask)
        return await _after(database_url)

    return asyncio.run(case())


def _check_answers(crowd: Crowd, found: dict[str, Any], subject: str, already: str) -> None:
    """One command is done; whoever hears 200 hears of that one; all others hear why not."""
    assert len(crowd.answers) == REQUESTS
    statuses = Counter(status for _, status, _ in crowd.answers)
    assert set(statuses) <= {200, 409}, statuses
    assert statuses[200] >= 1
    (done,) = [command for command, status in found["ids"].items() if status == "done"]
    assert {answer["id"] for _, status, answer in crowd.answers if status == 200} == {done}
    assert all(already in answer["error"] for _, status, answer in crowd.answers if status == 409)
    assert found["commands"]["done"] == 1
    assert crowd.stolen == (409, "this Idempotency-Key has been used for another command; take a new one")
    assert found["commands"]["refused"] > 0, "some came past the gateway's own look, and phases refused them"
    assert not found["commands"]["pending"]
    keys = {key for key, status, _ in crowd.answers if status == 200}
    assert len(keys) == 1, "the same command, asked for again with its key"
    rows = [entry.activation for entry in found["log"] if entry.activation.subject == subject]
    assert len(rows) == 1
    assert first_broken(found["log"]) is None


def test_a_thousand_activations_of_a_phase_are_one(
    database_url: str, redis_url: str, tmp_path: Path, config: Path
) -> None:
    crowd = Crowd(tmp_path, f"/phases/{PHASE}/activate", "operate", {})
    found = _run(database_url, redis_url, tmp_path, config, crowd)
    _check_answers(crowd, found, PHASE, "is active already")
    assert [e.activation.change for e in found["log"] if e.activation.subject == PHASE] == ["activated"]
    assert found["active"] == ["phase_0_crypto", PHASE]


def test_a_thousand_forced_enablings_of_an_asset_are_one(
    database_url: str, redis_url: str, tmp_path: Path, config: Path
) -> None:
    crowd = Crowd(tmp_path, "/assets/AVAX-USDT/enable", "live", {"force": "true"})
    found = _run(database_url, redis_url, tmp_path, config, crowd)
    _check_answers(crowd, found, AVAX, "is enabled already")
    (row,) = [e.activation for e in found["log"] if e.activation.subject == AVAX]
    assert (row.change, row.forced, row.by) == ("enabled", True, "live")
    assert AVAX in found["enabled"]
