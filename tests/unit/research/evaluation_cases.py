"""Made-up forecasts of made-up prices, with as much skill as a test asks for."""

import numpy as np

from services.domain.regimes import classify
from services.inference.series import Floats
from services.research.evaluation_rows import NO_BUCKET, AssetForecasts, Said

FIRST = 1_700_006_400
"""2023-11-15 00:00 UTC."""

HORIZON = 12


def past_rank(score: Floats) -> Floats:
    """Rank scores over the whole, for speed: a test of the report needs populated buckets, not causality."""
    ranks: Floats = np.argsort(np.argsort(score)) / len(score)
    return ranks


def asset(
    symbol: str = "BTC/USDT",
    n: int = 2_000,
    parts: int = 2,
    skill: float = 0.0,
    seed: int = 1,
    cost_bps: float = 24.0,
    honest_p_up: bool = True,
) -> AssetForecasts:
    """Make one asset: a walk with fat tails; forecasts are small noise plus ``skill`` times what comes."""
    chance = np.random.default_rng(seed)
    step = chance.standard_t(4, n + HORIZON) * 0.004
    log_close = np.cumsum(step)
    realised = np.full(n, np.nan)
    known = n - HORIZON
    realised[:known] = (log_close[HORIZON:] - log_close[:-HORIZON])[:known]
    deviation = float(np.nanstd(realised))
    ahead = np.nan_to_num(realised)

    def said(i: int) -> Said:
        noise = np.convolve(np.random.default_rng(seed * 100 + i).normal(size=n + 23), np.ones(24) / 24**0.5, "valid")
        return Said(skill * ahead + 0.05 * deviation * noise, np.full(n, deviation))

    models = {f"model_{i}": said(i) for i in range(parts)}
    expected = np.mean([one.expected for one in models.values()], axis=0)
    confidence = past_rank(np.abs(expected))
    p_up = 0.5 + (0.0 if honest_p_up else 0.4) * np.sign(expected) + 0.05 * np.tanh(10.0 * expected / deviation)
    close = np.exp(log_close[:n])
    return AssetForecasts(
        symbol=symbol,
        asset_class="crypto",
        horizon_hours=HORIZON,
        horizon_bars=HORIZON,
        cost_bps=cost_bps,
        close_ts=FIRST + 3_600 * np.arange(n, dtype=np.int64),
        bar=np.arange(n, dtype=np.int64),
        close=close,
        realised=realised,
        low=expected - 1.2 * deviation,
        high=expected + 1.2 * deviation,
        p_up=p_up,
        confidence=confidence,
        bucket=np.where(np.isfinite(confidence), np.minimum(9, (confidence * 10).astype(np.int64)), NO_BUCKET),
        regime=classify(close),
        ensemble=Said(expected, np.full(n, deviation)),
        parts={**models, "random_walk": Said(np.zeros(n), np.full(n, deviation))},
    )
