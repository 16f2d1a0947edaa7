"""The decision path alone: signals, risk, execution and phases over the sample year, forecasts given."""

import time
from pathlib import Path

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.inference import settings as inference_settings
from services.ingestion.replay import read
from services.kernel.config import load
from services.research.backtest import backtest
from services.research.history import forecasts, slices
from services.research.parameters import load_parameters

SAMPLE = Path(__file__).parents[2] / "sample"


def measure() -> tuple[int, float]:
    """Return the number of slices and the best of three runs in seconds."""
    parameters = load_parameters()
    recorded = read(SAMPLE, load(AssetsConfig, ASSETS_FILE), None, None)
    closed = slices(recorded.series, recorded.span)
    history = list(zip(closed, forecasts(recorded.series, closed, inference_settings.load(replay=True)), strict=True))
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        backtest(history, parameters, {"crypto": True})
        best = min(best, time.perf_counter() - begun)
    return len(closed), best
