"""A folder as a person would have it: made-up candles of two assets, and models that train in seconds."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

CONFIG = Path(__file__).parents[1] / "config"
START = datetime(2024, 1, 1, tzinfo=UTC)
SYMBOLS = ("BTC-USDT", "ETH-USDT")
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


def quick_folder(place: Path, monkeypatch: pytest.MonkeyPatch, *, days: int, retrain_days: int) -> Path:
    """Fill ``place`` with ``config`` and ``candles``, and make it the current folder and configuration."""
    shutil.copytree(CONFIG, place / "config")
    quick = {
        "says": "a quick model on a few days",
        "walk_forward": {"min_train_days": 8, "max_train_days": 20, "retrain_days": retrain_days},
        "models": {"random_walk": {"counts": False}, "lightgbm": {"params": LIGHTGBM}},
    }
    change(place, "models.yaml", preset="quick", replay_preset="quick", presets={"quick": quick})
    (place / "candles").mkdir()
    for seed, name in enumerate(SYMBOLS):
        write_candles(place / "candles" / f"{name}_1h.parquet", seed, days * 24)
    monkeypatch.setenv("CHLOE_CONFIG_DIR", str(place / "config"))
    monkeypatch.chdir(place)
    return place


def change(place: Path, file: str, **changes: Any) -> None:
    """Replace keys of a configuration file."""
    path = place / "config" / file
    content = yaml.safe_load(path.read_text(encoding="utf-8")) | changes
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def write_candles(path: Path, seed: int, hours: int) -> None:
    """Write a random walk."""
    chance = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(chance.normal(0.0, 0.006, hours)))
    open_ = np.concatenate(([100.0], close[:-1]))
    spread = 1.0 + np.abs(chance.normal(0.0, 0.002, hours))
    pl.DataFrame(
        {
            "ts": [START + timedelta(hours=i) for i in range(hours)],
            "open": open_,
            "high": np.maximum(open_, close) * spread,
            "low": np.minimum(open_, close) / spread,
            "close": close,
            "volume": chance.uniform(1e4, 1e5, hours),
        }
    ).write_parquet(path)
