"""``chloe flags`` prints what is up and what it blocks; acknowledging says who was first."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.commands import ApiError
from services.flag_commands import acknowledge, show_flags

URL = "http://api"
STALE: dict[str, Any] = {
    "id": "0f3c", "name": "stale_feed", "subject": "BTC/USDT", "severity": "warning", "blocks": "entries",
    "detail": "3 bars of 1h are missing [none since 09:00]", "raised_at": "2026-03-04T12:01:00Z", "cleared_at": None,
    "acknowledged_by": None, "acknowledged_at": None, "note": "",
}  # fmt: skip
LAG = STALE | {
    "name": "stage_lag", "subject": "risk", "severity": "critical", "blocks": "live", "detail": "it has not …",
    "acknowledged_by": "operate (kim)", "acknowledged_at": "2026-03-04T12:05:00Z", "note": "restarting",
}  # fmt: skip


def answering(monkeypatch: pytest.MonkeyPatch, answer: Any, status: int = 200) -> list[tuple[str, str, Any]]:
    asked: list[tuple[str, str, Any]] = []

    def request(method: str, url: str, **more: Any) -> httpx.Response:
        asked.append((method, url, more.get("json")))
        return httpx.Response(status, json=answer)

    monkeypatch.setattr(httpx, "request", request)
    monkeypatch.setenv("COLUMNS", "120")
    return asked


def test_flags_are_printed_with_what_they_block_and_who_has_seen_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = answering(monkeypatch, {"items": [LAG, STALE]})
    show_flags(URL, as_json=False)
    assert asked == [("GET", "http://api/flags", None)]
    assert capsys.readouterr().out.splitlines() == [
        "2 flags up: 1 block entries, 1 block live entries only.",
        "critical: stage_lag risk (blocks live entries), 2026-03-04T12:01:00Z",
        "    it has not …",
        "    seen by operate (kim): restarting",
        "warning: stale_feed BTC/USDT (blocks all entries), 2026-03-04T12:01:00Z",
        "    3 bars of 1h are missing [none since 09:00]",
        "    chloe flags acknowledge 0f3c",
    ]


def test_json_is_the_answer_itself_and_no_flag_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, {"items": [STALE]})
    show_flags(URL, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"items": [STALE]}
    answering(monkeypatch, {"items": []})
    show_flags(URL, as_json=False)
    assert capsys.readouterr().out == "No flag is up.\n"


def test_acknowledging_sends_the_note_and_says_who_was_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked = answering(monkeypatch, LAG)
    acknowledge(URL, tmp_path, "t0ken", "0f3c", "restarting")
    assert asked == [("POST", "http://api/flags/0f3c/acknowledge", {"note": "restarting"})]
    assert capsys.readouterr().out == (
        "stage_lag risk: acknowledged by operate (kim) at 2026-03-04T12:05:00Z; "
        "it stays up until its condition is over\n"
    )


def test_an_unknown_flag_is_an_error_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answering(monkeypatch, {"error": "no flag 0f3c; GET /flags lists them"}, 404)
    with pytest.raises(ApiError, match="no flag 0f3c"):
        acknowledge(URL, tmp_path, "t0ken", "0f3c", "")
