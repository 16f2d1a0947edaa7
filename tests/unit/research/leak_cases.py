"""What the tests of the leak firewall share: pipelines, and hours of the committed sample."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from services.inference import settings as inference_settings
from services.inference.series import Candles
from services.ingestion.files import read_folder
from services.research.leaks import synthetic
from services.research.leaks.detectors import Case
from services.research.leaks.pipeline import FEW, Pipeline, quick_settings
from services.research.leaks.world import World
from services.research.parameters import load_parameters
from services.signals.decide import SignalParams

SAMPLE = Path(__file__).parents[3] / "sample"


@cache
def signals() -> SignalParams:
    """The configured signals."""
    return load_parameters().signals


def clean(models: Sequence[str] = FEW) -> Pipeline:
    """The platform's own pipeline with quick models."""
    return Pipeline(quick_settings(models), signals())


def clean_case(seed: int, models: Sequence[str] = FEW) -> Case:
    """The clean pipeline in a made-up world."""
    return Case(clean(models), synthetic.world(seed), seed, synthetic.noise(seed))


@cache
def sample() -> dict[str, Candles]:
    """The committed sample, all of it."""
    given = load_parameters()
    classes = {symbol: asset.asset_class for symbol, asset in given.assets.assets.items()}
    found = read_folder(SAMPLE, "1h", given.assets.resolve, classes, datetime(2030, 1, 1, tzinfo=UTC))
    names = ("ts", "open", "high", "low", "close", "volume")
    return {
        one.symbol: Candles(one.symbol, one.asset_class, *(getattr(one.candles, name) for name in names))
        for one in found.series
    }


def whole_sample() -> World:
    """Every recorded hour of Bitcoin, with what leads it."""
    return World("recorded: the sample", ("BTC/USDT",), sample(), inference_settings.load().leaders)
