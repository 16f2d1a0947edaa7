"""``chloe ablate`` as it is typed, on a short made-up history."""

import json
import sys
from pathlib import Path

import pytest
from quick_folder import change, quick_folder

from services.cli import main
from services.research.ablation import PARTS

HOURS = 64 * 24


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose configuration explores much."""
    quick_folder(tmp_path, monkeypatch, days=HOURS // 24, retrain_days=20)
    change(tmp_path, "signals.yaml", paper_exploration={"min_confidence": 0.5})
    return tmp_path


def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command prints."""
    monkeypatch.setattr(sys, "argv", ["chloe", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    if ended.value.code not in {0, None}:
        raise AssertionError(str(ended.value.code))
    return capsys.readouterr().out


def test_ablate_measures_every_part_against_the_same_back_test(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = json.loads(typed(monkeypatch, capsys, "ablate", "--from", "candles", "--json"))
    whole = json.loads(typed(monkeypatch, capsys, "backtest", "--from", "candles", "--json"))
    parts = {one["part"]: one for one in found["parts"]}
    assert list(parts) == list(PARTS)
    assert found["simulated"] is True
    assert found["slices"] == whole["slices"] == HOURS
    assert found["everything"]["trades"] == whole["trades"]
    assert found["everything"]["profit_factor"] == pytest.approx(whole["profit_factor"])
    for part in ("dominance", "sentiment"):
        assert parts[part]["difference"]["verdict"] == "not exercised"
        assert parts[part]["remark"] == f"the recording holds no {part}"
        assert parts[part]["without"] == found["everything"]
    levels = parts["levels"]
    assert levels["without"]["trades"] > found["everything"]["trades"], "levels let fewer entries pass"
    assert levels["difference"]["verdict"] in {"helps", "harms", "unproven"}
    assert levels["difference"]["bps_per_day"]["low"] < levels["difference"]["bps_per_day"]["high"]


def test_ablate_prints_a_table_a_verdict_and_that_all_is_simulated(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = typed(monkeypatch, capsys, "ablate", "--from", "candles", "--until", "2024-02-10")
    assert "What each part is worth: simulated, after costs" in said
    assert all(f"no {part} " in said for part in PARTS)
    assert "not exercised: the recording holds no sentiment" in said
    assert "These are simulated results" in said


def test_ablate_without_candles_says_so_in_one_line(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "empty").mkdir()
    with pytest.raises(AssertionError, match="chloe: empty"):
        typed(monkeypatch, capsys, "ablate", "--from", "empty")
