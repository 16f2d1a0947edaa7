"""Volume, and what can be told of the spread and the depth from bars alone."""

import math

import numpy as np

from services.inference import rolling
from services.inference.features.frame import Bars
from services.inference.features.spec import FeatureSpec
from services.inference.features.trend import own
from services.inference.rolling import Blocks, lag, log_ratio, ratio
from services.inference.series import Floats


def _volume_score(bars: int) -> FeatureSpec:
    def of(b: Bars) -> Floats:
        centre = b.log_volumes.mean(bars)
        apart = np.sqrt(rolling.variance(centre, b.log_volume_squares.mean(bars)))
        return ratio(b.log_volume - centre, apart)

    formula = f"(v - mean(v)) / deviation(v) over {bars} bars, v = ln(1 + volume); 0 when flat"
    return own(f"volume_score_{bars}", formula, bars, "standard deviations", of)


def _of_range(name: str, formula: str, part: str) -> FeatureSpec:
    def of(b: Bars) -> Floats:
        top, bottom = np.maximum(b.open, b.close), np.minimum(b.open, b.close)
        parts = {"body": b.close - b.open, "upper": b.high - top, "lower": bottom - b.low}
        return ratio(parts[part], b.high - b.low)

    return own(name, f"{formula} / (high - low); 0 when flat", 1, "share", of)


def _vwap_distance(b: Bars) -> Floats:
    average = rolling.total(b.typical * b.volume, 24) / b.volumes.of(24)
    return np.where(b.volumes.of(24) == 0.0, 0.0, np.log(b.close / average))


def _money_flow(b: Bars) -> Floats:
    flow, move = b.typical * b.volume, b.typical - lag(b.typical, 1)
    rise = rolling.total(np.where(move > 0.0, flow, 0.0 * move), 14)
    fall = rolling.total(np.where(move < 0.0, flow, 0.0 * move), 14)
    return ratio(rise, rise + fall, 0.5)


def _chaikin(b: Bars) -> Floats:
    inside = ratio((b.close - b.low) - (b.high - b.close), b.high - b.low)
    return ratio(rolling.total(inside * b.volume, 20), b.volumes.of(20))


def _illiquidity(b: Bars) -> Floats:
    impact = Blocks(ratio(np.abs(b.step), b.volume * b.close))
    return log_ratio(impact.mean(24), impact.mean(168))


def _roll(b: Bars) -> Floats:
    return 2.0 * np.sqrt(np.maximum(-b.neighbours.mean(72), 0.0))


def _corwin_schultz(b: Bars) -> Floats:
    square = b.log_range * b.log_range
    beta = square + lag(square, 1)
    both = np.maximum(b.log_high, lag(b.log_high, 1)) - np.minimum(b.log_low, lag(b.log_low, 1))
    divisor = 3.0 - 2.0 * math.sqrt(2.0)
    alpha = (np.sqrt(2.0 * beta) - np.sqrt(beta)) / divisor - np.sqrt(both * both / divisor)
    spread = 2.0 * (np.exp(alpha) - 1.0) / (1.0 + np.exp(alpha))
    return rolling.mean(np.maximum(spread, 0.0), 24)


def _kyle(b: Bars) -> Floats:
    volume = ratio(b.signed_volume, b.volumes.mean(96))
    return ratio(rolling.total(b.step * volume, 72), rolling.total(volume * volume, 72))


def _concentration(b: Bars) -> Floats:
    whole = b.volumes.of(24)
    return ratio(rolling.total(b.volume * b.volume, 24), whole * whole)


def _variance_ratio(b: Bars) -> Floats:
    far = b.back(6)
    return ratio(rolling.mean(far * far, 163), 6.0 * b.squares.mean(168), 1.0)


def _streak(b: Bars) -> Floats:
    return (rolling.line(b.step > 0.0, 16) - rolling.line(b.step < 0.0, 16)) / 16.0


FEATURES: tuple[FeatureSpec, ...] = (
    _volume_score(24),
    _volume_score(168),
    own(
        "volume_trend",
        "mean of ln(1 + volume) over 24 bars less over 168 bars",
        168,
        "log ratio",
        lambda b: b.log_volumes.mean(24) - b.log_volumes.mean(168),
    ),
    own(
        "volume_concentration_24",
        "sum(volume^2) / sum(volume)^2 over 24 bars (Herfindahl); 0 without volume",
        24,
        "share",
        _concentration,
    ),
    own(
        "obv_slope_24",
        "on-balance volume now less 24 bars ago / volume of the 24 bars (Granville); 0 without volume",
        25,
        "share",
        lambda b: ratio(rolling.total(b.signed_volume, 24), b.volumes.of(24)),
    ),
    own(
        "mfi_14",
        "p volume of bars with a risen p / of all bars with another p, over 14, p = (high + low + close) / 3"
        " (money flow index of Quong, Soudack); 0.5 when flat",
        15,
        "share",
        _money_flow,
    ),
    own(
        "cmf_20",
        "sum(volume ((close - low) - (high - close)) / (high - low)) / sum(volume) over 20 bars (Chaikin); 0 when flat",
        20,
        "share",
        _chaikin,
    ),
    own(
        "vwap_distance_24",
        "ln(close / mean of (high + low + close) / 3 weighted by volume) over 24 bars; 0 without volume",
        24,
        "log return",
        _vwap_distance,
    ),
    own(
        "illiquidity",
        "ln of mean(|step| / (volume * close)) over 24 bars / over 168 bars (Amihud); 0 when flat",
        169,
        "log ratio",
        _illiquidity,
    ),
    own(
        "kyle_lambda_72",
        "slope through zero of step on q over 72 bars, q = volume with step's sign / mean volume over 96 bars (Kyle)",
        167,
        "log return per mean volume",
        _kyle,
    ),
    own(
        "roll_spread_72",
        "2 sqrt(max(0, -mean(step[t] step[t-1]))) over 72 bars (Roll)",
        74,
        "share of price",
        _roll,
    ),
    own(
        "corwin_schultz_24",
        "mean over 24 pairs of bars of max(0, spread), without the overnight adjustment (Corwin, Schultz)",
        25,
        "share of price",
        _corwin_schultz,
    ),
    own(
        "autocorrelation_72",
        "sum(step[t] step[t-1]) / sum(step^2) over 72 bars; 0 when flat",
        74,
        "share",
        lambda b: ratio(b.neighbours.of(72), b.squares.of(72)),
    ),
    own(
        "variance_ratio_6_168",
        "mean of ln(close[t] / close[t-6])^2 / (6 mean(step^2)) over 168 bars (Lo, MacKinlay; zero mean); 1 when flat",
        169,
        "ratio",
        _variance_ratio,
    ),
    own(
        "zero_moves_168",
        "share of bars of 168 with step = 0 (Lesmond, Ogden, Trzcinka)",
        169,
        "share",
        lambda b: rolling.mean(np.where(b.step == 0.0, 1.0, 0.0 * b.step), 168),
    ),
    own("streak_16", "rises in a row less falls in a row, at most 16 / 16", 17, "share", _streak),
    _of_range("body", "(close - open)", "body"),
    _of_range("upper_shadow", "(high - max(open, close))", "upper"),
    _of_range("lower_shadow", "(min(open, close) - low)", "lower"),
)
