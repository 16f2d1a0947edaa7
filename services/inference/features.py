"""The features: one table, each a function of the last ``WINDOW`` bars of its own asset.

A row is valid only when its whole window is there: hourly steps without a gap, finite positive prices, volume not
negative. Nothing is filled. Computing many bars at once and computing the newest bar alone give the same bits.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from services.inference import rolling
from services.inference.rolling import lag, ratio
from services.inference.series import BAR_SECONDS, Flags, Floats, Ints

REVISION = 1
"""Raise it when the arithmetic changes and a formula's text does not: models trained before are then not used."""

EMA_BARS = 128
"""Bars in a truncated exponential average; the weight left out for a period of 26 is 5e-5."""


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """The series every formula starts from, each (n,). ``step`` is the log return of one bar."""

    ts: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    log_close: Floats
    step: Floats
    log_volume: Floats


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One column: what it is in words, how many bars it looks back (its own included), its unit, and how to get it."""

    name: str
    formula: str
    bars: int
    unit: str
    of: Callable[[Bars], Floats]


def _log_return(hours: int) -> FeatureSpec:
    return FeatureSpec(
        f"return_{hours}",
        f"ln(close[t] / close[t-{hours}])",
        hours + 1,
        "log return",
        lambda b: b.log_close - lag(b.log_close, hours),
    )


def _volatility(hours: int) -> FeatureSpec:
    return FeatureSpec(
        f"volatility_{hours}",
        f"sqrt(mean over {hours} h of step^2), step = ln(close[t] / close[t-1])",
        hours + 1,
        "log return per sqrt(h)",
        lambda b: np.sqrt(rolling.mean(b.step * b.step, hours)),
    )


def _sma_distance(hours: int) -> FeatureSpec:
    return FeatureSpec(
        f"sma_distance_{hours}",
        f"ln(close / mean(close over {hours} h))",
        hours,
        "log return",
        lambda b: np.log(b.close / rolling.mean(b.close, hours)),
    )


def _channel(hours: int) -> FeatureSpec:
    def of(b: Bars) -> Floats:
        bottom = rolling.lowest(b.low, hours)
        return ratio(b.close - bottom, rolling.highest(b.high, hours) - bottom, 0.5)

    formula = f"(close - lowest low) / (highest high - lowest low) over {hours} h; 0.5 when flat"
    return FeatureSpec(f"channel_{hours}", formula, hours, "share", of)


def _volume_score(hours: int) -> FeatureSpec:
    def of(b: Bars) -> Floats:
        return ratio(b.log_volume - rolling.mean(b.log_volume, hours), rolling.deviation(b.log_volume, hours))

    formula = f"(v - mean(v)) / deviation(v) over {hours} h, v = ln(1 + volume); 0 when flat"
    return FeatureSpec(f"volume_score_{hours}", formula, hours, "standard deviations", of)


def _parkinson(b: Bars) -> Floats:
    span = np.log(b.high / b.low)
    return np.sqrt(rolling.mean(span * span, 24) / (4.0 * math.log(2.0)))


def _true_range(b: Bars) -> Floats:
    before = lag(b.close, 1)
    return rolling.mean(np.maximum(b.high, before) - np.minimum(b.low, before), 14) / b.close


def _rsi(b: Bars) -> Floats:
    rise = rolling.total(np.maximum(b.step, 0.0), 14)
    fall = rolling.total(np.maximum(-b.step, 0.0), 14)
    return ratio(rise, rise + fall, 0.5)


def _macd(b: Bars) -> Floats:
    fast = rolling.exponential_mean(b.close, 12, EMA_BARS)
    return (fast - rolling.exponential_mean(b.close, 26, EMA_BARS)) / b.close


def _bollinger(b: Bars) -> Floats:
    return ratio(b.close - rolling.mean(b.close, 20), 2.0 * rolling.deviation(b.close, 20))


def _illiquidity(b: Bars) -> Floats:
    impact = ratio(np.abs(b.step), b.volume * b.close)
    near, far = rolling.mean(impact, 24), rolling.mean(impact, 168)
    still = (near == 0.0) | (far == 0.0)
    return np.where(still, 0.0, np.log(np.where(still, 1.0, near / np.where(far == 0.0, 1.0, far))))


def _autocorrelation(b: Bars) -> Floats:
    return ratio(rolling.total(b.step * lag(b.step, 1), 72), rolling.total(b.step * b.step, 72))


def _skew(b: Bars) -> Floats:
    second = rolling.mean(b.step * b.step, 168)
    return ratio(rolling.mean(b.step * b.step * b.step, 168), second * np.sqrt(second))


def _of_range(name: str, formula: str, part: Callable[[Bars], Floats]) -> FeatureSpec:
    return FeatureSpec(
        name, f"{formula} / (high - low); 0 when flat", 1, "share", lambda b: ratio(part(b), b.high - b.low)
    )


def _clock(
    name: str, formula: str, turn: Callable[[float], float], unit_seconds: int, units: int, first: int
) -> FeatureSpec:
    # A table of the few values there are: the same bits on any processor, however many bars are computed at once.
    table = np.array([turn(2.0 * math.pi * i / units) for i in range(units)])

    def of(b: Bars) -> Floats:
        values: Floats = table[((b.ts + BAR_SECONDS) // unit_seconds + first) % units]
        return values

    return FeatureSpec(name, formula, 1, "share of a circle", of)


FEATURES: tuple[FeatureSpec, ...] = (
    *(_log_return(hours) for hours in (1, 2, 3, 6, 12, 24, 48, 72, 168)),
    *(_volatility(hours) for hours in (12, 24, 72, 168)),
    FeatureSpec(
        "parkinson_24", "sqrt(mean over 24 h of ln(high / low)^2 / (4 ln 2))", 24, "log return per sqrt(h)", _parkinson
    ),
    FeatureSpec("true_range_14", "mean over 14 h of the true range / close", 15, "share of price", _true_range),
    FeatureSpec("rsi_14", "rises / (rises + falls) of step over 14 h (Cutler); 0.5 when flat", 15, "share", _rsi),
    *(_sma_distance(hours) for hours in (24, 72, 168)),
    FeatureSpec("macd_12_26", f"(EMA12 - EMA26) / close, each over {EMA_BARS} bars", EMA_BARS, "share of price", _macd),
    FeatureSpec("bollinger_20", "(close - mean) / (2 deviations) over 20 h; 0 when flat", 20, "bands", _bollinger),
    _channel(24),
    _channel(168),
    _volume_score(24),
    _volume_score(168),
    FeatureSpec(
        "volume_trend",
        "mean of ln(1 + volume) over 24 h less over 168 h",
        168,
        "log ratio",
        lambda b: rolling.mean(b.log_volume, 24) - rolling.mean(b.log_volume, 168),
    ),
    FeatureSpec(
        "illiquidity",
        "ln of mean(|step| / (volume * close)) over 24 h / over 168 h (Amihud)",
        169,
        "log ratio",
        _illiquidity,
    ),
    _of_range("body", "(close - open)", lambda b: b.close - b.open),
    _of_range("upper_shadow", "(high - max(open, close))", lambda b: b.high - np.maximum(b.open, b.close)),
    _of_range("lower_shadow", "(min(open, close) - low)", lambda b: np.minimum(b.open, b.close) - b.low),
    FeatureSpec(
        "autocorrelation_72",
        "sum(step[t] step[t-1]) / sum(step^2) over 72 h; 0 when flat",
        74,
        "share",
        _autocorrelation,
    ),
    FeatureSpec("skew_168", "mean(step^3) / mean(step^2)^1.5 over 168 h; 0 when flat", 169, "none", _skew),
    _clock("hour_sin", "sin(2 pi hour / 24) at the close, UTC", math.sin, 3_600, 24, 0),
    _clock("hour_cos", "cos(2 pi hour / 24) at the close, UTC", math.cos, 3_600, 24, 0),
    _clock("weekday_sin", "sin(2 pi weekday / 7) at the close, Monday 0", math.sin, 86_400, 7, 3),
    _clock("weekday_cos", "cos(2 pi weekday / 7) at the close, Monday 0", math.cos, 86_400, 7, 3),
)

WINDOW = max(spec.bars for spec in FEATURES)
"""Bars a row needs, its own included."""

_COLUMNS = {spec.name: i for i, spec in enumerate(FEATURES)}


def column(name: str) -> int:
    """Say which column a feature is in; raises ``KeyError`` for an unknown one."""
    return _COLUMNS[name]


def features_hash() -> str:
    """Name this table of features: models trained on another one must not be used with it."""
    text = "\n".join(f"{spec.name}|{spec.formula}|{spec.bars}|{spec.unit}" for spec in FEATURES)
    return hashlib.sha256(f"{REVISION}\n{text}".encode()).hexdigest()


def _bars(ts: Ints, prices: tuple[Floats, ...], volume: Floats) -> Bars:
    open_, high, low, close = (np.ascontiguousarray(price, dtype=np.float64) for price in prices)
    log_close = np.log(close)
    amount = np.ascontiguousarray(volume, dtype=np.float64)
    return Bars(ts, open_, high, low, close, amount, log_close, log_close - lag(log_close, 1), np.log(amount + 1.0))


def _whole_windows(b: Bars) -> Flags:
    sound = (b.volume >= 0.0) & np.isfinite(b.volume)
    for field in fields(b)[1:5]:
        price = getattr(b, field.name)
        sound &= np.isfinite(price) & (price > 0.0)
    steps = np.zeros(len(b.ts))
    steps[1:] = (np.diff(b.ts) == BAR_SECONDS) & sound[1:] & sound[:-1]
    whole: Flags = rolling.total(steps, WINDOW - 1) == WINDOW - 1
    return whole


def compute(ts: Ints, open: Floats, high: Floats, low: Floats, close: Floats, volume: Floats) -> tuple[Floats, Flags]:
    """Compute all features of hourly bars, ``ts`` being epoch seconds of the open.

    Returns (n, len(FEATURES)) and (n,) which rows are valid; rows that are not are NaN throughout.
    """
    with np.errstate(all="ignore"):
        bars = _bars(ts, (open, high, low, close), volume)
        values = np.empty((len(ts), len(FEATURES)))
        for i, spec in enumerate(FEATURES):
            values[:, i] = spec.of(bars)
        valid = _whole_windows(bars) & np.isfinite(values).all(axis=1)
    values[~valid] = np.nan
    return values, valid
