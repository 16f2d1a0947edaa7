"""``chloe audit SYMBOL``: verdicts and reasons first, then every line; through the API, else in the data folder."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from services import audit_commands
from services.commands import ApiError
from services.kernel.errors import BadSymbol, ConfigError, StartRefused

URL = "http://api"


def line(name: str, verdict: str, asked_by: str = "live", **more: Any) -> dict[str, Any]:
    given = {"figure": "–", "yardstick": "some", "words": f"{name} is {verdict}", "n": None, "low": None, "high": None}
    return {"name": name, "verdict": verdict, "asked_by": asked_by, **given, **more}


ANSWER: dict[str, Any] = {
    "mode": "replay", "simulated": True, "symbol": "BTC/USDT", "name": "Bitcoin [spot]", "asset_class": "crypto",
    "phase": "phase_0_crypto", "phase_active": True, "role": "standard", "tier": 1, "level": "observed",
    "trading_enabled": True, "live_enabled": False, "waits_for": "", "as_of": "2024-03-05T00:00:00Z", "verdict": "warn",
    "paper_reasons": [], "ready_for_live": False,
    "reasons": ["14 closed trades, at least 20 are needed", "not known: its edge", "third", "fourth [of all]"],
    "sections": [
        {"name": "trades", "verdict": "fail", "lines": [
            line("closed trades", "fail", figure="14", n=14),
            line("profit factor", "ok", figure="1.35", n=14, low=1.154, high=1.588),
            line("result", "warn", "nobody", figure="-3.00"),
        ]},
        {"name": "research", "verdict": "unknown", "lines": [line("edge", "unknown"), line("tier", "ok", "paper")]},
    ],
    "newest_model": None, "open_flags": [], "indicators_missing": [], "recorded": None,
}  # fmt: skip
READY = {**ANSWER, "verdict": "ok", "ready_for_live": True, "reasons": [], "recorded": {
    "ts": "2024-03-05T00:00:00Z", "ready": True, "reasons": [], "valid_until": "2024-03-12T00:00:00Z"}}  # fmt: skip
Page = Callable[..., str]


@pytest.fixture
def asked() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked: list[tuple[str, str]]) -> Page:
    """Type the command against an API that answers this."""

    def shown(answer: dict[str, Any], **options: Any) -> str:
        def request(method: str, url: str, **more: Any) -> httpx.Response:
            asked.append((method, url))
            if method == "POST":
                assert more["headers"] == {"Authorization": "Bearer t0ken"}
            return httpx.Response(200, json=answer)

        monkeypatch.setattr(httpx, "request", request)
        monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(200))
        monkeypatch.setenv("COLUMNS", "120")
        audit_commands.audit_asset(URL, Path("nowhere"), "BTC/USDT", **options)
        return capsys.readouterr().out

    return shown


def test_json_is_the_whole_answer(page: Page, asked: list[tuple[str, str]]) -> None:
    assert json.loads(page(ANSWER, as_json=True)) == ANSWER
    assert asked == [("GET", "http://api/assets/BTC/USDT/audit")]


def test_people_read_the_verdicts_then_reasons_then_every_line(page: Page) -> None:
    shown = page(ANSWER).splitlines()
    assert shown[:7] == [
        "BTC/USDT  Bitcoin [spot] · crypto, tier 1 · observed on paper",
        "as of 2024-03-05 00:00 UTC (replay, simulated)",
        "",
        "! fit to trade on paper, with something to look at",
        "✗ not ready for live trading: 4 reasons, among them:",
        "    - 14 closed trades, at least 20 are needed",
        "    - not known: its edge",
    ]
    assert "      all of them: --for-live" in shown
    factor = next(text for text in shown if "profit factor" in text)
    assert " ".join(factor.split()) == "✓ profit factor 1.35 [1.15, 1.59], n 14 some live profit factor is ok"
    assert any(text.startswith("✗ Trades") for text in shown)
    assert any(text.startswith("? Research") for text in shown)
    assert any("result" in text and "shown" in text for text in shown)
    assert shown[-1] == "No audit for live is recorded: chloe audit SYMBOL --for-live --record"


def test_for_live_puts_real_money_first_and_names_every_reason(page: Page) -> None:
    shown = page(ANSWER, for_live=True).splitlines()
    assert shown[3] == "✗ not ready for live trading: 4 reasons"
    assert [text.strip("- ") for text in shown[4:8]] == ANSWER["reasons"]
    assert shown[8] == "! fit to trade on paper, with something to look at"


def test_a_ready_asset_says_so_and_until_when_its_record_counts(page: Page, asked: list[tuple[str, str]]) -> None:
    shown = page(READY, for_live=True, record=True, token="t0ken").splitlines()
    assert asked == [("POST", "http://api/assets/BTC/USDT/audit")]
    assert shown[3:5] == ["✓ ready for live trading", "✓ fit to trade on paper"]
    assert shown[-1] == (
        "Its recorded audit for live, of 2024-03-05 00:00 UTC: ready; it counts until 2024-03-12 00:00 UTC."
    )


def test_recording_without_for_live_is_refused(page: Page, asked: list[tuple[str, str]]) -> None:
    with pytest.raises(ConfigError, match="--record stores an audit for live: give --for-live"):
        page(ANSWER, record=True)
    assert asked == []


def test_a_refusal_of_the_api_is_its_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(200))
    monkeypatch.setattr(
        httpx, "request", lambda *_, **__: httpx.Response(404, json={"error": "symbol 'X' is not known"})
    )
    with pytest.raises(ApiError, match="symbol 'X' is not known"):
        audit_commands.audit_asset(URL, tmp_path, "X")
    with pytest.raises(ApiError, match="no token"):
        audit_commands.audit_asset(URL, tmp_path, "X", for_live=True, record=True)


@pytest.fixture
def no_api(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(*_: Any, **__: Any) -> httpx.Response:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(httpx, "get", get)


def test_without_an_api_or_a_folder_it_says_what_to_run(no_api: None, tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="run 'chloe standalone' first"):
        audit_commands.audit_asset(URL, tmp_path, "BTC/USDT")


def test_without_an_api_the_data_folders_database_is_audited_and_recorded(
    no_api: None, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def go(ask: Any) -> Any:
        conn = await asyncpg.connect(database_url, server_settings={"timezone": "UTC"})
        try:
            return await ask(conn)
        finally:
            await conn.close()

    monkeypatch.setattr(audit_commands, "with_standalone", lambda _, ask: asyncio.run(go(ask)))
    audit_commands.audit_asset(URL, Path("data"), "btcusdt", as_json=True)
    seen = json.loads(capsys.readouterr().out)
    assert (seen["symbol"], seen["mode"], seen["ready_for_live"], seen["recorded"]) == (
        "BTC/USDT", "not started", False, None
    )  # fmt: skip
    audit_commands.audit_asset(URL, Path("data"), "btcusdt", for_live=True, record=True, as_json=True)
    kept = json.loads(capsys.readouterr().out)["recorded"]
    assert (kept["ready"], "0 closed trades, at least 20 are needed" in kept["reasons"]) == (False, True)

    async def rows(conn: Any) -> Any:
        return await conn.fetch("select symbol, ready from live_audits")

    assert [tuple(row) for row in asyncio.run(go(rows))] == [("BTC/USDT", False)]
    with pytest.raises(BadSymbol, match="BTX"):
        audit_commands.audit_asset(URL, Path("data"), "BTX")
