"""Made-up candles and quick settings for the tests of inference."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from services.inference.market import Market
from services.inference.series import BAR_SECONDS, Candles, Ints
from services.inference.settings import ModelsSettings

LEADERS = {"crypto": ("BTC/USDT", "ETH/USDT")}

START = 1_704_067_200
"""2024-01-01 00:00 UTC, in epoch seconds."""

QUICK_TREES: dict[str, Any] = {
    "rounds": 4,
    "learning_rate": 0.1,
    "leaves": 4,
    "rows_per_leaf": 10,
    "feature_share": 0.5,
    "row_share": 0.7,
    "l2": 1.0,
    "bins": 31,
    "holdout_share": 0.25,
    "clip": 4.0,
}


def quick_settings(models: Mapping[str, Any] | None = None, **walk_forward: int) -> ModelsSettings:
    """Settings whose models train in milliseconds on a few days."""
    walk = {"min_train_days": 3, "max_train_days": 6, "retrain_days": 2, **walk_forward}
    lines = models or {"random_walk": {"counts": False}, "lightgbm": {"params": QUICK_TREES}}
    return ModelsSettings.model_validate(
        {
            "timeframe": "1h",
            "horizon_bars": 12,
            "seed": 3,
            "leaders": LEADERS,
            "walk_forward": walk,
            "confidence": {"history": 40, "at_least": 10},
            "ensemble": {
                "interval": 0.8,
                "history_days": 30,
                "min_days": 4,
                "prior_slope": 0.5,
                "prior_spread": 0.3,
                "equal_share": 0.5,
                "interval_history_days": 6,
                "interval_every_days": 1,
            },
            "retraining": {"at_hour": 2, "every_days": 1, "holdout_days": 2, "tolerance": 0.0},
            "preset": "quick",
            "says": "quick models on a few days",
            "models": lines,
        }
    )


def market(candles: Mapping[str, Candles]) -> Market:
    """The candles with Bitcoin and Ether leading."""
    return Market(candles, LEADERS)


def walk(n: int, seed: int = 1, symbol: str = "BTC/USDT", start: int = START) -> Candles:
    """A geometric random walk of hourly candles."""
    chance = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(chance.normal(0.0, 0.01, n)))
    open_ = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(open_, close) * (1.0 + np.abs(chance.normal(0.0, 0.003, n)))
    low = np.minimum(open_, close) * (1.0 - np.abs(chance.normal(0.0, 0.003, n)))
    ts: Ints = start + BAR_SECONDS * np.arange(n, dtype=np.int64)
    return Candles(symbol, "crypto", ts, open_, high, low, close, chance.lognormal(5.0, 1.0, n))


def without(candles: Candles, rows: Ints) -> Candles:
    """The same candles with some rows missing."""
    kept: dict[str, Any] = {name: np.delete(column, rows) for name, column in _by_name(candles).items()}
    return replace(candles, **kept)


def scaled(candles: Candles, after: int, factor: float) -> Candles:
    """The same candles with other prices and volumes from row ``after`` on."""
    changed: dict[str, Any] = {}
    for name, column in _by_name(candles).items():
        if name != "ts":
            changed[name] = column.astype(np.float64)
            changed[name][after:] *= factor
    return replace(candles, **changed)


def _by_name(candles: Candles) -> dict[str, Any]:
    return dict(zip(("ts", "open", "high", "low", "close", "volume"), columns(candles), strict=True))


def columns(candles: Candles) -> tuple[Any, ...]:
    """ts, open, high, low, close, volume."""
    return candles.ts, candles.open, candles.high, candles.low, candles.close, candles.volume
