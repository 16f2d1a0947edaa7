"""How much the price moves, how it spreads its moves, and how that changes."""

import math

import numpy as np

from services.inference import rolling
from services.inference.features.frame import Bars
from services.inference.features.spec import FeatureSpec
from services.inference.features.trend import own
from services.inference.rolling import lag, log_ratio, ratio
from services.inference.series import Floats

PER_BAR = "log return per sqrt(bar)"


def _volatility(bars: int) -> FeatureSpec:
    formula = f"sqrt(mean over {bars} bars of step^2), step = ln(close[t] / close[t-1])"
    return own(f"volatility_{bars}", formula, bars + 1, PER_BAR, lambda b: b.volatility(bars))


def _parkinson(b: Bars) -> Floats:
    return np.sqrt(rolling.mean(b.log_range * b.log_range, 24) / (4.0 * math.log(2.0)))


def _garman_klass(b: Bars) -> Floats:
    body = b.log_close - b.log_open
    variance = 0.5 * b.log_range * b.log_range - (2.0 * math.log(2.0) - 1.0) * body * body
    return np.sqrt(np.maximum(rolling.mean(variance, 24), 0.0))


def _rogers_satchell_variance(b: Bars) -> Floats:
    up, down = b.log_high - b.log_open, b.log_low - b.log_open
    body = b.log_close - b.log_open
    return rolling.mean(up * (up - body) + down * (down - body), 24)


def _rogers_satchell(b: Bars) -> Floats:
    return np.sqrt(np.maximum(_rogers_satchell_variance(b), 0.0))


def _yang_zhang(b: Bars) -> Floats:
    jump, body = b.log_open - lag(b.log_close, 1), b.log_close - b.log_open
    of_jumps = rolling.variance(rolling.mean(jump, 24), rolling.mean(jump * jump, 24)) * (24.0 / 23.0)
    of_bodies = rolling.variance(rolling.mean(body, 24), rolling.mean(body * body, 24)) * (24.0 / 23.0)
    k = 0.34 / (1.34 + 25.0 / 23.0)
    return np.sqrt(np.maximum(of_jumps + k * of_bodies + (1.0 - k) * _rogers_satchell_variance(b), 0.0))


def _downside(b: Bars) -> Floats:
    fall = np.minimum(b.step, 0.0)
    return ratio(rolling.total(fall * fall, 72), b.squares.of(72), 0.5)


def _jumps(b: Bars) -> Floats:
    near = rolling.total(np.abs(b.neighbours.of(1)), 72)
    smooth = ratio(0.5 * math.pi * near, b.squares.of(72), 1.0)
    return np.maximum(1.0 - smooth, 0.0)


def _volatility_of_volatility(b: Bars) -> Floats:
    volatility = b.volatility(24)
    return ratio(rolling.deviation(volatility, 144), rolling.mean(volatility, 144))


FEATURES: tuple[FeatureSpec, ...] = (
    *(_volatility(bars) for bars in (12, 24, 72, 168)),
    own("parkinson_24", "sqrt(mean over 24 bars of ln(high / low)^2 / (4 ln 2)) (Parkinson)", 24, PER_BAR, _parkinson),
    own(
        "garman_klass_24",
        "sqrt(mean over 24 bars of ln(high / low)^2 / 2 - (2 ln 2 - 1) ln(close / open)^2) (Garman, Klass)",
        24,
        PER_BAR,
        _garman_klass,
    ),
    own(
        "rogers_satchell_24",
        "sqrt(mean over 24 bars of ln(h/o) ln(h/c) + ln(l/o) ln(l/c)) (Rogers, Satchell)",
        24,
        PER_BAR,
        _rogers_satchell,
    ),
    own(
        "yang_zhang_24",
        "sqrt(v(ln(open / close before)) + k v(ln(close / open)) + (1 - k) rogers_satchell^2) over 24 bars, v with"
        " divisor 23, k = 0.34 / (1.34 + 25/23) (Yang, Zhang)",
        25,
        PER_BAR,
        _yang_zhang,
    ),
    own(
        "true_range_14",
        "mean over 14 bars of the true range (Wilder's, unsmoothed) / close",
        15,
        "share of price",
        lambda b: b.true_ranges.mean(14) / b.close,
    ),
    own(
        "volatility_ratio_24_168",
        "ln(volatility_24 / volatility_168); 0 when either is flat",
        169,
        "log ratio",
        lambda b: log_ratio(b.volatility(24), b.volatility(168)),
    ),
    own(
        "volatility_of_volatility_144",
        "deviation / mean of volatility_24 over 144 bars; 0 when flat",
        168,
        "share",
        _volatility_of_volatility,
    ),
    own(
        "downside_share_72",
        "sum of step^2 of falls / of all over 72 bars (Barndorff-Nielsen, Kinnebrock, Shephard); 0.5 when flat",
        73,
        "share",
        _downside,
    ),
    own(
        "jump_share_72",
        "max(0, 1 - (pi / 2) sum(|step[t] step[t-1]|) / sum(step^2)) over 72 bars (Barndorff-Nielsen, Shephard)",
        74,
        "share",
        _jumps,
    ),
    own(
        "skew_168",
        "mean(step^3) / mean(step^2)^1.5 over 168 bars; 0 when flat",
        169,
        "none",
        lambda b: ratio(
            rolling.mean(b.squares.of(1) * b.step, 168), b.squares.mean(168) * np.sqrt(b.squares.mean(168))
        ),
    ),
    own(
        "kurtosis_168",
        "mean(step^4) / mean(step^2)^2 - 3 over 168 bars; 0 when flat",
        169,
        "none",
        lambda b: (
            ratio(rolling.mean(b.squares.of(1) * b.squares.of(1), 168), b.squares.mean(168) * b.squares.mean(168), 3.0)
            - 3.0
        ),
    ),
)
