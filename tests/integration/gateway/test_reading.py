"""Every route that reads, on a filled and on an empty database."""

import warnings
from typing import Any

import httpx
import pytest
from gateway_cases import GATE, LAST, READ, TOKENS, TRADES

from services.contracts.messages import DayEvaluated, Readiness, encode
from services.domain.ledger import trades_jsonl
from services.gateway.api import create_app
from services.gateway.settings import Info
from services.gateway.store import load_trades

pytestmark = pytest.mark.anyio

ROUTES = [
    "/phases/readiness", "/phases/readiness/phase_1_stocks", "/rollout", "/assets", "/assets/BTCUSDT",
    "/assets/BTC/USDT/audit",
    "/signals", "/signals?symbol=BTC-USDT&limit=2", "/portfolio", "/portfolio/equity", "/positions", "/orders",
    "/trades", "/trades?format=jsonl", "/risk", "/feeds", "/models", "/performance", "/stages", "/health", "/ready",
    "/metrics", "/openapi.json", "/docs", "/", "/web/app.js", "/web/docs.js", "/web/style.css",
]  # fmt: skip


@pytest.mark.parametrize("route", ROUTES)
async def test_every_route_answers(api: httpx.AsyncClient, route: str) -> None:
    reply = await api.get(route)
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-security-policy"].startswith("default-src 'none'")
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in reply.headers


async def test_everything_about_trading_says_that_it_is_a_replay(api: httpx.AsyncClient) -> None:
    for route in ROUTES[:19]:
        if "jsonl" in route:
            assert (await api.get(route)).headers["x-chloe-mode"] == "replay"
        else:
            body = (await api.get(route)).json()
            assert (body["mode"], body["simulated"]) == ("replay", True), route


async def test_readiness_shows_threshold_current_and_what_is_missing(api: httpx.AsyncClient) -> None:
    ladder = (await api.get("/phases/readiness")).json()
    assert [phase["order"] for phase in ladder["phases"]] == list(range(7))
    crypto, stocks = ladder["phases"][:2]
    assert (crypto["active"], crypto["ready"], stocks["active"], stocks["ready"]) == (True, True, False, False)
    assert stocks["requirements"][0] == {
        "name": GATE[0].name, "comparison": ">=", "threshold": 30.0, "current": 18.0, "met": False,
        "missing": "12 more profitable days", "n": None, "low": None, "high": None,
    }  # fmt: skip
    assert (stocks["min_capital"], stocks["max_capital"]) == ("3000.00000000", "5000.00000000")
    assert ladder["equity"] == "1065.57929335"
    one = (await api.get("/phases/readiness/phase_1_stocks")).json()
    assert {**stocks, **{k: ladder[k] for k in ("mode", "simulated", "equity")}} == one


async def test_readiness_shows_the_evidence_of_the_newest_evaluation(api: httpx.AsyncClient, seeded: Any) -> None:
    stocks = (await api.get("/phases/readiness/phase_1_stocks")).json()
    assert (stocks["evidence"], stocks["evidence_why"]) == (None, None)
    for seq, level in enumerate(("fair", "strong"), start=1):
        judged = Readiness("phase_1_stocks", "stocks", False, False, GATE, level, f"crypto: {seq} days")  # type: ignore[arg-type]
        said = DayEvaluated(ts=LAST, readiness=(judged,), changes=(), enabled=(), classes=(), collecting=())
        await seeded.execute(
            "insert into outbox (topic, producer, seq, ts, body) values ('phases.activations', 'phases', $1, $2, $3)",
            seq, LAST, encode(said).decode(),
        )  # fmt: skip
    crypto, stocks = (await api.get("/phases/readiness")).json()["phases"][:2]
    assert (stocks["evidence"], stocks["evidence_why"], crypto["evidence"]) == ("strong", "crypto: 2 days", None)


async def test_readiness_lists_all_phases_before_anything_is_evaluated(api: httpx.AsyncClient, seeded: Any) -> None:
    await seeded.execute("truncate readiness_log, portfolio_equity, run")
    ladder = (await api.get("/phases/readiness")).json()
    assert (ladder["mode"], ladder["equity"], ladder["evaluated_at"]) == ("not started", None, None)
    assert {p["note"] for p in ladder["phases"]} == {"no full day has been evaluated yet"}
    assert not any(p["ready"] for p in ladder["phases"])


async def test_an_empty_database_is_answered_with_nothing(api: httpx.AsyncClient, seeded: Any) -> None:
    tables = "signals, portfolio_equity, positions, orders, trades, risk_events, feed_health, model_registry, outbox"
    await seeded.execute(f"truncate {tables}, forecasts, asset_performance, stage_state")
    for route in ("/signals", "/positions", "/orders", "/trades", "/portfolio/equity", "/models", "/performance"):
        assert (await api.get(route)).json()["items"] == []
    assert (await api.get("/portfolio")).json()["equity"] is None
    assert (await api.get("/risk")).json()["as_of"] is None
    assert (await api.get("/trades?format=jsonl")).content == b""


async def test_the_ledger_comes_byte_for_byte(api: httpx.AsyncClient, seeded: Any) -> None:
    reply = await api.get("/trades?format=jsonl")
    assert reply.content == trades_jsonl(TRADES)
    assert sorted(await load_trades(seeded), key=lambda t: t.id) == sorted(TRADES, key=lambda t: t.id)


@pytest.mark.parametrize("spelling", ["BTC/USDT", "BTCUSDT", "btc-usdt", "BTC%2FUSDT"])
async def test_symbols_are_accepted_in_every_spelling(api: httpx.AsyncClient, spelling: str) -> None:
    assert (await api.get(f"/assets/{spelling}")).json()["symbol"] == "BTC/USDT"


async def test_unknown_names_are_answered_in_one_line(api: httpx.AsyncClient) -> None:
    for route in ("/assets/BTX", "/assets/BTX/audit", "/signals?symbol=BTX", "/phases/readiness/phase_9", "/nowhere"):
        reply = await api.get(route)
        assert reply.status_code == 404
        assert set(reply.json()) == {"error"}
        assert "\n" not in reply.json()["error"]
    reply = await api.get("/orders?limit=0")
    assert (reply.status_code, reply.json()["error"][:12]) == (422, "query.limit:")


async def test_the_audit_says_why_an_asset_may_not_trade_real_money(api: httpx.AsyncClient) -> None:
    audit = (await api.get("/assets/SOLUSDT/audit")).json()
    assert audit["ready_for_live"] is False
    assert "0 closed trades, at least 20 are needed" in audit["reasons"]
    assert "it is not enabled for trading, not even on paper" in audit["reasons"][0]


async def test_equity_is_thinned_and_ends_with_the_newest_slice(api: httpx.AsyncClient) -> None:
    items = (await api.get("/portfolio/equity?points=10")).json()["items"]
    assert 10 <= len(items) <= 12
    assert items[-1]["ts"] == "2024-03-05T00:00:00Z"
    since = (await api.get("/portfolio/equity", params={"since": "2024-03-04T22:00:00+00:00"})).json()["items"]
    assert len(since) == 3


async def test_signals_are_the_newest_of_each_asset(api: httpx.AsyncClient) -> None:
    items = (await api.get("/signals")).json()["items"]
    assert sorted(s["symbol"] for s in items) == ["BTC/USDT", "ETH/USDT", "SOL/USDT"]
    assert {s["ts"] for s in items} == {"2024-03-05T00:00:00Z"}
    assert len((await api.get("/signals?symbol=BTCUSDT")).json()["items"]) == 3


async def test_signals_say_their_strength_the_levels_around_them_and_the_market(api: httpx.AsyncClient) -> None:
    items = {s["symbol"]: s for s in (await api.get("/signals")).json()["items"]}
    assert {symbol: s["strength"] for symbol, s in items.items()} == {
        "BTC/USDT": "STRONG_BUY", "ETH/USDT": "HOLD", "SOL/USDT": "SELL",
    }  # fmt: skip
    assert (items["BTC/USDT"]["stop"], items["BTC/USDT"]["take"]) == (59800.5, 63000.25)
    assert (items["ETH/USDT"]["stop"], items["ETH/USDT"]["take"]) == (None, None)
    assert {s["market"] for s in items.values()} == {"balanced"}


async def test_signals_show_the_forecast_that_they_rest_on(api: httpx.AsyncClient) -> None:
    (btc,) = (await api.get("/signals?symbol=BTCUSDT&limit=1")).json()["items"]
    assert (btc["low"], btc["high"], btc["uncertainty"]) == pytest.approx((0.0062 - 0.013, 0.0062 + 0.013, 0.01))
    assert (btc["p_up"], btc["without"]) == (0.52, ["lstm"])


async def test_models_show_their_standing_and_their_error_beside_the_random_walks(api: httpx.AsyncClient) -> None:
    items = {(m["model"], m["version"]): m for m in (await api.get("/models?symbol=BTC-USDT")).json()["items"]}
    newest = items["lightgbm", "v2"]
    assert newest["out_of_sample"] == {"n": 96, "rmse": 0.011, "rmse_random_walk": 0.0112, "ratio": 0.98}
    assert (newest["standing"], newest["note"], newest["preset"], newest["blend"]) == ("in use", "", "small", None)
    assert items["lightgbm", "v1"]["out_of_sample"] is None
    weighed = items["ensemble", "e1"]["blend"]
    assert weighed["weights"] == {"lightgbm": 0.6, "lstm": 0.4}
    assert (weighed["slope"], weighed["independent"], weighed["p_up_calibrated"]) == (0.3, 40.0, True)


async def test_an_ensemble_that_cannot_be_read_does_not_hide_the_others(api: httpx.AsyncClient, seeded: Any) -> None:
    await seeded.execute("update model_registry set artefact = '\\xff' where model = 'ensemble'")
    items = (await api.get("/models")).json()["items"]
    assert [m["blend"] for m in items] == [None, None, None]


async def test_a_foreign_host_name_is_refused(api: httpx.AsyncClient) -> None:
    reply = await api.get("/portfolio", headers={"Host": "evil.example"})
    assert (reply.status_code, set(reply.json())) == (400, {"error"})
    assert (await api.get("/health", headers={"Host": "10.0.0.7:8000"})).status_code == 200


async def test_reading_needs_a_token_where_that_is_set(seeded: Any, redis: Any, open_client: Any) -> None:
    client = open_client(create_app(seeded, redis, TOKENS, Info(require_read_token=True)))
    assert (await client.get("/portfolio")).status_code == 401
    assert (await client.get("/metrics")).status_code == 401
    assert (await client.get("/health")).status_code == 200
    assert (await client.get("/portfolio", headers={"Authorization": f"Bearer {READ}"})).status_code == 200


class DeadPool:
    """A pool whose server is gone."""

    def acquire(self, timeout: float | None = None) -> Any:
        raise ConnectionRefusedError("password=hunter2 refused")


async def test_ready_names_what_is_missing(seeded: Any, redis: Any, open_client: Any) -> None:
    client = open_client(create_app(DeadPool(), redis, TOKENS, Info()))
    reply = await client.get("/ready")
    assert reply.status_code == 503
    assert [m.split(":")[0] for m in reply.json()["missing"]] == ["database"]
    reply = await client.get("/portfolio")
    assert reply.status_code == 503
    assert "hunter2" not in reply.text


async def test_the_api_keeps_to_its_own_description(api: httpx.AsyncClient) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tool's own dependencies, at import
        import schemathesis
    document = (await api.get("/openapi.json")).json()
    schema = schemathesis.openapi.from_dict(document)
    tried = 0
    for result in schema.include(method="GET").get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]  # an invalid schema raises here
        for case in examples(operation):
            url = case.formatted_path
            reply = await api.get(url, params=case.query or {}, headers=case.headers or {})
            assert reply.status_code < 500 or operation.path == "/ready", (url, case.query, reply.text)
            assert str(reply.status_code) in operation.definition.raw["responses"], (url, case.query, reply.text)
            if reply.headers["content-type"] == "application/json":
                operation.validate_response(schemathesis.Response.from_any(reply))
            tried += 1
    assert tried > 100


def examples(operation: Any) -> list[Any]:
    """Draw a few cases, the same every time."""
    from hypothesis import HealthCheck, Phase, given, seed, settings

    drawn: list[Any] = []

    def draw(case: Any) -> None:
        drawn.append(case)

    quiet = settings(
        max_examples=10, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    quiet(seed(1)(given(case=operation.as_strategy())(draw)))()
    return drawn
