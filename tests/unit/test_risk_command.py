"""``chloe risk`` prints what the API answers: the halt, the limits, the figures, the refusals."""

import json
import sys
from typing import Any

import httpx
import pytest

from services.cli import main

LINE = {"name": "heat", "limit": "625.00000000", "current": "12.50000000", "passed": True, "allowed": None}
FULL = {"name": "class_weight:crypto", "limit": "1000", "current": "1234567.5", "passed": False, "allowed": None}
ANSWER: dict[str, Any] = {
    "mode": "replay",
    "simulated": True,
    "as_of": "2024-03-05T00:00:00Z",
    "halted": False,
    "reason": None,
    "limits": [LINE, FULL],
    "figures": {"risk_score": "16.67", "weighted_edge_bps": "-1.5000", "trades_per_day": None},
    "pending_commands": [],
    "refused": [
        {"ts": "2024-03-05T00:00:00Z", "side": "buy", "symbol": "NVDA", "refused_by": "class_active",
         "reason": "stocks is not active [yet]", "checks": [LINE, FULL]}
    ],
    "events": [],
}  # fmt: skip


def typed(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], *words: str) -> None:
    """Type the command against an API that answers this."""

    def request(method: str, url: str, **_: Any) -> httpx.Response:
        assert (method, url) == ("GET", "http://api/risk")
        return httpx.Response(200, json=answer)

    monkeypatch.setattr(httpx, "request", request)
    monkeypatch.setattr(sys, "argv", ["chloe", "risk", "--url", "http://api", *words])
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in {0, None}


def test_json_is_the_answer_itself(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    typed(monkeypatch, ANSWER, "--json")
    assert json.loads(capsys.readouterr().out) == ANSWER


def test_people_read_the_state_the_limits_the_figures_and_the_refusals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, ANSWER)
    shown = capsys.readouterr().out
    assert shown.startswith("Entries are allowed. As decided at 2024-03-05T00:00:00Z (replay, simulated).")
    assert next(line for line in shown.splitlines() if "heat" in line).split("│")[2:5] == [
        " 625    ", " 12.5        ", " yes    "
    ]  # fmt: skip
    assert "1,234,567.5" in shown
    assert "risk score: 16.67" in shown
    assert "trades per day: –" in shown
    assert "buy NVDA: class_active: stocks is not active [yet] (1 of 2 checks said no)" in shown


def test_a_halt_comes_first_with_its_reason_and_what_is_under_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pending = [{"name": "resume"}]
    typed(monkeypatch, {**ANSWER, "halted": True, "reason": "halted by file switch", "pending_commands": pending})
    assert capsys.readouterr().out.startswith("HALTED: halted by file switch. resume in force from the next slice.")


def test_before_the_first_slice_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    typed(monkeypatch, {**ANSWER, "as_of": None, "limits": [], "refused": []})
    assert capsys.readouterr().out.startswith("Nothing has been decided yet.")
