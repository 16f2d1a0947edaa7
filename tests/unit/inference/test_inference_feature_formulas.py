"""Each formula beside a plain reading of its definition: one bar, the last one, with loops and lists."""

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import fmean, pstdev, variance

import numpy as np
import polars as pl
import pytest
from feature_cases import context
from inference_cases import walk

from services.inference.features import FEATURES, WINDOW, column, compute
from services.inference.series import Candles

SAMPLE = Path(__file__).parents[3] / "sample"
CANDLES = walk(420, seed=9)
BESIDE = context(CANDLES)
OPEN, HIGH, LOW, CLOSE, VOLUME = (
    list(map(float, getattr(CANDLES, n))) for n in ("open", "high", "low", "close", "volume")
)
LAST = len(CLOSE) - 1
LOG = [math.log(price) for price in CLOSE]
STEP = [math.nan, *(b - a for a, b in pairwise(LOG))]
TYPICAL = [(h + l + c) / 3 for h, l, c in zip(HIGH, LOW, CLOSE, strict=True)]  # noqa: E741
RANGE = [math.nan] + [
    max(HIGH[t] - LOW[t], abs(HIGH[t] - CLOSE[t - 1]), abs(LOW[t] - CLOSE[t - 1])) for t in range(1, LAST + 1)
]
LEAD = [math.log(price) for price in BESIDE.leaders[0].close]
LEAD_STEP = [math.nan, *(b - a for a, b in pairwise(LEAD))]


def weighted(x: list[float], decay: float, end: int = LAST) -> float:
    """The recursive average, started far back: what the truncated one comes near to."""
    average = x[1]
    for value in x[2 : end + 1]:
        average = decay * average + (1 - decay) * value
    return average


def truncated(x: list[float], decay: float, bars: int, end: int = LAST) -> float:
    weights = [decay**age for age in range(bars)]
    return sum(w * x[end - age] for age, w in enumerate(weights)) / sum(weights)


def rms(x: list[float]) -> float:
    return math.sqrt(fmean(one * one for one in x))


def percent_k(bars: int, end: int) -> float:
    low, high = min(LOW[end - bars + 1 : end + 1]), max(HIGH[end - bars + 1 : end + 1])
    return (CLOSE[end] - low) / (high - low)


def cci() -> float:
    centre = fmean(TYPICAL[-20:])
    return (TYPICAL[-1] - centre) / (0.015 * fmean(abs(p - centre) for p in TYPICAL[-20:]))


def dmi(end: int) -> float:
    rise, fall = [0.0], [0.0]
    for t in range(1, LAST + 1):
        up, down = HIGH[t] - HIGH[t - 1], LOW[t - 1] - LOW[t]
        rise.append(up if up > down and up > 0 else 0.0)
        fall.append(down if down > up and down > 0 else 0.0)
    plus, minus = (truncated(x, 13 / 14, 64, end) for x in (rise, fall))
    return (plus - minus) / (plus + minus)


def age_of(x: list[float], bars: int, pick: Callable[[list[float]], float]) -> int:
    window = x[-bars:]
    return (
        max(age for age in range(bars) if window[-1 - age] == pick(window)) if window.count(pick(window)) == 1 else -1
    )


def mfi() -> float:
    flows = [(TYPICAL[t] * VOLUME[t], TYPICAL[t] - TYPICAL[t - 1]) for t in range(LAST - 13, LAST + 1)]
    return sum(f for f, move in flows if move > 0) / sum(f for f, move in flows if move != 0)


def cmf() -> float:
    rows = range(LAST - 19, LAST + 1)
    inside = [(2 * CLOSE[t] - LOW[t] - HIGH[t]) / (HIGH[t] - LOW[t]) * VOLUME[t] for t in rows]
    return sum(inside) / sum(VOLUME[t] for t in rows)


def obv_slope() -> float:
    balance, line = 0.0, []
    for t in range(1, LAST + 1):
        balance += math.copysign(VOLUME[t], CLOSE[t] - CLOSE[t - 1]) if CLOSE[t] != CLOSE[t - 1] else 0.0
        line.append(balance)
    return (line[-1] - line[-25]) / sum(VOLUME[-24:])


def ulcer() -> float:
    return rms([LOG[t] - max(LOG[t - 71 : t + 1]) for t in range(LAST - 71, LAST + 1)])


def garman_klass() -> float:
    rows = range(LAST - 23, LAST + 1)
    return math.sqrt(
        fmean(
            0.5 * math.log(HIGH[t] / LOW[t]) ** 2 - (2 * math.log(2) - 1) * math.log(CLOSE[t] / OPEN[t]) ** 2
            for t in rows
        )
    )


def rogers_satchell() -> float:
    rows = range(LAST - 23, LAST + 1)
    return math.sqrt(
        fmean(
            math.log(HIGH[t] / CLOSE[t]) * math.log(HIGH[t] / OPEN[t])
            + math.log(LOW[t] / CLOSE[t]) * math.log(LOW[t] / OPEN[t])
            for t in rows
        )
    )


def yang_zhang() -> float:
    rows = range(LAST - 23, LAST + 1)
    overnight = variance(math.log(OPEN[t] / CLOSE[t - 1]) for t in rows)
    daily = variance(math.log(CLOSE[t] / OPEN[t]) for t in rows)
    k = 0.34 / (1.34 + 25 / 23)
    return math.sqrt(overnight + k * daily + (1 - k) * rogers_satchell() ** 2)


def corwin_schultz() -> float:
    found, root = [], 3 - 2 * math.sqrt(2)
    for t in range(LAST - 23, LAST + 1):
        beta = math.log(HIGH[t] / LOW[t]) ** 2 + math.log(HIGH[t - 1] / LOW[t - 1]) ** 2
        gamma = math.log(max(HIGH[t - 1 : t + 1]) / min(LOW[t - 1 : t + 1])) ** 2
        alpha = (math.sqrt(2 * beta) - math.sqrt(beta)) / root - math.sqrt(gamma / root)
        found.append(max(0.0, 2 * (math.exp(alpha) - 1) / (1 + math.exp(alpha))))
    return fmean(found)


def kyle() -> float:
    rows = range(LAST - 71, LAST + 1)
    q = [math.copysign(VOLUME[t], STEP[t]) / fmean(VOLUME[t - 95 : t + 1]) for t in rows]
    return sum(STEP[t] * x for t, x in zip(rows, q, strict=True)) / sum(x * x for x in q)


def streak() -> float:
    count = 1
    while count < 16 and STEP[-1 - count] * STEP[-1] > 0:
        count += 1
    return math.copysign(count / 16, STEP[-1])


def vol_of_vol() -> float:
    line = [rms(STEP[t - 23 : t + 1]) for t in range(LAST - 143, LAST + 1)]
    return pstdev(line) / fmean(line)


def impact(bars: int) -> float:
    return fmean(abs(STEP[t]) / (VOLUME[t] * CLOSE[t]) for t in range(LAST - bars + 1, LAST + 1))


def beta(bars: int) -> float:
    return float(np.polyfit(LEAD_STEP[-bars:], STEP[-bars:], 1)[0])


def vwap() -> float:
    return sum(p * v for p, v in zip(TYPICAL[-24:], VOLUME[-24:], strict=True)) / sum(VOLUME[-24:])


def macd(end: int) -> float:
    return truncated(CLOSE, 11 / 13, 128, end) - truncated(CLOSE, 25 / 27, 128, end)


EXPECTED: dict[str, Callable[[], float]] = {
    "return_24": lambda: math.log(CLOSE[-1] / CLOSE[-25]),
    "volatility_72": lambda: rms(STEP[-72:]),
    "sma_distance_168": lambda: math.log(CLOSE[-1] / fmean(CLOSE[-168:])),
    "channel_24": lambda: percent_k(24, LAST),
    "bollinger_20": lambda: (CLOSE[-1] - fmean(CLOSE[-20:])) / (2 * pstdev(CLOSE[-20:])),
    "rsi_14": lambda: sum(max(s, 0) for s in STEP[-14:]) / sum(abs(s) for s in STEP[-14:]),
    "autocorrelation_72": lambda: sum(STEP[-i] * STEP[-i - 1] for i in range(1, 73)) / sum(s * s for s in STEP[-72:]),
    "macd_12_26": lambda: macd(LAST) / CLOSE[-1],
    "macd_histogram_9": lambda: (
        (macd(LAST) - truncated([0.0] * 300 + [macd(t) for t in range(300, LAST + 1)], 0.8, 32)) / CLOSE[-1]
    ),
    "keltner_20": lambda: (CLOSE[-1] - truncated(CLOSE, 19 / 21, 128)) / (2 * fmean(RANGE[-10:])),
    "stochastic_14": lambda: fmean(percent_k(14, LAST - age) for age in range(3)),
    "cci_20": cci,
    "dmi_14": lambda: dmi(LAST),
    "adx_14": lambda: truncated([0.0] * 200 + [abs(dmi(t)) for t in range(200, LAST + 1)], 13 / 14, 64),
    "aroon_25": lambda: (age_of(LOW, 26, min) - age_of(HIGH, 26, max)) / 25,
    "breakout_age_168": lambda: min(age_of(LOW, 168, min), age_of(HIGH, 168, max)) / 167,
    "efficiency_24": lambda: (LOG[-1] - LOG[-25]) / sum(abs(s) for s in STEP[-24:]),
    "drawdown_168": lambda: math.log(CLOSE[-1] / max(CLOSE[-168:])),
    "ulcer_72": ulcer,
    "true_range_14": lambda: fmean(RANGE[-14:]) / CLOSE[-1],
    "parkinson_24": lambda: rms([math.log(HIGH[-i] / LOW[-i]) for i in range(1, 25)]) / math.sqrt(4 * math.log(2)),
    "garman_klass_24": garman_klass,
    "rogers_satchell_24": rogers_satchell,
    "yang_zhang_24": yang_zhang,
    "volatility_ratio_24_168": lambda: math.log(rms(STEP[-24:]) / rms(STEP[-168:])),
    "volatility_of_volatility_144": vol_of_vol,
    "downside_share_72": lambda: sum(s * s for s in STEP[-72:] if s < 0) / sum(s * s for s in STEP[-72:]),
    "jump_share_72": lambda: max(
        0.0,
        1 - math.pi / 2 * sum(abs(STEP[-i] * STEP[-i - 1]) for i in range(1, 73)) / sum(s * s for s in STEP[-72:]),
    ),
    "skew_168": lambda: fmean(s**3 for s in STEP[-168:]) / rms(STEP[-168:]) ** 3,
    "kurtosis_168": lambda: fmean(s**4 for s in STEP[-168:]) / rms(STEP[-168:]) ** 4 - 3,
    "mfi_14": mfi,
    "cmf_20": cmf,
    "obv_slope_24": obv_slope,
    "vwap_distance_24": lambda: math.log(CLOSE[-1] / vwap()),
    "volume_score_24": lambda: (
        (math.log1p(VOLUME[-1]) - fmean(map(math.log1p, VOLUME[-24:]))) / pstdev(map(math.log1p, VOLUME[-24:]))
    ),
    "volume_trend": lambda: fmean(map(math.log1p, VOLUME[-24:])) - fmean(map(math.log1p, VOLUME[-168:])),
    "volume_concentration_24": lambda: sum(v * v for v in VOLUME[-24:]) / sum(VOLUME[-24:]) ** 2,
    "illiquidity": lambda: math.log(impact(24) / impact(168)),
    "kyle_lambda_72": kyle,
    "roll_spread_72": lambda: 2 * math.sqrt(max(0.0, -fmean(STEP[-i] * STEP[-i - 1] for i in range(1, 73)))),
    "corwin_schultz_24": corwin_schultz,
    "variance_ratio_6_168": lambda: (
        rms([LOG[t] - LOG[t - 6] for t in range(LAST - 162, LAST + 1)]) ** 2 / (6 * rms(STEP[-168:]) ** 2)
    ),
    "streak_16": streak,
    "upper_shadow": lambda: (HIGH[-1] - max(OPEN[-1], CLOSE[-1])) / (HIGH[-1] - LOW[-1]),
    # 420 hours after Monday 2024-01-01 00:00 is Thursday 12:00
    "hour_cos": lambda: math.cos(2 * math.pi * 12 / 24),
    "weekday_sin": lambda: math.sin(2 * math.pi * 3 / 7),
    "leader_return_12": lambda: LEAD[-1] - LEAD[-13],
    "leader_beta_72": lambda: beta(72),
    "leader_correlation_24": lambda: float(np.corrcoef(STEP[-24:], LEAD_STEP[-24:])[0, 1]),
    "leader_residual_24": lambda: LOG[-1] - LOG[-25] - beta(168) * (LEAD[-1] - LEAD[-25]),
    "leader_relative_168": lambda: (LOG[-1] - LOG[-169]) - (LEAD[-1] - LEAD[-169]),
    "leader_volatility_ratio_24": lambda: math.log(rms(STEP[-24:]) / rms(LEAD_STEP[-24:])),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_feature_means_what_its_formula_says(name: str) -> None:
    values, valid = compute(CANDLES, BESIDE)
    assert valid[-1]
    assert values[-1, column(name)] == pytest.approx(EXPECTED[name](), rel=1e-7, abs=1e-12)


def test_truncated_averages_come_near_the_recursive_ones() -> None:
    values, _ = compute(CANDLES)
    recursive = (weighted(CLOSE, 11 / 13) - weighted(CLOSE, 25 / 27)) / CLOSE[-1]
    assert values[-1, column("macd_12_26")] == pytest.approx(recursive, abs=2e-4)


@pytest.mark.parametrize("symbol", ["BTC", "ETH", "SOL"])
def test_every_hour_of_the_sample_year_has_features_within_their_bounds(symbol: str) -> None:
    rows = pl.read_parquet(SAMPLE / f"{symbol}-USDT_1h.parquet").sort("ts")
    ts = rows["ts"].dt.epoch("s").to_numpy().astype(np.int64)
    prices = (rows[name].to_numpy().astype(np.float64) for name in ("open", "high", "low", "close", "volume"))
    values, valid = compute(Candles(f"{symbol}/USDT", "crypto", ts, *prices))
    assert valid.sum() == len(ts) - WINDOW + 1
    for i, spec in enumerate(FEATURES):
        if spec.source not in {"own candles", "clock"}:
            continue
        line = values[valid, i]
        assert np.isfinite(line).all(), spec.name
        if spec.unit in {"share", "share of a circle", "flag"} and spec.name != "volatility_of_volatility_144":
            assert -1.0 - 1e-9 <= line.min() <= line.max() <= 1.0 + 1e-9, spec.name
        assert line.std() > 0.0, spec.name
        # No price level: what doubled in a year would show as a column that drifts with it.
        assert np.abs(line).max() < 1_000.0, spec.name
