"""A replay in which the ladder moves: weeks of the sample on a low ladder, or two years of all coins on the real one.

``CHLOE_LADDER_DATA`` names a folder of hourly candles for the second: gates as declared, tree models; fifteen minutes.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import few_models
import yaml

from services.inference import settings
from services.inference.registry import TrainedModel
from services.inference.settings import MODELS_FILE
from services.inference.walk_forward import walk_forward
from services.ingestion.replay import Recorded
from services.research import ladder_replay
from services.research.backtest import BacktestResult, backtest
from services.research.history import forecasts, market_of, slices
from services.research.parameters import load_parameters

DATA = os.environ.get("CHLOE_LADDER_DATA")
YEARS = DATA is not None
BEGINS = ladder_replay.SINCE if YEARS else datetime(2024, 7, 1, tzinfo=UTC)
UNTIL = ladder_replay.UNTIL if YEARS else datetime(2024, 7, 22, tzinfo=UTC)
SHORT = UNTIL if YEARS else datetime(2024, 7, 12, tzinfo=UTC)
"""For runs that are disturbed; of the sample it holds every change but a restoration."""
KEPT = ladder_replay.TREES if YEARS else "random_walk,lightgbm"
"""Of the sample trained in two seconds: what is forecast does not matter there."""
CHANGES = ("enabled", "observed", "restored") if YEARS else ("enabled", "observed", "disabled", "restored")
"""What has to be seen for a run to show anything."""
MOVING = "SOL/USDT"

Rules = list[dict[str, Any]]

GATE: Rules = [
    {"metric": "trades", "scope": "BTC/USDT", "comparison": ">=", "threshold": 1},
    {"metric": "feed_fresh", "scope": "self", "comparison": ">=", "threshold": 0.95, "window_days": 7},
]
LOSES = {"metric": "profit_factor", "scope": "self", "comparison": "<"}
OBSERVE: Rules = [LOSES | {"threshold": 2.0, "window_days": 10, "min_trades": 1}]
DISABLE: Rules = [LOSES | {"threshold": 0.9, "window_days": 20, "min_trades": 4}]
REQUALIFY: Rules = [{"metric": "trades", "scope": "self", "comparison": ">=", "threshold": 1}]


@dataclass(frozen=True, slots=True)
class Told:
    """The recorded candles, the models that were trained on them, and the back-test's result."""

    recorded: Recorded
    trained: tuple[TrainedModel, ...]
    expected: BacktestResult


@cache
def config() -> Path:
    """Write the configuration once a session."""
    parent = Path(tempfile.mkdtemp(prefix="chloe-ladder-"))
    atexit.register(shutil.rmtree, parent, ignore_errors=True)
    if YEARS:
        shutil.copytree(few_models.ROOT / "config", parent / "config")
        _change(parent / "config" / MODELS_FILE, _fewer)
        return parent / "config"
    folder = few_models.write_config(parent / "config")
    _change(folder / MODELS_FILE, _fewer)
    _change(folder / "rollout.yaml", lambda rollout: rollout["assets"].update({MOVING: GATE}))
    _change(folder / "phases.yaml", _lower)
    _change(folder / "assets_config.yaml", lambda assets: assets["assets"][MOVING].update(role="standard"))
    return folder


@cache
def told(until: datetime = UNTIL) -> Told:
    """Read, train and back-test once a session."""
    if DATA is None:
        recorded = few_models.short_replay(BEGINS, until)
    else:
        recorded = ladder_replay.recorded_crypto(Path(DATA), BEGINS, until)
    configured = settings.load(config(), replay=True)
    since = ladder_replay.earliest(recorded, configured)
    trained = tuple(walk_forward(market_of(recorded.series, configured), configured, since=since))
    return Told(recorded, trained, backtested(recorded, trained))


def backtested(recorded: Recorded, trained: Sequence[TrainedModel]) -> BacktestResult:
    """Run the back-test anew."""
    configured, parameters = settings.load(config(), replay=True), load_parameters(config())
    closed = slices(recorded.series, recorded.span)
    made = forecasts(recorded.series, closed, configured, trained)
    sources = {name: "replay" in one.sources for name, one in parameters.assets.classes.items()}
    return backtest(zip(closed, made, strict=True), parameters, sources)


def _change(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def _fewer(models: dict[str, Any]) -> None:
    models["replay_preset"] = ladder_replay.PRESET if YEARS else models["replay_preset"]
    preset = models["presets"][models["replay_preset"]]
    preset["models"] = {name: preset["models"][name] for name in KEPT.split(",")}


def _lower(phases: dict[str, Any]) -> None:
    floors = {"observe": OBSERVE, "disable": DISABLE}
    phases["demotion"].update(assets=floors, requalify=REQUALIFY, days_in_a_row=1, cool_down_days=3)
