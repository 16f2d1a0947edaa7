"""``chloe models`` lists, and ``chloe models rollback`` asks the API; what they print is what was answered."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from services import forecast_commands
from services.cli import main

ANSWER = {
    "symbol": "BTC/USDT",
    "model": "lightgbm",
    "withdrawn": "v2",
    "in_use": "v1",
    "by": "operate",
    "note": "drifts",
}
ROW: dict[str, Any] = {
    "symbol": "BTC/USDT",
    "model": "lightgbm",
    "version": "v2",
    "standing": "in use",
    "note": "not worse: RMSE 1.70 % against 1.71 %",
    "versions": 3,
    "refused": 1,
    "withdrawn": 0,
    "out_of_sample": {"n": 613, "rmse": 0.0254, "rmse_random_walk": 0.0253, "ratio": 1.0039},
    "blend": None,
}


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> object:
    """Type a command; return its exit code, or the line that it ended with."""
    monkeypatch.setattr(sys, "argv", ["chloe", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def answering(monkeypatch: pytest.MonkeyPatch, status: int, content: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """Answer every request alike; return the list in which they are noted."""
    asked: list[tuple[str, str, Any]] = []

    def request(method: str, url: str, **more: Any) -> httpx.Response:
        asked.append((method, url, more["json"]))
        assert more["headers"] == {"Authorization": "Bearer t0ken"}
        return httpx.Response(status, json=content)

    monkeypatch.setattr(httpx, "request", request)
    return asked


def test_models_without_a_word_more_lists_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert typed(monkeypatch, "models", "--json", "--data", str(tmp_path)) in {0, None}
    content = json.loads(capsys.readouterr().out)
    assert {one["model"] for one in content["configured"]} >= {"random_walk", "informer"}
    assert content["registered"] == []


def test_rollback_posts_to_the_api_and_says_what_is_in_use_now(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = answering(monkeypatch, 200, ANSWER)
    words = ("BTC/USDT", "lightgbm", "--note", "drifts", "--token", "t0ken", "--url", "http://api")
    assert typed(monkeypatch, "models", "rollback", *words) in {0, None}
    assert asked == [("POST", "http://api/models/BTC/USDT/lightgbm/rollback", {"note": "drifts"})]
    assert capsys.readouterr().out == "lightgbm of BTC/USDT: v2 withdrawn; v1 is in use now\n"


def test_rollback_says_where_none_is_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answering(monkeypatch, 200, {**ANSWER, "in_use": None})
    typed(monkeypatch, "models", "rollback", "btcusdt", "lightgbm", "--token", "t0ken")
    assert "none is in use now, the ensemble does without it" in capsys.readouterr().out


def test_a_refused_rollback_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, 404, {"error": "no model 'a/b?' of BTC/USDT is registered; GET /models lists them"})
    code = typed(monkeypatch, "models", "rollback", "BTC-USDT", "a/b?", "--token", "t0ken", "--url", "http://api")
    assert code == "chloe: no model 'a/b?' of BTC/USDT is registered; GET /models lists them"
    assert asked[0][1] == "http://api/models/BTC-USDT/a%2Fb%3F/rollback"


def test_registered_models_show_standing_errors_and_the_ensembles_weights(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    spans = dict.fromkeys(("trained_from", "trained_through"), datetime(2024, 1, 1, tzinfo=UTC))
    blend = {"weights": {"lstm": 0.4, "lightgbm": 0.6}, "slope": 0.31, "independent": 40.0, "p_up_calibrated": True}
    rows = [
        {**ROW, **spans},
        {**ROW, **spans, "model": "ensemble", "note": "", "blend": blend, "out_of_sample": None},
    ]
    monkeypatch.setattr(forecast_commands, "_registered", lambda _: rows)
    monkeypatch.setenv("COLUMNS", "140")
    typed(monkeypatch, "models", "--data", str(tmp_path))
    shown = capsys.readouterr().out
    model = next(line for line in shown.splitlines() if line.startswith("BTC/USDT lightgbm"))
    for word in ("v2", "in use", "3, 1 refused", "613", "2.54%", "2.53%", "1.0039"):
        assert word in model
    ensemble = next(line for line in shown.splitlines() if "0.31" in line)
    assert "lightgbm 60%, lstm 40%" in ensemble
    assert "calibrated" in ensemble
    assert "BTC/USDT lightgbm v2 in use: not worse: RMSE 1.70 % against 1.71 %" in shown
