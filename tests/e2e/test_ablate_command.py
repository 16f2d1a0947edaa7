"""``chloe ablate`` as it is typed, on a short made-up history."""

import json
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from services.cli import main
from services.research.ablation import PARTS

CONFIG = Path(__file__).parents[2] / "config"
START = datetime(2024, 1, 1, tzinfo=UTC)
HOURS = 64 * 24
LIGHTGBM = {
    "rounds": 4,
    "learning_rate": 0.1,
    "leaves": 4,
    "rows_per_leaf": 10,
    "feature_share": 0.5,
    "row_share": 0.5,
    "l2": 1.0,
    "bins": 31,
    "holdout_share": 0.2,
    "clip": 4.0,
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with made-up candles of two assets, and a configuration that trains quickly and explores much."""
    shutil.copytree(CONFIG, tmp_path / "config")
    change(tmp_path, "models.yaml", preset="quick", replay_preset="quick")
    change(
        tmp_path,
        "models.yaml",
        presets={
            "quick": {
                "says": "a quick model on a few days",
                "walk_forward": {"min_train_days": 8, "max_train_days": 20, "retrain_days": 20},
                "models": {"random_walk": {"counts": False}, "lightgbm": {"params": LIGHTGBM}},
            }
        },
    )
    change(tmp_path, "signals.yaml", paper_exploration={"min_confidence": 0.5})
    (tmp_path / "candles").mkdir()
    for seed, name in enumerate(("BTC-USDT_1h", "ETH-USDT_1h")):
        write_candles(tmp_path / "candles" / f"{name}.parquet", seed)
    monkeypatch.setenv("CHLOE_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def change(place: Path, file: str, **changes: Any) -> None:
    path = place / "config" / file
    content = yaml.safe_load(path.read_text(encoding="utf-8")) | changes
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def write_candles(path: Path, seed: int) -> None:
    chance = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(chance.normal(0.0, 0.006, HOURS)))
    open_ = np.concatenate(([100.0], close[:-1]))
    spread = 1.0 + np.abs(chance.normal(0.0, 0.002, HOURS))
    pl.DataFrame(
        {
            "ts": [START + timedelta(hours=i) for i in range(HOURS)],
            "open": open_,
            "high": np.maximum(open_, close) * spread,
            "low": np.minimum(open_, close) / spread,
            "close": close,
            "volume": chance.uniform(1e4, 1e5, HOURS),
        }
    ).write_parquet(path)


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
