"""The features' speed: two years of one asset, beside the same indicators from ``ta``, and the newest bar of 32 assets.

The candles are made up (a random walk with all that a context can hold): the point is the load. Like is compared with
like: ``INDICATORS`` names the columns that both can compute, and both are timed on those alone; ``ta``'s objects get
the periods of ours. Every figure is the best of several runs, on one thread.
"""

import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.inference import features
from services.inference.context import Context, Observed
from services.inference.features.frame import Bars, Frame, Moments
from services.inference.series import BAR_SECONDS, Candles, Floats, Ints

HOURS = 17_500
ASSETS = 32
START = 1_672_531_200
COUNT = len(features.FEATURES)


def _change(bars: int) -> Callable[[Any], object]:
    return lambda b: b.ta.momentum.ROCIndicator(b.close, bars).roc()


def _average(bars: int) -> Callable[[Any], object]:
    return lambda b: b.ta.trend.SMAIndicator(b.close, bars).sma_indicator()


def _channel(bars: int) -> Callable[[Any], object]:
    return lambda b: b.ta.volatility.DonchianChannel(b.high, b.low, b.close, bars).donchian_channel_pband()


INDICATORS: dict[str, Callable[[Any], object]] = {
    **{f"return_{bars}": _change(bars) for bars in (1, 2, 3, 6, 12, 24, 48, 72, 168)},
    **{f"sma_distance_{bars}": _average(bars) for bars in (24, 72, 168)},
    **{f"channel_{bars}": _channel(bars) for bars in (24, 168)},
    "rsi_14": lambda b: b.ta.momentum.RSIIndicator(b.close, 14).rsi(),
    "macd_12_26": lambda b: b.ta.trend.MACD(b.close, 26, 12, 9).macd(),
    "macd_histogram_9": lambda b: b.ta.trend.MACD(b.close, 26, 12, 9).macd_diff(),
    "bollinger_20": lambda b: b.ta.volatility.BollingerBands(b.close, 20, 2).bollinger_pband(),
    "keltner_20": lambda b: b.ta.volatility.KeltnerChannel(
        b.high, b.low, b.close, 20, 10, original_version=False
    ).keltner_channel_pband(),
    "stochastic_14": lambda b: b.ta.momentum.StochasticOscillator(b.high, b.low, b.close, 14, 3).stoch_signal(),
    "cci_20": lambda b: b.ta.trend.CCIIndicator(b.high, b.low, b.close, 20).cci(),
    "adx_14": lambda b: b.ta.trend.ADXIndicator(b.high, b.low, b.close, 14).adx(),
    "aroon_25": lambda b: b.ta.trend.AroonIndicator(b.high, b.low, 25).aroon_indicator(),
    "true_range_14": lambda b: b.ta.volatility.AverageTrueRange(b.high, b.low, b.close, 14).average_true_range(),
    "ulcer_72": lambda b: b.ta.volatility.UlcerIndex(b.close, 72).ulcer_index(),
    "mfi_14": lambda b: b.ta.volume.MFIIndicator(b.high, b.low, b.close, b.volume, 14).money_flow_index(),
    "cmf_20": lambda b: b.ta.volume.ChaikinMoneyFlowIndicator(
        b.high, b.low, b.close, b.volume, 20
    ).chaikin_money_flow(),
    "obv_slope_24": lambda b: b.ta.volume.OnBalanceVolumeIndicator(b.close, b.volume).on_balance_volume(),
    "vwap_distance_24": lambda b: b.ta.volume.VolumeWeightedAveragePrice(
        b.high, b.low, b.close, b.volume, 24
    ).volume_weighted_average_price(),
}
"""By our column: the call of ``ta`` that gives it, or the series that it is one step from."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds: all features, those of them that ``ta`` has, ``ta`` on the same, and one step of all assets."""

    all: float
    shared: float
    ta: float
    one_step: float
    median: float
    """How many times faster ours is at the middle one of those indicators, each computed alone."""


def measure() -> Speed:
    """Time all of it in this process."""
    candles = _walk(HOURS, 1)
    context = Context((_walk(HOURS, 2), _walk(HOURS, 3)), _values(candles))
    frame = _Pandas(candles)
    leaders = tuple(_walk(features.WINDOW, seed) for seed in (100, 101))
    batch = []
    for seed in range(ASSETS):
        one = _walk(features.WINDOW, seed)
        batch.append((one, Context(leaders, _values(one))))
    return Speed(
        all=_best(lambda: features.compute(candles, context), 7),
        shared=_best(lambda: _ours(candles, *INDICATORS), 7),
        ta=_best(lambda: [indicator(frame) for indicator in INDICATORS.values()], 3),
        one_step=_best(lambda: features.newest(batch), 15),
        median=statistics.median(_alone(candles, frame, name) for name in INDICATORS),
    )


def _alone(candles: Candles, frame: "_Pandas", name: str) -> float:
    return _best(lambda: INDICATORS[name](frame), 3) / _best(lambda: _ours(candles, name), 3)


def _ours(candles: Candles, *names: str) -> Floats:
    """Compute some of the columns from the candles alone, (len(names), n)."""
    with np.errstate(all="ignore"):
        frame = Frame(_bars(candles), (None, None), Moments(candles.close_ts[None], [Context()]))
        values = np.empty((len(names), len(candles.ts)))
        for i, name in enumerate(names):
            values[i] = features.FEATURES[features.column(name)].of(frame)
    return values


class _Pandas:
    """The candles as ``ta`` takes them."""

    def __init__(self, candles: Candles) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pandas as pd
            import ta

        self.ta = ta
        self.high, self.low, self.close, self.volume = (
            pd.Series(getattr(candles, name)) for name in ("high", "low", "close", "volume")
        )


def _best(run: Callable[[], object], times: int) -> float:
    took = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run()
        for _ in range(times):
            begun = time.perf_counter()
            run()
            took.append(time.perf_counter() - begun)
    return min(took)


def _walk(hours: int, seed: int) -> Candles:
    chance = np.random.default_rng(seed)
    close: Floats = 100.0 * np.exp(np.cumsum(chance.normal(0.0, 0.006, hours)))
    open_ = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(open_, close) * (1.0 + np.abs(chance.normal(0.0, 0.002, hours)))
    low = np.minimum(open_, close) * (1.0 - np.abs(chance.normal(0.0, 0.002, hours)))
    ts: Ints = START + BAR_SECONDS * np.arange(hours, dtype=np.int64)
    return Candles("MADE/USDT", "crypto", ts, open_, high, low, close, chance.lognormal(5.0, 1.0, hours))


def _values(candles: Candles) -> dict[str, Observed]:
    since = int(candles.ts[0]) - features.CONTEXT_SECONDS
    available: Ints = np.arange(since, int(candles.close_ts[-1]), BAR_SECONDS, dtype=np.int64)
    return {reading.name: Observed(available, np.full(len(available), 20.0)) for reading in features.READINGS}


def _bars(candles: Candles) -> Bars:
    return Bars(*(getattr(candles, name)[None] for name in ("open", "high", "low", "close", "volume")))
