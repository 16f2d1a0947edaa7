"""The routes that change: who may, what is refused, and that a command is given exactly once."""

import asyncio
from typing import Any

import httpx
import pytest
from gateway_cases import GATE, LAST, LIVE, OPERATE, READ, TOKENS, evaluate_phase, no_time

from services.contracts.messages import CommandGiven, Requirement, decode
from services.gateway.api import create_app
from services.gateway.commands import CommandDesk, Wish
from services.gateway.settings import Info
from services.kernel import database
from services.kernel.streams import Streams, connect
from services.phases.service import PhasesStage, load_params

pytestmark = pytest.mark.anyio

MET = tuple(Requirement(r.name, r.comparison, r.threshold, r.threshold + 1, True, None) for r in GATE)
ACTIVATE = "/phases/phase_1_stocks/activate"
CHANGING = [
    ACTIVATE,
    "/assets/AVAX-USDT/enable",
    "/assets/BTC/USDT/disable",
    "/risk/halt",
    "/risk/resume",
    "/risk/flatten",
]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def given(pool: Any) -> list[CommandGiven]:
    """Read the commands that readers would find in the outbox."""
    messages = [decode(m.body) for m in await database.unseen(pool, "gateway.commands", {})]
    return [m for m in messages if isinstance(m, CommandGiven)]


async def rows(pool: Any) -> int:
    return int(await pool.fetchval("select count(*) from commands"))


async def ready(pool: Any) -> None:
    await pool.execute("delete from readiness_log where phase = 'phase_1_stocks'")
    await evaluate_phase(pool, "phase_1_stocks", MET)


def judge(pool: Any, status: str, outcome: str) -> Any:
    """Wait in the way of a gateway behind which phases works."""

    async def pause(_: float) -> None:
        await pool.execute("update commands set status = $1, outcome = $2 where status = 'pending'", status, outcome)

    return pause


@pytest.mark.parametrize("route", CHANGING)
async def test_changing_needs_a_token_of_the_right_scope(operator: httpx.AsyncClient, seeded: Any, route: str) -> None:
    del operator.headers["Authorization"]
    for headers, status in (
        ({}, 401),
        (bearer("x" * 30), 401),
        ({"Authorization": "Basic abc"}, 401),
        (bearer(READ), 403),
    ):
        reply = await operator.post(route, headers=headers)
        assert (reply.status_code, set(reply.json())) == (status, {"error"})
    assert await rows(seeded) == 0


async def test_force_needs_a_token_of_scope_live(operator: httpx.AsyncClient, seeded: Any) -> None:
    assert (await operator.post(f"{ACTIVATE}?force=true")).status_code == 403
    assert (await operator.post("/assets/AVAXUSDT/enable?force=true")).status_code == 403
    assert await rows(seeded) == 0
    reply = await operator.post(f"{ACTIVATE}?force=true", headers=bearer(LIVE), json={"note": "a drill"})
    assert (reply.status_code, reply.json()["forced"], reply.json()["by"]) == (202, True, "live")


async def test_a_phase_that_is_not_ready_is_refused_with_its_gate(operator: httpx.AsyncClient, seeded: Any) -> None:
    reply = await operator.post(ACTIVATE)
    assert reply.status_code == 409
    assert "12 more profitable days" in reply.json()["error"]
    assert [r["met"] for r in reply.json()["requirements"]] == [r.met for r in GATE]
    assert await rows(seeded) == 0


async def test_a_phase_that_was_never_evaluated_is_refused(operator: httpx.AsyncClient) -> None:
    reply = await operator.post("/phases/phase_2_leveraged_etfs/activate")
    assert (reply.status_code, "no full day has been evaluated" in reply.json()["error"]) == (409, True)


async def test_unknown_and_active_phases_and_unknown_assets(operator: httpx.AsyncClient, seeded: Any) -> None:
    assert (await operator.post("/phases/phase_9/activate")).status_code == 404
    assert (await operator.post("/assets/BTX/enable")).status_code == 404
    reply = await operator.post("/phases/phase_0_crypto/activate")
    assert (reply.status_code, reply.json()["error"]) == (409, "phase_0_crypto is active already")
    reply = await operator.post("/assets/NVDA/enable")
    assert (reply.status_code, reply.json()["error"]) == (409, "its phase phase_1_stocks is not active")
    assert await rows(seeded) == 0


@pytest.mark.parametrize(("status", "outcome", "answer"), [("done", "done", 200), ("refused", "not ready: x", 409)])
async def test_activation_waits_for_what_became_of_it(
    seeded: Any, redis: Any, open_client: Any, status: str, outcome: str, answer: int
) -> None:
    await ready(seeded)
    client = open_client(create_app(seeded, redis, TOKENS, Info(), pause=judge(seeded, status, outcome)))
    reply = await client.post(ACTIVATE, json={"note": "go"}, headers={**bearer(OPERATE), "X-Operator": "kim"})
    assert reply.status_code == answer
    if answer == 409:
        assert (reply.json()["error"], len(reply.json()["requirements"])) == (outcome, len(GATE))
    else:
        assert (reply.json()["status"], reply.json()["by"], reply.json()["note"]) == ("done", "operate (kim)", "go")


async def test_a_pending_activation_can_be_asked_about(operator: httpx.AsyncClient, seeded: Any) -> None:
    await ready(seeded)
    reply = await operator.post(ACTIVATE)
    assert reply.status_code == 202
    again = await operator.get(reply.headers["location"])
    assert again.json() == reply.json()
    assert (await operator.get("/commands/00000000-0000-0000-0000-000000000000")).status_code == 404


@pytest.mark.parametrize("name", ["halt", "resume", "flatten"])
async def test_risk_commands_are_stored_published_and_numbered(
    operator: httpx.AsyncClient, seeded: Any, redis: Any, name: str
) -> None:
    for note in ("one", "two"):
        reply = await operator.post(f"/risk/{name}", json={"note": note})
        assert (reply.status_code, reply.json()["status"]) == (202, "pending")
    messages = await given(seeded)
    assert [(m.name, m.note, m.by) for m in messages] == [(name, "one", "operate"), (name, "two", "operate")]
    assert LAST < messages[0].ts < messages[1].ts
    entries = await redis.xrange("gateway.commands")
    assert [(fields["producer"], fields["seq"]) for _, fields in entries] == [("gateway", "1"), ("gateway", "2")]
    assert [decode(fields["body"]) for _, fields in entries] == messages
    risk = (await operator.get("/risk")).json()
    assert [c["name"] for c in risk["pending_commands"]] == [name, name]


async def test_a_command_survives_the_loss_of_redis(seeded: Any, open_client: Any, redis: Any, tmp_path: Any) -> None:
    gone = connect(f"unix://{tmp_path}/none.sock")
    client = open_client(create_app(seeded, gone, TOKENS, Info()), headers=bearer(OPERATE))
    assert (await client.post("/risk/halt")).status_code == 202
    assert [m.name for m in await given(seeded)] == ["halt"]
    assert (await client.get("/ready")).json()["missing"] == ["redis: not reachable (ConnectionError)"]
    await gone.aclose()
    desk = CommandDesk(seeded, Streams(redis, "gateway"), "cafe")
    await desk.resend()
    assert await redis.xlen("gateway.commands") == 1


async def test_fifty_repetitions_with_one_key_are_one_command(operator: httpx.AsyncClient, seeded: Any) -> None:
    await ready(seeded)
    key = {"Idempotency-Key": "open-stocks-1"}
    replies = await asyncio.gather(*(operator.post(ACTIVATE, headers=key) for _ in range(50)))
    assert {r.status_code for r in replies} == {202}
    assert len({r.json()["id"] for r in replies}) == 1
    assert await rows(seeded) == 1
    assert len(await given(seeded)) == 1


async def test_fifty_different_commands_are_numbered_without_holes(operator: httpx.AsyncClient, seeded: Any) -> None:
    await asyncio.gather(*(operator.post("/risk/halt") for _ in range(50)))
    stored = await database.unseen(seeded, "gateway.commands", {})
    assert [m.seq for m in stored] == list(range(1, 51))
    assert len({decode(m.body).ts for m in stored}) == 50


async def test_a_key_is_not_taken_for_another_command(operator: httpx.AsyncClient, seeded: Any) -> None:
    key = {"Idempotency-Key": "k1"}
    first = await operator.post("/risk/halt", headers=key)
    assert (await operator.post("/risk/halt", headers=key)).json() == first.json()
    reply = await operator.post("/risk/flatten", headers=key)
    assert (reply.status_code, "another command" in reply.json()["error"]) == (409, True)
    assert await rows(seeded) == 1


async def test_refuses_bodies_that_are_malformed_or_huge(operator: httpx.AsyncClient, seeded: Any) -> None:
    for body in ({"note": "x" * 501}, {"note": "a\u0000b"}, {"nota": "x"}, [1], {"note": "x" * 70_000}):
        reply = await operator.post("/risk/halt", json=body)
        assert reply.status_code in {400, 422}
        assert set(reply.json()) == {"error"}
    assert await rows(seeded) == 0


async def test_assets_are_enabled_and_disabled(seeded: Any, redis: Any, open_client: Any) -> None:
    client = open_client(
        create_app(seeded, redis, TOKENS, Info(), pause=judge(seeded, "done", "done")), headers=bearer(OPERATE)
    )
    assert (await client.post("/assets/AVAXUSDT/enable")).json()["subject"] == "AVAX/USDT"
    assert (await client.post("/assets/BTC/USDT/disable")).json()["subject"] == "BTC/USDT"
    assert [(m.name, m.subject) for m in await given(seeded)] == [("enable", "AVAX/USDT"), ("disable", "BTC/USDT")]


async def test_phases_carry_out_a_forced_activation(seeded: Any, redis: Any, open_client: Any, tmp_path: Any) -> None:
    stage = PhasesStage(load_params(), tmp_path)
    done: list[CommandGiven] = []

    async def pause(_: float) -> None:
        new = (await given(seeded))[len(done) :]
        async with seeded.acquire() as conn, conn.transaction():
            await stage.handle(conn, list(new))
        done.extend(new)

    client = open_client(create_app(seeded, redis, TOKENS, Info(), pause=pause), headers=bearer(LIVE))
    reply = await client.post(f"{ACTIVATE}?force=true", json={"note": "a drill"})
    assert (reply.status_code, reply.json()["status"]) == (200, "done")
    stocks = (await client.get("/phases/readiness/phase_1_stocks")).json()
    assert (stocks["active"], stocks["ready"], stocks["evaluated_at"]) == (True, False, "2024-03-05T00:00:00.000001Z")
    assert (await client.get("/assets/NVDA")).json()["trading_enabled"] is True
    reply = await client.post("/assets/NVDA/enable")
    assert (reply.status_code, reply.json()["error"]) == (409, "NVDA is enabled already")
    reply = await client.post("/assets/SOL/USDT/enable")
    assert (reply.status_code, "SOL/USDT" in reply.json()["error"]) == (409, True)


async def test_a_live_command_carries_the_time_of_the_clock(seeded: Any, redis: Any) -> None:
    await seeded.execute("update run set mode = 'live'")
    now = LAST.replace(year=2026)
    desk = CommandDesk(seeded, Streams(redis, "gateway"), "cafe", pause=no_time, now=lambda: now)
    await desk.give(Wish("halt", None, "operate"))
    assert (await given(seeded))[0].ts == now
