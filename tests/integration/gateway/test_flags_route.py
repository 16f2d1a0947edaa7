"""``GET /flags`` and ``POST /flags/{id}/acknowledge``: what is up, the gravest first, and who has seen it."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from gateway_cases import LAST, LIVE, READ, TOKENS

from services.gateway.api import create_app
from services.gateway.settings import Info
from services.kernel.flags import clear_flag, raise_flag

pytestmark = pytest.mark.anyio


@pytest.fixture
async def flagged(seeded: Any) -> Any:
    """Three flags that are up, and one that is over."""
    rows = [("stale_feed", "BTC/USDT", "warning", "entries"), ("model_drift", "ETH/USDT", "warning", "")]
    rows += [("refused_commands", "all", "info", ""), ("equity_mismatch", "all", "critical", "entries")]
    for n, (name, subject, severity, blocks) in enumerate(rows):
        at = LAST + timedelta(minutes=n)
        await raise_flag(
            seeded, name, subject, severity=severity, blocks=blocks, detail=f"words {n}", now=at  # type: ignore[arg-type]
        )  # fmt: skip
    await clear_flag(seeded, "equity_mismatch", "all", LAST + timedelta(hours=1))
    return seeded


async def id_of(pool: Any, name: str) -> str:
    return str(await pool.fetchval("select id from system_flags where name = $1", name))


async def test_flags_that_are_up_are_listed_the_gravest_and_newest_first(flagged: Any, api: httpx.AsyncClient) -> None:
    up = (await api.get("/flags")).json()["items"]
    assert [(f["name"], f["severity"]) for f in up] == [
        ("model_drift", "warning"), ("stale_feed", "warning"), ("refused_commands", "info"),
    ]  # fmt: skip
    assert (up[1]["subject"], up[1]["blocks"], up[1]["detail"]) == ("BTC/USDT", "entries", "words 0")
    assert (up[1]["cleared_at"], up[1]["acknowledged_by"], up[1]["note"]) == (None, None, "")
    every = (await api.get("/flags?all=true&limit=4")).json()["items"]
    assert [f["name"] for f in every] == ["model_drift", "stale_feed", "refused_commands", "equity_mismatch"]
    assert every[3]["cleared_at"] == "2024-03-05T01:00:00Z"
    assert len((await api.get("/flags?limit=1")).json()["items"]) == 1
    assert (await api.get("/flags?limit=0")).status_code == 422


async def test_the_first_who_acknowledges_stands_and_the_flag_stays_up(
    flagged: Any, operator: httpx.AsyncClient
) -> None:
    route = f"/flags/{await id_of(flagged, 'stale_feed')}/acknowledge"
    reply = await operator.post(route, json={"note": " the exchange says 14:00 "}, headers={"X-Operator": "kim"})
    assert reply.status_code == 200
    first = reply.json()
    assert (first["acknowledged_by"], first["note"], first["cleared_at"]) == (
        "operate (kim)", "the exchange says 14:00", None,
    )  # fmt: skip
    again = await operator.post(route, json={"note": "me too"}, headers={"Authorization": f"Bearer {LIVE}"})
    assert (again.status_code, again.json()) == (200, first)
    assert await flagged.fetchval("select count(*) from system_flags where acknowledged_by is not null") == 1


async def test_acknowledging_needs_the_scope_operate_and_a_flag_that_there_is(
    flagged: Any, operator: httpx.AsyncClient
) -> None:
    route = f"/flags/{await id_of(flagged, 'stale_feed')}/acknowledge"
    assert (await operator.post(f"/flags/{uuid4()}/acknowledge")).status_code == 404
    assert (await operator.post("/flags/1/acknowledge")).status_code == 422
    assert (await operator.post(route, headers={"Authorization": f"Bearer {READ}"})).status_code == 403
    del operator.headers["Authorization"]
    assert (await operator.post(route)).status_code == 401
    assert await flagged.fetchval("select count(*) from system_flags where acknowledged_by is not null") == 0


async def test_flags_are_read_with_a_token_where_reading_takes_one(flagged: Any, redis: Any, open_client: Any) -> None:
    client = open_client(create_app(flagged, redis, TOKENS, Info(config_version="cafe", require_read_token=True)))
    assert (await client.get("/flags")).status_code == 401
    assert (await client.get("/flags", headers={"Authorization": f"Bearer {READ}"})).status_code == 200
