"""A short replay and a configuration with few models, for tests that need models and not each of them.

They train in seconds, and more of their forecasts are traded than the shipped configuration would trade.
"""

import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import yaml

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.domain.candles import epoch
from services.domain.regimes import REGIMES
from services.inference.settings import MODELS_FILE
from services.ingestion.files import CandleFile
from services.ingestion.replay import Recorded, read
from services.kernel.config import load

ROOT = Path(__file__).parents[1]
KEPT = ("random_walk", "lightgbm", "lstm")
"""One model that needs no training, one of trees and one net: the ensemble weighs parts of every kind."""
EPOCHS = 2
EAGER = 0.8
"""From this confidence on a forecast is traded, so that a few days hold trades enough to compare."""
HISTORY = timedelta(days=110)
"""What the first models learn from; shorter than the sample's."""


def write_config(folder: Path) -> Path:
    """Copy the shipped configuration into a new folder, with few models in the replay's preset."""
    shutil.copytree(ROOT / "config", folder)
    models = yaml.safe_load((folder / MODELS_FILE).read_text(encoding="utf-8"))
    preset = models["presets"][models["replay_preset"]]
    preset["models"] = {name: preset["models"][name] for name in KEPT}
    preset["models"]["lstm"]["params"]["epochs"] = EPOCHS
    (folder / MODELS_FILE).write_text(yaml.safe_dump(models), encoding="utf-8")
    signals = yaml.safe_load((folder / "signals.yaml").read_text(encoding="utf-8"))
    signals["paper_exploration"]["min_confidence"] = EAGER
    (folder / "signals.yaml").write_text(yaml.safe_dump(signals), encoding="utf-8")
    assets = yaml.safe_load((folder / ASSETS_FILE).read_text(encoding="utf-8"))
    for asset in assets["assets"].values():
        if "profile" in asset:
            # Asked as ever, but some days of any regime hold entries.
            asset["profile"] = {"cells": {regime: list(range(10)) for regime in REGIMES}}
    (folder / ASSETS_FILE).write_text(yaml.safe_dump(assets), encoding="utf-8")
    return folder


def short_replay(begins: datetime, until: datetime) -> Recorded:
    """Read a part of the sample, with no more history than the first models need."""
    whole = read(ROOT / "sample", load(AssetsConfig, ASSETS_FILE), begins, until)
    return replace(whole, series=tuple(_cut(one, begins - HISTORY, until) for one in whole.series))


def _cut(one: CandleFile, begins: datetime, until: datetime) -> CandleFile:
    candles = one.candles.take((one.candles.ts >= epoch(begins)) & (one.candles.ts < epoch(until)))
    assert np.all(np.diff(candles.ts) == 3600), f"{one.symbol}: the sample has a hole where this replay lies"
    return replace(one, candles=candles)
