"""A made-up market of all declared assets, hour by hour: bars, forecasts, readings, dominance, clusters, returns."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from services.contracts.messages import Bar, Forecast, ForecastPart, ForecastsMade, SliceClosed
from services.contracts.readings import MarketReading, Reading, Returns, Zone
from services.domain.assets import AssetsConfig
from services.domain.regimes import REGIMES

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
HORIZON = 12
RETURN_DAYS = 120
WEEK = 7 * 24
STEP = 0.006
"""Standard deviation of an hour's log return."""
UNCERTAINTY = STEP * math.sqrt(HORIZON)
MADE_OF = ("low_24h", "pivot_s1", "point_of_control", "fib_618", "low_7d", "value_area_low")


@dataclass(frozen=True, slots=True)
class Walk:
    """One asset's columns, one entry an hour."""

    symbol: str
    asset_class: str
    close: list[float]
    volume: list[float]
    expected: list[float]
    confidence: list[float]
    regime: list[str]
    below: list[float]
    """From the close to the nearest support, a fraction of the close."""
    above: list[float]
    """The same to the nearest resistance."""
    mood: list[float]
    daily: tuple[float, ...]


def market(assets: AssetsConfig, hours: int, seed: int = 1) -> Iterator[tuple[SliceClosed, ForecastsMade]]:
    """Give one slice an hour with what inference would say of it; same seed, same market."""
    rng = np.random.default_rng(seed)
    made = [_asset(symbol, one.asset_class, hours, rng) for symbol, one in sorted(assets.assets.items())]
    btc_share = 48 + 6 * np.sin(np.arange(hours) / 500)
    clusters = (tuple(one.symbol for one in made if one.asset_class == "crypto"),)
    for row in range(hours):
        ts = START + (row + 1) * HOUR
        yield (
            SliceClosed(ts=ts, timeframe="1h", bars=tuple(_bar(one, row) for one in made)),
            ForecastsMade(
                ts=ts,
                timeframe="1h",
                forecasts=tuple(_forecast(one, row) for one in made),
                readings=tuple(_reading(one, row) for one in made),
                market=_market(ts, float(btc_share[row])),
                clusters=clusters,
                returns=tuple(Returns(one.symbol, one.daily) for one in made) if ts.hour == 0 else (),
            ),
        )


def _asset(symbol: str, asset_class: str, hours: int, rng: np.random.Generator) -> Walk:
    path = 100 * np.exp(np.cumsum(rng.normal(0, STEP, hours + 1)))
    days = rng.integers(0, len(REGIMES), hours // 24 + 1)
    return Walk(
        symbol,
        asset_class,
        np.round(path, 4).tolist(),
        np.round(rng.lognormal(10, 1, hours), 2).tolist(),
        rng.normal(0, 0.15 * UNCERTAINTY, hours).tolist(),
        rng.random(hours).tolist(),
        [REGIMES[days[row // 24]] for row in range(hours)],
        rng.uniform(0.001, 0.05, hours).tolist(),
        rng.uniform(0.001, 0.05, hours).tolist(),
        rng.uniform(-1, 1, hours).tolist(),
        tuple(rng.normal(0, 5 * STEP, RETURN_DAYS).tolist()),
    )


def _bar(one: Walk, row: int) -> Bar:
    opened, close = one.close[row], one.close[row + 1]
    high, low = max(opened, close) * 1.002, min(opened, close) * 0.998
    return Bar(one.symbol, one.asset_class, opened, round(high, 4), round(low, 4), close, one.volume[row])


def _forecast(one: Walk, row: int) -> Forecast:
    expected, confidence = one.expected[row], one.confidence[row]
    names = ("random_forest", "xgboost", "lightgbm", "lstm", "transformer", "multi_task", "informer")
    return Forecast(
        symbol=one.symbol,
        asset_class=one.asset_class,
        horizon_hours=HORIZON,
        close=one.close[row + 1],
        expected_return=expected,
        uncertainty=UNCERTAINTY,
        confidence=confidence,
        bucket=min(int(confidence * 10), 9),
        p_up=0.5 + expected,
        parts=tuple(ForecastPart(name, "0001", expected, UNCERTAINTY) for name in names),
        low=expected - 1.28 * UNCERTAINTY,
        high=expected + 1.28 * UNCERTAINTY,
        trained_at=START + row // WEEK * WEEK * HOUR,
    )


def _reading(one: Walk, row: int) -> Reading:
    close, below, above = one.close[row + 1], one.below[row], one.above[row]
    return Reading(
        symbol=one.symbol,
        regime=one.regime[row],
        volatility=STEP * (0.5 + one.confidence[row]),
        usual_volatility=STEP,
        supports=tuple(_zone(close * (1 - k * below), k) for k in (1, 2, 3)),
        resistances=tuple(_zone(close * (1 + k * above), k) for k in (1, 2, 3)),
        sideways=row % 48 < 12,
        decay_per_day=0.0004 if one.asset_class == "leveraged_etfs" else None,
        sentiment=one.mood[row],
        mentions=20,
        posts=1 if row % 72 == 0 else 0,
    )


def _zone(middle: float, k: int) -> Zone:
    return Zone(middle * 0.999, middle * 1.001, 1 / k, MADE_OF[k - 1 : k + 2])


def _market(ts: datetime, share: float) -> MarketReading:
    regime = "btc_dominant" if share > 50 else "alt_season" if share < 45 else "balanced"
    why = f"Bitcoin's share is {share:.1f} %, Tether's 4.5 %"
    return MarketReading(regime, why, share, 4.5, ts)  # type: ignore[arg-type]
