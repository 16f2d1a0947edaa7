"""Returns, trend and momentum of the asset's own candles."""

from collections.abc import Callable

import numpy as np

from services.inference import rolling
from services.inference.features.frame import Bars
from services.inference.features.spec import FeatureSpec
from services.inference.rolling import lag, ratio
from services.inference.series import Floats

EMA_BARS = 128
"""Bars in a truncated exponential average; the weight left out for a period of 26 is 5e-5."""

SIGNAL_BARS = 32
"""Bars in the truncated average of the MACD line; the weight left out for a period of 9 is 8e-4."""

WILDER_BARS = 64
"""Bars in a truncated Wilder average; the weight left out for a period of 14 is 0.9 %."""


def own(name: str, formula: str, bars: int, unit: str, of: Callable[[Bars], Floats]) -> FeatureSpec:
    """Declare a feature of the asset's own candles."""
    return FeatureSpec(name, formula, "own candles", bars, unit, lambda frame: of(frame.bars))


def _log_return(bars: int) -> FeatureSpec:
    formula = f"ln(close[t] / close[t-{bars}])"
    return own(f"return_{bars}", formula, bars + 1, "log return", lambda b: b.back(bars))


def _sma_distance(bars: int) -> FeatureSpec:
    return own(
        f"sma_distance_{bars}",
        f"ln(close / mean(close over {bars} bars))",
        bars,
        "log return",
        lambda b: np.log(b.close / b.closes.mean(bars)),
    )


def _place(b: Bars, bars: int) -> Floats:
    """%K: where the close lies between the lowest low and the highest high."""
    bottom = b.lows.of(bars)
    return ratio(b.close - bottom, b.highs.of(bars) - bottom, 0.5)


def _channel(bars: int) -> FeatureSpec:
    formula = f"(close - lowest low) / (highest high - lowest low) over {bars} bars; 0.5 when flat"
    return own(f"channel_{bars}", formula, bars, "share", lambda b: _place(b, bars))


def _rsi(b: Bars) -> Floats:
    rise = rolling.total(np.maximum(b.step, 0.0), 14)
    fall = rolling.total(np.maximum(-b.step, 0.0), 14)
    return ratio(rise, rise + fall, 0.5)


def _macd_line(b: Bars) -> Floats:
    return rolling.exponential_mean(b.close, 12, EMA_BARS) - rolling.exponential_mean(b.close, 26, EMA_BARS)


def _macd_histogram(b: Bars) -> Floats:
    difference = _macd_line(b)
    return (difference - rolling.exponential_mean(difference, 9, SIGNAL_BARS)) / b.close


def _bollinger(b: Bars) -> Floats:
    return ratio(b.close - b.closes.mean(20), 2.0 * rolling.deviation(b.close, 20))


def _keltner(b: Bars) -> Floats:
    return ratio(b.close - rolling.exponential_mean(b.close, 20, EMA_BARS), 2.0 * b.true_ranges.mean(10))


def _commodity_channel(b: Bars) -> Floats:
    price = b.typical
    centre = rolling.mean(price, 20)
    apart = np.abs(price - centre)
    for age in range(1, 20):
        apart = apart + np.abs(lag(price, age) - centre)
    apart = apart / 20.0
    # Prices that are all the same are a rounding error away from their mean.
    return np.where(apart <= 1e-12 * centre, 0.0, (price - centre) / (0.015 * apart))


def _directional(b: Bars) -> Floats:
    up, down = b.high - lag(b.high, 1), lag(b.low, 1) - b.low
    rise = rolling.wilder_mean(np.where((up > down) & (up > 0.0), up, 0.0 * up), 14, WILDER_BARS)
    fall = rolling.wilder_mean(np.where((down > up) & (down > 0.0), down, 0.0 * down), 14, WILDER_BARS)
    return ratio(rise - fall, rise + fall)


def _aroon(b: Bars) -> Floats:
    return (rolling.since_highest(-b.low, 26) - rolling.since_highest(b.high, 26)) / 25.0


def _breakout_age(b: Bars) -> Floats:
    return np.minimum(rolling.since_highest(-b.low, 168), rolling.since_highest(b.high, 168)) / 167.0


def _ulcer(b: Bars) -> Floats:
    below = b.log_close - b.high_closes.of(72)
    return np.sqrt(rolling.mean(below * below, 72))


FEATURES: tuple[FeatureSpec, ...] = (
    *(_log_return(bars) for bars in (1, 2, 3, 6, 12, 24, 48, 72, 168)),
    *(_sma_distance(bars) for bars in (24, 72, 168)),
    own("rsi_14", "rises / (rises + falls) of step over 14 bars (Cutler's RSI); 0.5 when flat", 15, "share", _rsi),
    own(
        "macd_12_26",
        f"(EMA12 - EMA26) / close (Appel's PPO), each over {EMA_BARS} bars",
        EMA_BARS,
        "share of price",
        lambda b: _macd_line(b) / b.close,
    ),
    own(
        "macd_histogram_9",
        f"(MACD - its EMA9 over {SIGNAL_BARS} bars) / close, MACD = EMA12 - EMA26 (Appel)",
        EMA_BARS + SIGNAL_BARS - 1,
        "share of price",
        _macd_histogram,
    ),
    own(
        "bollinger_20", "(close - mean) / (2 deviations) over 20 bars (Bollinger); 0 when flat", 20, "bands", _bollinger
    ),
    own(
        "keltner_20",
        f"(close - EMA20 over {EMA_BARS} bars) / (2 means of the true range over 10) (Keltner, Raschke); 0 when flat",
        EMA_BARS,
        "bands",
        _keltner,
    ),
    _channel(24),
    _channel(168),
    own(
        "stochastic_14",
        "mean over 3 bars of %K over 14 (Lane's slow %K; less one it is Williams' %R); 0.5 when flat",
        16,
        "share",
        lambda b: rolling.mean(_place(b, 14), 3),
    ),
    own(
        "cci_20",
        "(p - mean(p)) / (0.015 mean(|p - mean(p)|)) over 20 bars, p = (high + low + close) / 3 (Lambert); 0 when flat",
        20,
        "none",
        _commodity_channel,
    ),
    own(
        "dmi_14",
        f"(+DI - -DI) / (+DI + -DI) of 14 bars (Wilder), averages over {WILDER_BARS} bars; 0 when flat",
        WILDER_BARS + 1,
        "share",
        _directional,
    ),
    own(
        "adx_14",
        f"Wilder's average of |dmi_14| over {WILDER_BARS} bars: ADX / 100",
        2 * WILDER_BARS,
        "share",
        lambda b: rolling.wilder_mean(np.abs(_directional(b)), 14, WILDER_BARS),
    ),
    own(
        "aroon_25",
        "(bars since the lowest low - bars since the highest high) / 25 over 26 bars (Chande)",
        26,
        "share",
        _aroon,
    ),
    own(
        "breakout_age_168",
        "bars since the newer of highest high and lowest low of 168 bars (Donchian's channel) / 167",
        168,
        "share",
        _breakout_age,
    ),
    own(
        "efficiency_24",
        "ln(close[t] / close[t-24]) / sum(|step|) over 24 bars (Kaufman's ratio, signed); 0 when flat",
        25,
        "share",
        lambda b: ratio(b.back(24), b.moves.of(24)),
    ),
    own(
        "drawdown_168",
        "ln(close / highest close over 168 bars)",
        168,
        "log return",
        lambda b: b.log_close - b.high_closes.of(168),
    ),
    own(
        "ulcer_72",
        "sqrt(mean over 72 bars of ln(close / highest close over 72)^2) (Martin's ulcer index)",
        143,
        "log return",
        _ulcer,
    ),
)
