"""The whole forecaster: one slice of 32 assets with seven models each, and the full training of one asset."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from bench.nets import table
from services.contracts.messages import SliceClosed
from services.inference import features, models, settings
from services.inference.forecasting import Forecaster, slices_of
from services.inference.market import Market
from services.inference.parallel import Bench, cores, spread
from services.inference.registry import TrainedModel, digest
from services.inference.series import Candles, Ints
from services.inference.settings import ModelsSettings
from services.inference.training import window_at
from services.inference.walk_forward import Fit, fit_window

ASSETS = 32
HOURS = 17_520
START = datetime(2024, 1, 1, tzinfo=UTC)
NETS = ("lstm", "transformer", "multi_task", "informer")


@dataclass(frozen=True, slots=True)
class Slice:
    """Seconds for the forecasts of one slice: all of it, and the first one after the models were loaded."""

    p50: float
    p99: float
    first: float
    parts: int


def walk(symbol: str, hours: int, seed: int) -> Candles:
    """A geometric random walk of hourly candles: made up, for the time it takes does not depend on the prices."""
    chance = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(chance.normal(0.0, 0.006, hours)))
    open_ = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(open_, close) * (1.0 + np.abs(chance.normal(0.0, 0.002, hours)))
    low = np.minimum(open_, close) * (1.0 - np.abs(chance.normal(0.0, 0.002, hours)))
    ts: Ints = int(START.timestamp()) + 3_600 * np.arange(hours, dtype=np.int64)
    return Candles(symbol, "crypto", ts, open_, high, low, close, chance.lognormal(5.0, 1.0, hours))


def artefacts(configured: ModelsSettings) -> dict[str, bytes]:
    """Fit each model of the full size on noise, the nets without a single step: serving takes as long."""
    made = table(4_000)
    rows = np.arange(200, 3_900)
    y = made.ahead(rows, configured.horizon_bars, features.column("return_1")).sum(axis=1)
    found: dict[str, bytes] = {}
    for name, line in configured.models.items():
        params: Mapping[str, Any] = {**line.params, "epochs": 0} if name in NETS else line.params
        found[name] = models.build(name, params, configured.horizon_bars).fit(made, rows, y, 7)
    return found


def one_slice(turns: int = 100) -> Slice:
    """Time forecasts of one slice after the other, each asset with models of its own, features included."""
    configured = settings.load(preset="full")
    symbols = ["BTC/USDT", "ETH/USDT", *(f"A{i:02}/USDT" for i in range(ASSETS - 2))]
    fitted = artefacts(configured)
    trained = [_row(symbol, name, fitted[name], configured) for symbol in symbols for name in configured.models]
    forecaster = Forecaster(configured, trained)
    held = forecaster.bars_back("crypto") + 1
    candles = {symbol: walk(symbol, held + turns, i) for i, symbol in enumerate(symbols)}
    took: list[float] = []
    parts = 0
    for turn in range(turns):
        market = Market({s: c.between(turn, held + turn) for s, c in candles.items()}, configured.leaders)
        asked: list[SliceClosed] = slices_of(market.candles, [START + timedelta(hours=held + turn)])
        begun = time.perf_counter()
        made, _ = forecaster.forecast(market, asked, {})
        took.append(time.perf_counter() - begun)
        parts = sum(len(forecast.parts) for forecast in made[0].forecasts)
    rest = np.array(took[1:])
    return Slice(float(np.quantile(rest, 0.5)), float(np.quantile(rest, 0.99)), took[0], parts)


def train_one_asset(names: tuple[str, ...]) -> tuple[float, dict[str, float]]:
    """Train the named models of one asset on two years of hours in as many processes as there are processors.

    Returns the seconds it took, and each model's own.
    """
    configured = settings.load(preset="full")
    lines = {name: line for name, line in configured.models.items() if name in names}
    asked = configured.model_copy(update={"models": lines})
    market = Market(
        {"BTC/USDT": walk("BTC/USDT", HOURS + 200, 1), "ETH/USDT": walk("ETH/USDT", HOURS + 200, 2)}, asked.leaders
    )
    bench = Bench(market, asked)
    # The last midnight: everything that is known by then is learnt from.
    end = int(START.timestamp()) + (HOURS + 200) // 24 * 86_400
    window = window_at(bench.rows("BTC/USDT"), end, asked)
    assert window is not None
    # The longest first, so that the others fill the processors beside it.
    order = [
        name for name in ("informer", "transformer", "lstm", "random_forest", "multi_task", *lines) if name in lines
    ]
    jobs = [Fit(name, window) for name in dict.fromkeys(order)]
    begun = time.perf_counter()
    seconds: dict[str, float] = {}
    for outcome, job in zip(spread(fit_window, jobs, bench, cores()), jobs, strict=True):
        assert outcome is not None
        seconds[job.name] = time.perf_counter() - begun
    return time.perf_counter() - begun, seconds


def _row(symbol: str, name: str, artefact: bytes, configured: ModelsSettings) -> TrainedModel:
    sha256 = digest(artefact)
    return TrainedModel(
        model=name,
        version=f"bench-{sha256[:8]}",
        symbol=symbol,
        asset_class="crypto",
        horizon_hours=configured.horizon_hours,
        trained_from=START - timedelta(days=730),
        trained_through=START - timedelta(days=1),
        valid_from=START,
        valid_until=None,
        features_hash=features.features_hash(),
        params={"preset": "full"},
        metrics={},
        artefact=artefact,
        artefact_sha256=sha256,
    )
