"""``chloe signals`` shows what the API answered, with what it is worth beside it."""

import json
import sys
from typing import Any

import httpx
import pytest
from rich.console import Console

from services import signal_commands
from services.cli import main

ITEM: dict[str, Any] = {
    "symbol": "BTC/USDT", "ts": "2024-03-05T00:00:00Z", "action": "BUY", "strength": "STRONG_BUY", "level": "HIGH",
    "confidence": 0.91, "bucket": 9, "expected_return": 0.0062, "threshold": 0.003, "regime": "high_vol",
    "market": "btc_dominant", "weight": 0.45, "stop": 59800.5, "take": 63000.25,
    "reasons": ["expects +0.620% in 12 h, at least 0.300%", "gets 45.0% of the portfolio by score"],
}  # fmt: skip
HELD: dict[str, Any] = {
    **ITEM, "symbol": "ETH/USDT", "action": "HOLD", "strength": "HOLD", "weight": None, "stop": None, "take": None,
    "reasons": ["regime is chop; ETH's profile trades high_vol"],
}  # fmt: skip
ANSWER = {"mode": "replay", "simulated": True, "items": [ITEM, HELD]}


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> object:
    """Type a command; return its exit code, or the line that it ended with."""
    monkeypatch.setattr(sys, "argv", ["chloe", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def answering(monkeypatch: pytest.MonkeyPatch, content: dict[str, Any], status: int = 200) -> list[str]:
    """Answer every request alike; return the list in which the addresses are noted."""
    asked: list[str] = []

    def request(method: str, url: str, **_: Any) -> httpx.Response:
        asked.append(f"{method} {url}")
        return httpx.Response(status, json=content)

    monkeypatch.setattr(httpx, "request", request)
    return asked


def test_the_json_has_the_fields_that_are_documented(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = answering(monkeypatch, ANSWER)
    assert typed(monkeypatch, "signals", "--url", "http://h:1", "--json") == 0
    assert asked == ["GET http://h:1/signals"]
    printed = json.loads(capsys.readouterr().out)
    assert (printed["mode"], printed["simulated"]) == ("replay", True)
    assert printed["signals"][0] == {
        "symbol": "BTC/USDT", "ts": "2024-03-05T00:00:00Z", "signal": "STRONG_BUY", "confidence": "HIGH",
        "confidence_rank": 0.91, "bucket": 9, "expected_return": 0.0062, "threshold": 0.003, "regime": "high_vol",
        "market": "btc_dominant", "weight": 0.45, "stop": 59800.5, "take": 63000.25, "reasons": ITEM["reasons"],
    }  # fmt: skip
    assert printed["signals"][1]["weight"] is None


def test_one_symbol_is_asked_for_however_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, ANSWER)
    assert typed(monkeypatch, "signals", "btc/usdt", "--url", "http://h:1") == 0
    assert asked == ["GET http://h:1/signals?symbol=btc%2Fusdt&limit=24"]


def test_the_table_shows_strength_level_weight_and_the_first_reason() -> None:
    console = Console(width=220)
    with console.capture() as shown:
        console.print(signal_commands.table([ITEM, HELD]))
    first, second = [line for line in shown.get().splitlines() if "/USDT" in line]
    for text in ("STRONG BUY", "HIGH 0.91", "9", "+0.620%", "0.30%", "high_vol", "45.0%", "59,800.5", "63,000.2"):
        assert text in first
    assert "regime is chop; ETH's profile trades high_vol" in second
    assert second.count("–") == 3


@pytest.mark.parametrize("width", [80, 100, 200])
def test_on_a_screen_of_any_width_every_figure_and_the_first_reason_is_there(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, ANSWER)
    monkeypatch.setenv("COLUMNS", str(width))
    assert typed(monkeypatch, "signals") == 0
    printed = capsys.readouterr().out
    assert "(replay, simulated)" in printed
    assert "regime is chop; ETH's profile trades high_vol" in printed
    words = " ".join(printed.split())
    for text in ("STRONG BUY", "HIGH 0.91", "+0.620%", "0.30%", "high_vol", "45.0%", "59,800.5"):
        assert text in words
    assert max(len(line) for line in printed.splitlines() if not line.startswith("Signals of")) <= width


def test_the_headline_says_that_it_is_simulated_and_how_the_market_stands() -> None:
    assert signal_commands.headline(ANSWER) == (
        "Signals of 2024-03-05T00:00:00Z (replay, simulated); the whole crypto market: btc dominant."
    )
    assert signal_commands.headline({**ANSWER, "items": []}) == "No signal yet."


def test_a_refusal_of_the_api_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, {"error": "symbol 'BTX' is not known; did you mean BTC/USDT?"}, status=404)
    assert typed(monkeypatch, "signals", "BTX") == "chloe: symbol 'BTX' is not known; did you mean BTC/USDT?"
