"""Taking a model back: who may, what then is in use, and what is refused in one line."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from gateway_cases import LAST, READ, START

from services.gateway import store

pytestmark = pytest.mark.anyio

ROLL_BACK = "/models/BTC-USDT/lightgbm/rollback"


async def standing(pool: Any) -> dict[str, tuple[str, str]]:
    rows = await pool.fetch("select version, standing, note from model_registry where model = 'lightgbm'")
    return {row["version"]: (row["standing"], row["note"]) for row in rows}


async def test_rolling_back_needs_a_token_of_scope_operate(operator: httpx.AsyncClient, seeded: Any) -> None:
    assert (await operator.post(ROLL_BACK, headers={"Authorization": f"Bearer {READ}"})).status_code == 403
    del operator.headers["Authorization"]
    assert (await operator.post(ROLL_BACK)).status_code == 401
    assert {one for one, _ in (await standing(seeded)).values()} == {"in use"}


@pytest.mark.parametrize("spelling", ["BTC-USDT", "BTCUSDT", "BTC/USDT", "btc%2Fusdt"])
async def test_the_version_before_is_in_use_again(operator: httpx.AsyncClient, seeded: Any, spelling: str) -> None:
    before = await seeded.fetchval("select max(changed_at) from model_registry")
    headers = {"X-Operator": "kim"}
    reply = await operator.post(f"/models/{spelling}/lightgbm/rollback", json={"note": "it drifts"}, headers=headers)
    assert reply.status_code == 200, reply.text
    assert reply.json() == {
        "symbol": "BTC/USDT",
        "model": "lightgbm",
        "withdrawn": "v2",
        "in_use": "v1",
        "by": "operate (kim)",
        "note": "it drifts",
    }
    assert await standing(seeded) == {
        "v2": ("withdrawn", "taken back by operate (kim): it drifts"),
        "v1": ("in use", ""),
    }
    assert await seeded.fetchval("select max(changed_at) from model_registry") > before, "inference looks at this"
    listed = (await operator.get("/models?symbol=BTC-USDT")).json()["items"]
    assert [m["standing"] for m in listed if m["version"] == "v2"] == ["withdrawn"]
    assert (await operator.get("/assets/BTC-USDT/audit")).json()["newest_model"] == "ensemble e1"


async def test_with_none_left_the_answer_says_so_and_asking_again_is_refused(operator: httpx.AsyncClient) -> None:
    assert (await operator.post(ROLL_BACK)).json()["in_use"] == "v1"
    assert (await operator.post(ROLL_BACK)).json()["in_use"] is None
    reply = await operator.post(ROLL_BACK)
    assert (reply.status_code, reply.json()) == (409, {"error": "no version of lightgbm of BTC/USDT is in use"})


async def test_unknown_assets_and_models_are_answered_in_one_line(operator: httpx.AsyncClient, seeded: Any) -> None:
    for path in ("BTX/lightgbm", "BTC-USDT/crystal_ball", "ETH-USDT/lightgbm", "%20/%20"):
        reply = await operator.post(f"/models/{path}/rollback")
        assert (reply.status_code, set(reply.json())) == (404, {"error"}), path
        assert "\n" not in reply.json()["error"]
    for body in ({"note": "x" * 501}, {"why": "x"}):
        assert (await operator.post(ROLL_BACK, json=body)).status_code == 422
    assert (await operator.post(f"/models/BTC-USDT/{'x' * 81}/rollback")).status_code == 422
    assert {one for one, _ in (await standing(seeded)).values()} == {"in use"}


async def test_a_version_of_other_features_does_not_stand_in(seeded: Any) -> None:
    await seeded.execute("update model_registry set features_hash = 'other' where version = 'v1'")
    async with seeded.acquire() as conn, conn.transaction():
        assert await store.withdraw_model(conn, "BTC/USDT", "lightgbm", LAST, "") == {"withdrawn": "v2", "in_use": None}


async def test_only_a_version_that_was_in_use_by_then_is_taken_back(seeded: Any) -> None:
    async with seeded.acquire() as conn, conn.transaction():
        early = START - timedelta(days=40)
        assert await store.withdraw_model(conn, "BTC/USDT", "lightgbm", early, "") == {
            "withdrawn": "v1",
            "in_use": None,
        }
