"""``chloe rollout``, ``phases``, ``enable`` and ``disable``: what people read, and what is asked of the API."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from services import audit_commands, ladder_commands, research_commands
from services.cli import main

LACKS: dict[str, Any] = {
    "name": "trades (BTC/USDT)", "comparison": ">=", "threshold": 10.0, "current": 6.0, "met": False,
    "missing": "4 more trades: 5 more days at the current rate", "n": 6, "low": None, "high": None,
}  # fmt: skip
MET: dict[str, Any] = {
    "name": "profit_factor (BTC/USDT)", "comparison": ">=", "threshold": 1.0, "current": 1.31, "met": True,
    "missing": None, "n": 6, "low": 0.42, "high": 3.9,
}  # fmt: skip
CLOSED: dict[str, Any] = {
    "name": "phase_active (phase_2)", "comparison": "is", "threshold": 1.0, "current": 0.0, "met": False,
    "missing": "phase_2 is not active", "n": None, "low": None, "high": None,
}  # fmt: skip
BASE: dict[str, Any] = {
    "name": "", "asset_class": "crypto", "phase": "phase_0_crypto", "phase_active": True, "since": None, "live": False,
    "step": None, "ready": False, "requirements": [], "evidence": "weak", "evidence_why": "", "waits_for": "",
}  # fmt: skip
ITEMS: list[dict[str, Any]] = [
    {**BASE, "group": "proving ground", "symbol": "BTC/USDT", "level": "full", "tier": 1, "live": True,
     "evidence": "strong"},
    {**BASE, "group": "proving ground", "symbol": "ETH/USDT", "level": "observed", "tier": 2, "step": "restored",
     "requirements": [MET, {**MET, "met": False, "missing": "is 0.80, must be >= 1.00", "current": 0.8}],
     "waits_for": "profit factor 0.71 is below 0.8 [3 days]; waits for profit_factor (BTC/USDT): is 0.80"},
    {**BASE, "group": "tier 1", "symbol": "AVAX/USDT", "level": "off", "tier": 1, "step": "enabled",
     "requirements": [LACKS, MET], "evidence_why": "BTC/USDT: 12 days, 6 trades",
     "waits_for": "waits for trades (BTC/USDT): 4 more trades: 5 more days at the current rate"},
    {**BASE, "group": "tier 3", "symbol": "BNB/USDT", "level": "off", "tier": 3, "waits_for": "research finds no edge"},
    {**BASE, "group": "other classes", "symbol": "NVDA", "asset_class": "stocks", "level": "off", "tier": None,
     "step": "enabled", "ready": True, "requirements": [MET]},
    {**BASE, "group": "other classes", "symbol": "UVXY", "asset_class": "leveraged_etfs", "level": "off", "tier": None,
     "step": "enabled", "requirements": [CLOSED], "waits_for": "waits for phase_active (phase_2): it is closed"},
]  # fmt: skip
ROLLOUT = {"mode": "replay", "simulated": True, "evaluated_at": "2024-03-05T00:00:00Z", "items": ITEMS}
PHASE: dict[str, Any] = {
    "phase": "phase_1_stocks", "active": False, "ready": False, "requirements": [LACKS, MET], "evidence": "fair",
    "evidence_why": "crypto: 31 days, 12 trades", "capital_needed": "3000.00000000", "capital": "2452.80000000",
}  # fmt: skip
FIRST = {
    **PHASE, "phase": "phase_0_crypto", "active": True, "requirements": [], "evidence_why": "", "capital_needed": None,
    "capital": None,
}  # fmt: skip


def typed(monkeypatch: pytest.MonkeyPatch, *words: str, width: int = 100) -> object:
    """Type a command; return its exit code, or the line that it ended with."""
    monkeypatch.setattr(sys, "argv", ["chloe", *words])
    monkeypatch.setenv("COLUMNS", str(width))
    for name in ("CHLOE_URL", "CHLOE_TOKEN", "CHLOE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def answering(monkeypatch: pytest.MonkeyPatch, content: dict[str, Any], status: int = 200) -> list[tuple[str, str]]:
    """Answer every request alike; return the list in which each is noted with its token."""
    asked: list[tuple[str, str]] = []

    def request(method: str, url: str, **more: Any) -> httpx.Response:
        token = more.get("headers", {}).get("Authorization", "").removeprefix("Bearer ")
        asked.append((f"{method} {url}", token))
        return httpx.Response(status, json=content)

    monkeypatch.setattr(httpx, "request", request)
    return asked


@pytest.fixture
def data(tmp_path: Path) -> str:
    (tmp_path / "api_tokens.yaml").write_text("read: r\noperate: o\nlive: l\n", encoding="utf-8")
    return str(tmp_path)


def test_the_json_of_a_rollout_is_the_answer_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = answering(monkeypatch, ROLLOUT)
    assert typed(monkeypatch, "rollout", "--url", "http://h:1", "--json") == 0
    assert asked == [("GET http://h:1/rollout", "")]
    assert json.loads(capsys.readouterr().out) == ROLLOUT


def test_a_rollout_has_a_line_for_each_asset_and_below_it_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, ROLLOUT)
    assert typed(monkeypatch, "rollout") == 0
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert printed == [
        "The ladder as judged at 2024-03-05T00:00:00Z (replay, simulated). Of 6 assets 1 at full size, "
        "1 observed at half size, 1 live.",
        "",
        "Proving ground  level     tier  live  next step       gate          evidence",
        "  BTC/USDT      full      1     yes",
        "  ETH/USDT      observed  2     no    its full size   1 of 2 met    weak",
        "      profit factor 0.71 is below 0.8 [3 days]",
        "      ✗ profit_factor (BTC/USDT): 0.8 (6 trades, 90 %: 0.42 to 3.9), asked >= 1",
        "",
        "Tier 1          level     tier  live  next step       gate          evidence",
        "  AVAX/USDT     off       1     no    trade on paper  1 of 2 met    weak",
        "      ✗ trades (BTC/USDT): 6 (6 days), asked >= 10; 4 more trades: 5 more days at the current rate",
        "      weak evidence: BTC/USDT: 12 days, 6 trades",
        "",
        "Tier 3          level     tier  live  next step       gate          evidence",
        "  BNB/USDT      off       3     no    research finds no edge",
        "",
        "Other classes   level     tier  live  next step       gate          evidence",
        "  NVDA          off       –     no    trade on paper  ready         weak",
        "  UVXY          off       –     no    phase_2 is not active",
    ]


def test_a_requirement_without_a_value_says_what_is_asked_and_why_there_is_none() -> None:
    none = {**MET, "met": False, "current": None, "n": 0, "low": None, "high": None, "missing": "no trade yet"}
    assert ladder_commands.requirement(none) == "profit_factor (BTC/USDT), asked >= 1: no trade yet"
    assert ladder_commands.requirement(CLOSED) == "phase_active (phase_2): phase_2 is not active"


def test_what_strong_evidence_takes_is_said_where_a_live_phase_waits_for_it() -> None:
    item = {**ITEMS[2], "evidence_why": "BTC/USDT: 12 days; strong takes 48 more days"}
    assert ladder_commands.evidence(item) == "weak evidence: BTC/USDT: 12 days"
    assert ladder_commands.evidence({**item, "step": "live_enabled"}).endswith("; strong takes 48 more days")


@pytest.mark.parametrize("width", [80, 120])
def test_a_rollout_fits_the_screen(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, ROLLOUT)
    assert typed(monkeypatch, "rollout", width=width) == 0
    printed = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in printed.splitlines()[1:]) <= width
    assert "5 more days at the current rate" in " ".join(printed.split())


def test_before_the_first_evaluation_a_rollout_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, {**ROLLOUT, "evaluated_at": None, "items": [{**ITEMS[0], "evidence": None}]})
    assert typed(monkeypatch, "rollout") == 0
    assert capsys.readouterr().out.startswith("No full day has been evaluated yet (replay, simulated). Of 1 assets")


def test_readiness_shows_the_sample_the_interval_the_evidence_and_the_capital(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, {"phases": [FIRST, PHASE, {**PHASE, "phase": "phase_2_leveraged_etfs"}]})
    assert typed(monkeypatch, "phases", "readiness", width=140) == 0
    printed = capsys.readouterr().out
    assert "4 more trades: 5 more days at the current rate (6 days)" in printed
    assert "(6 trades, 90 %: 0.42 to 3.9)" in printed
    assert "phase_1_stocks: fair evidence: crypto: 31 days, 12 trades" in printed
    assert "phase_1_stocks: takes a capital of 3,000.00, the account holds 2,452.80, 547.20 more needed" in printed
    assert "phase_2_leveraged_etfs: fair" not in printed, "it comes later"


def test_readiness_of_one_phase_shows_its_capital_where_it_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = answering(monkeypatch, {**PHASE, "capital": "3500"})
    assert typed(monkeypatch, "phases", "readiness", "phase_1_stocks", "--url", "http://h:1") == 0
    assert asked == [("GET http://h:1/phases/readiness/phase_1_stocks", "")]
    assert "takes a capital of 3,000.00, the account holds 3,500.00\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "route", "token"),
    [
        (["enable", "AVAX/USDT"], "/assets/AVAX/USDT/enable", "o"),
        (["enable", "AVAX/USDT", "--live"], "/assets/AVAX/USDT/enable?live=true", "l"),
        (["enable", "AVAX/USDT", "--force"], "/assets/AVAX/USDT/enable?force=true", "l"),
        (["enable", "NVDA", "--live", "--force"], "/assets/NVDA/enable?live=true&force=true", "l"),
        (["disable", "AVAX/USDT"], "/assets/AVAX/USDT/disable", "o"),
        (["disable", "AVAX/USDT", "--live"], "/assets/AVAX/USDT/disable?live=true", "o"),
        (["phases", "activate", "phase_1_stocks"], "/phases/phase_1_stocks/activate", "o"),
        (["phases", "activate", "phase_1_stocks", "--force"], "/phases/phase_1_stocks/activate?force=true", "l"),
    ],
)
def test_going_live_and_past_a_gate_take_the_live_token_and_nothing_else_does(
    words: list[str], route: str, token: str, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answering(monkeypatch, {"id": "1", "name": words[0], "subject": None, "status": "done", "outcome": "done"})
    assert typed(monkeypatch, *words, "--note", "why", "--url", "http://h:1", "--data", data) == 0
    assert asked == [(f"POST http://h:1{route}", token)]


def test_a_token_that_is_given_is_the_one_that_is_sent(data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, {"error": "live=true needs a token of scope 'live'"}, status=403)
    ended = typed(monkeypatch, "enable", "BTC/USDT", "--live", "--token", "o", "--data", data, "--url", "http://h:1")
    assert ended == "chloe: live=true needs a token of scope 'live'"
    assert asked == [("POST http://h:1/assets/BTC/USDT/enable?live=true", "o")]


FLAG: dict[str, Any] = {
    "id": "7", "name": "stale_feed", "subject": "BTC/USDT", "severity": "critical", "blocks": "entries",
    "detail": "no bar for 3 hours", "raised_at": "2024-03-05T00:00:00Z", "cleared_at": None, "acknowledged_by": None,
    "acknowledged_at": None, "note": "",
}  # fmt: skip


def test_flags_are_listed_with_what_they_block_and_how_to_acknowledge_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = answering(monkeypatch, {"items": [FLAG]})
    assert typed(monkeypatch, "flags", "--url", "http://h:1") == 0
    printed = capsys.readouterr().out
    assert "critical: stale_feed BTC/USDT (blocks all entries)" in printed
    assert "chloe flags acknowledge 7" in printed
    assert typed(monkeypatch, "flags", "--url", "http://h:1", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"items": [FLAG]}
    assert asked == [("GET http://h:1/flags", "")] * 2


def test_acknowledging_a_flag_takes_the_operators_token(
    data: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = answering(monkeypatch, {**FLAG, "acknowledged_by": "operate", "acknowledged_at": "2024-03-05T01:00:00Z"})
    words = ("flags", "acknowledge", "7", "--note", "seen", "--url", "http://h:1", "--data", data)
    assert typed(monkeypatch, *words) == 0
    assert asked == [("POST http://h:1/flags/7/acknowledge", "o")]
    assert "acknowledged by operate" in capsys.readouterr().out


def test_an_audit_for_live_is_asked_for_as_it_was_typed(data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(audit_commands, "audit_asset", lambda *words, **options: asked.append((words, options)))
    words = ("audit", "BTC/USDT", "--for-live", "--record", "--json", "--url", "http://h:1", "--data", data)
    assert typed(monkeypatch, *words) == 0
    options = {"for_live": True, "record": True, "as_json": True, "token": None}
    assert asked == [(("http://h:1", Path(data), "BTC/USDT"), options)]


def test_research_measures_the_assets_and_the_span_that_were_typed(data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(research_commands, "run_research", lambda *words, **options: asked.append((words, options)))
    words = ("research", "BTC/USDT", "ETH/USDT", "--from", "database", "--since", "2024-01-01", "--store")
    assert typed(monkeypatch, *words, "--data", data) == 0
    span = (datetime(2024, 1, 1, tzinfo=UTC), None)
    options = {"store": True, "data": Path(data), "as_json": False}
    assert asked == [((Path("database"), ["BTC/USDT", "ETH/USDT"], *span), options)]


def test_help_waits_for_nothing_that_a_command_needs() -> None:
    heavy = ("httpx", "polars", "numpy", "fastapi", "asyncpg", "services.commands", "services.ladder_commands")
    code = f"import sys, services.cli; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
