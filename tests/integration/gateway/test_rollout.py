"""``GET /rollout`` and ``GET /assets``: each asset's level, next step, what it waits for; and who may change it how."""

import time
from datetime import timedelta
from typing import Any

import httpx
import pytest
from gateway_cases import LAST, LIVE, OPERATE, READ, TOKENS, evaluate_phase, no_time

from services.contracts.messages import (
    AssetStanding,
    CommandGiven,
    DayEvaluated,
    Readiness,
    Requirement,
    decode,
    encode,
)
from services.domain.money import money
from services.gateway.api import create_app
from services.gateway.settings import Info
from services.kernel import database

pytestmark = pytest.mark.anyio

LACKING = (
    Requirement("trades (BTC/USDT)", ">=", 10.0, 6.0, False, "4 more trades: 5 more days at the current rate", 6),
    Requirement("profit_factor (BTC/USDT)", ">=", 1.0, 1.31, True, None, 6, 0.42, 3.9),
)
MET = tuple(Requirement(r.name, r.comparison, r.threshold, r.threshold, True, None) for r in LACKING)
STANDINGS = (
    AssetStanding("BTC/USDT", "crypto", "full", 1, step="live_enabled", requirements=LACKING, why="4 more trades"),
    AssetStanding("ETH/USDT", "crypto", "observed", 2, step="restored", why="profit factor fell to 0.71", since=LAST),
    AssetStanding("AVAX/USDT", "crypto", "off", 1, step="enabled", requirements=LACKING, why="4 more trades"),
    AssetStanding("DOGE/USDT", "crypto", "full", 1, True, evidence="strong", evidence_why="DOGE/USDT: 80 days"),
    AssetStanding("LINK/USDT", "crypto", "off", 2, step="enabled", ready=True, requirements=MET, why="the command"),
    AssetStanding("BNB/USDT", "crypto", "off", 3, why="tier 3: research finds no edge"),
    AssetStanding("NVDA", "stocks", "off", step="enabled", why="phase_1_stocks is not active"),
)


INSERT = "insert into outbox (topic, producer, seq, ts, body) values ('phases.activations', 'phases', $1, $2, $3)"


def evaluation(standings: tuple[AssetStanding, ...], readiness: tuple[Readiness, ...] = ()) -> str:
    said = DayEvaluated(
        ts=LAST, readiness=readiness, changes=(), enabled=(), classes=(), collecting=(), assets=standings
    )  # fmt: skip
    return encode(said).decode()


async def say(pool: Any, *standings: AssetStanding, seq: int = 1, readiness: tuple[Readiness, ...] = ()) -> None:
    """Store an evaluation as phases publishes it."""
    await pool.execute(INSERT, seq, LAST, evaluation(standings, readiness))


async def shown(api: httpx.AsyncClient) -> dict[str, Any]:
    reply = await api.get("/rollout")
    assert reply.status_code == 200, reply.text
    return {item["symbol"]: item for item in reply.json()["items"]}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def given(pool: Any) -> list[CommandGiven]:
    messages = [decode(m.body) for m in await database.unseen(pool, "gateway.commands", {})]
    return [m for m in messages if isinstance(m, CommandGiven)]


async def test_every_asset_stands_in_its_group_in_the_ladders_order(api: httpx.AsyncClient, seeded: Any) -> None:
    await say(seeded, *STANDINGS)
    body = (await api.get("/rollout")).json()
    assert (body["mode"], body["simulated"], body["evaluated_at"]) == ("replay", True, "2024-03-05T00:00:00Z")
    assert len(body["items"]) == 32
    groups = list(dict.fromkeys(item["group"] for item in body["items"]))
    assert groups == ["proving ground", "tier 1", "tier 2", "tier 3", "other classes"]
    crypto = [item["symbol"].split("/")[0] for item in body["items"] if item["asset_class"] == "crypto"]
    assert crypto[:4] == ["BTC", "ETH", "AVAX", "DOGE"]
    assert (await shown(api))["LINK/USDT"]["group"] == "tier 2", "the tier is the one that research left it in"


async def test_a_standing_names_its_next_step_and_all_that_it_lacks(api: httpx.AsyncClient, seeded: Any) -> None:
    await say(seeded, *STANDINGS)
    items = await shown(api)
    btc, eth, doge = items["BTC/USDT"], items["ETH/USDT"], items["DOGE/USDT"]
    assert (btc["level"], btc["tier"], btc["live"], btc["step"], btc["ready"]) == (
        "full", 1, False, "live_enabled", False,
    )  # fmt: skip
    assert btc["requirements"][0] == {
        "name": "trades (BTC/USDT)", "comparison": ">=", "threshold": 10.0, "current": 6.0, "met": False,
        "missing": "4 more trades: 5 more days at the current rate", "n": 6, "low": None, "high": None,
    }  # fmt: skip
    assert (btc["requirements"][1]["low"], btc["requirements"][1]["high"]) == (0.42, 3.9)
    assert (btc["evidence"], btc["since"], btc["waits_for"]) == ("weak", None, "4 more trades")
    assert (eth["level"], eth["since"], eth["waits_for"]) == (
        "observed", "2024-03-05T00:00:00Z", "profit factor fell to 0.71",
    )  # fmt: skip
    assert (doge["live"], doge["step"], doge["evidence"]) == (True, None, "strong")


async def test_the_newest_evaluation_counts(api: httpx.AsyncClient, seeded: Any) -> None:
    await say(seeded, *STANDINGS)
    await say(seeded, AssetStanding("ETH/USDT", "crypto", "full", 2), seq=2)
    assert (await shown(api))["ETH/USDT"]["level"] == "full"


async def test_before_the_first_evaluation_the_registry_speaks(api: httpx.AsyncClient, seeded: Any) -> None:
    await seeded.execute("update asset_registry set level = 'full' where symbol = 'BTC/USDT'")
    body = (await api.get("/rollout")).json()
    assert (body["evaluated_at"], len(body["items"])) == (None, 32)
    items = {item["symbol"]: item for item in body["items"]}
    assert (items["BTC/USDT"]["level"], items["BTC/USDT"]["evidence"], items["BTC/USDT"]["step"]) == (
        "full", None, None,
    )  # fmt: skip
    assert items["SOL/USDT"]["waits_for"] == "no full day has been evaluated yet"


async def test_assets_show_level_tier_live_and_what_they_wait_for(api: httpx.AsyncClient, seeded: Any) -> None:
    await seeded.execute(
        "update asset_registry set level = 'observed', level_since = $1, waits_for = '3 more trades',"
        " live_enabled = true where symbol = 'XRP/USDT'",
        LAST,
    )
    xrp = (await api.get("/assets/XRP-USDT")).json()
    expected = {"level": "observed", "tier": 2, "live_enabled": True, "waits_for": "3 more trades"}
    assert {name: xrp[name] for name in expected} == expected
    assert xrp["level_since"] == "2024-03-05T00:00:00Z"


async def test_readiness_shows_samples_intervals_evidence_and_capital(api: httpx.AsyncClient, seeded: Any) -> None:
    await evaluate_phase(seeded, "phase_2_leveraged_etfs", LACKING)
    judged = Readiness(
        "phase_2_leveraged_etfs", "leveraged_etfs", False, False, LACKING, "weak", "stocks: 3 days",
        capital_needed=money(5000), capital=money("2452.80"),
    )  # fmt: skip
    await say(seeded, readiness=(judged,))
    for phase in (
        (await api.get("/phases/readiness")).json()["phases"][2],
        (await api.get("/phases/readiness/phase_2_leveraged_etfs")).json(),
    ):
        assert (phase["evidence"], phase["evidence_why"]) == ("weak", "stocks: 3 days")
        assert (phase["capital_needed"], phase["capital"]) == ("5000.00000000", "2452.80000000")
        assert [(r["n"], r["low"], r["high"]) for r in phase["requirements"]] == [(6, None, None), (6, 0.42, 3.9)]
        assert phase["requirements"][0]["missing"] == "4 more trades: 5 more days at the current rate"


async def test_readiness_and_rollout_answer_within_fifty_milliseconds(api: httpx.AsyncClient, seeded: Any) -> None:
    """Both read what was stored with the newest evaluation, however long the record is: here five years of days."""
    symbols = [row[0] for row in await seeded.fetch("select symbol from asset_registry")]
    phases = [row[0] for row in await seeded.fetch("select phase from asset_class_config")]
    gate = tuple(
        Requirement(f"trades ({n})", ">=", 10.0, 6.0, False, "4 more trades " * 3, 6, 0.1, 3.0) for n in range(10)
    )
    readiness = tuple(Readiness(phase, "crypto", False, False, gate, "weak", "so much is missing") for phase in phases)
    standings = tuple(AssetStanding(symbol, "crypto", "off", step="enabled", requirements=gate) for symbol in symbols)
    body = evaluation(standings, readiness)
    rows = [(seq, LAST - timedelta(days=5 * 365 - seq), body) for seq in range(1, 5 * 365)]
    await seeded.executemany(INSERT, rows)
    for route in ("/phases/readiness", "/rollout"):
        took = []
        for _ in range(20):
            begun = time.perf_counter()
            assert (await api.get(route)).status_code == 200
            took.append(time.perf_counter() - begun)
        assert sorted(took)[len(took) // 2] < 0.050, (route, took)


@pytest.mark.parametrize(
    ("route", "read", "operate", "live"),
    [
        ("/assets/AVAX-USDT/enable", 403, 202, 202),
        ("/assets/AVAX-USDT/enable?live=true", 403, 403, 202),
        ("/assets/AVAX-USDT/enable?force=true", 403, 403, 202),
        ("/assets/AVAX-USDT/enable?live=true&force=true", 403, 403, 202),
        ("/assets/AVAX-USDT/disable", 403, 202, 202),
        ("/assets/AVAX-USDT/disable?live=true", 403, 202, 202),
        ("/phases/phase_1_stocks/activate?force=true", 403, 403, 202),
    ],
)
async def test_live_and_force_need_a_token_of_scope_live(
    operator: httpx.AsyncClient, seeded: Any, route: str, read: int, operate: int, live: int
) -> None:
    """Taking down is never held up by a scope: who may operate may also end an asset's live phase."""
    assert (await operator.post(route, headers={"Authorization": ""})).status_code == 401
    for token, status in ((READ, read), (OPERATE, operate), (LIVE, live)):
        before = len(await given(seeded))
        reply = await operator.post(route, headers=bearer(token))
        assert (reply.status_code, len(await given(seeded)) - before) == (status, int(status == 202)), reply.text


async def test_a_live_command_says_so_in_its_row_its_message_and_its_answer(
    operator: httpx.AsyncClient, seeded: Any
) -> None:
    for wanted in ("true", "false"):
        reply = await operator.post(f"/assets/BTC/USDT/enable?live={wanted}", headers=bearer(LIVE))
        assert reply.json()["live"] is (wanted == "true")
        assert (await operator.get(reply.headers["location"])).json() == reply.json()
    assert [(m.name, m.live, m.forced) for m in await given(seeded)] == [
        ("enable", True, False),
        ("enable", False, False),
    ]


async def test_a_key_used_for_paper_is_refused_for_live(operator: httpx.AsyncClient, seeded: Any) -> None:
    headers = {**bearer(LIVE), "Idempotency-Key": "btc-1"}
    first = await operator.post("/assets/BTC/USDT/enable", headers=headers)
    assert (await operator.post("/assets/BTC/USDT/enable", headers=headers)).json() == first.json()
    reply = await operator.post("/assets/BTC/USDT/enable?live=true", headers=headers)
    assert (reply.status_code, "another command" in reply.json()["error"]) == (409, True)
    assert len(await given(seeded)) == 1


@pytest.mark.parametrize("query", ["", "?force=true", "?live=true", "?live=true&force=true"])
async def test_no_order_enables_an_asset_of_tier_3(operator: httpx.AsyncClient, seeded: Any, query: str) -> None:
    for symbol in ("BNB/USDT", "DOT/USDT", "ADA/USDT", "LINK/USDT", "ATOM/USDT"):
        reply = await operator.post(f"/assets/{symbol}/enable{query}", headers=bearer(LIVE))
        assert (reply.status_code, reply.json()["error"]) == (
            409, f"{symbol} is in tier 3: no order can enable it, only research by finding an edge",
        )  # fmt: skip
    await say(seeded, AssetStanding("LINK/USDT", "crypto", "off", 2, step="enabled"))
    assert (await operator.post("/assets/LINK/USDT/enable", headers=bearer(LIVE))).status_code == 202
    assert [m.subject for m in await given(seeded)] == ["LINK/USDT"]


async def test_a_refused_asset_is_answered_with_the_gate_of_the_step_asked_for(
    seeded: Any, redis: Any, open_client: Any
) -> None:
    await say(seeded, *STANDINGS)

    async def refuse(_: float) -> None:
        await seeded.execute("update commands set status = 'refused', outcome = 'not ready' where status = 'pending'")

    client = open_client(create_app(seeded, redis, TOKENS, Info(), pause=refuse), headers=bearer(LIVE))
    for route, lines in (("enable?live=true", 2), ("enable", 0), ("disable", 0)):
        reply = await client.post(f"/assets/BTC/USDT/{route}")
        assert (reply.status_code, reply.json()["error"], len(reply.json()["requirements"])) == (
            409,
            "not ready",
            lines,
        )
    reply = await client.post("/assets/AVAX/USDT/enable")
    assert reply.json()["requirements"][0]["missing"] == "4 more trades: 5 more days at the current rate"


async def test_nothing_is_said_of_a_ladder_to_a_stranger_where_reading_needs_a_token(
    seeded: Any, redis: Any, open_client: Any
) -> None:
    app = create_app(seeded, redis, TOKENS, Info(require_read_token=True), pause=no_time)
    client = open_client(app)
    assert (await client.get("/rollout")).status_code == 401
    assert (await client.get("/rollout", headers=bearer(READ))).status_code == 200
