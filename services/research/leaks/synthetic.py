"""Made-up worlds: random walks without drift, gaps, leaders, and values with vintages. Nothing in them is a market's.

They are noise on purpose: whatever forecasts them out of sample has seen the future.
"""

from dataclasses import replace

import numpy as np

from services.inference.series import BAR_SECONDS, Candles, Floats
from services.research.leaks.world import Vintages, World, kept, repriced

DAY = 86_400
START = 1_709_251_200
"""2024-03-01 00:00 UTC: New York changes to summer time on the tenth."""
LEADERS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
SUBJECT = "SOL/USDT"
HOURLY_VOLATILITY = 0.006
BARS = 960
OWN_GAP = (250, 255)
"""Bars that the subject lacks, half-open."""
LEADER_GAP = (640, 643)
SPLITS = ((START + 500 * BAR_SECONDS, 2.0), (START + 800 * BAR_SECONDS, 3.0))
"""When the subject is split, and into how many."""


def world(seed: int, bars: int = BARS) -> World:
    """Make a world with everything that a leak can sit in."""
    chance = np.random.default_rng([seed, 1])
    candles = {symbol: _walk(symbol, bars, chance) for symbol in LEADERS}
    row = np.arange(bars)
    candles[SUBJECT] = kept(candles[SUBJECT], (row < OWN_GAP[0]) | (row >= OWN_GAP[1]))
    candles[LEADERS[0]] = kept(candles[LEADERS[0]], (row < LEADER_GAP[0]) | (row >= LEADER_GAP[1]))
    candles[SUBJECT] = _split(candles[SUBJECT])
    says = f"synthetic: driftless random walks, {bars} hourly bars, seed {seed}"
    return World(says, (SUBJECT,), candles, {"crypto": LEADERS}, _values(bars, chance))


def noise(seed: int, bars: int = 1_400) -> World:
    """Make a world of whole random walks without drift, each of them a subject; its values are noise too."""
    chance = np.random.default_rng([seed, 2])
    candles = {symbol: _walk(symbol, bars, chance) for symbol in LEADERS}
    says = f"synthetic: pure noise, {bars} hourly bars, seed {seed}"
    return World(says, LEADERS, candles, {"crypto": LEADERS}, _values(bars, chance))


def _walk(symbol: str, bars: int, chance: np.random.Generator) -> Candles:
    close = 100.0 * np.exp(np.cumsum(chance.normal(0.0, HOURLY_VOLATILITY, bars)))
    opened = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(opened, close) * (1.0 + np.abs(chance.normal(0.0, 0.002, bars)))
    low = np.minimum(opened, close) * (1.0 - np.abs(chance.normal(0.0, 0.002, bars)))
    ts = START + BAR_SECONDS * np.arange(bars, dtype=np.int64)
    return Candles(symbol, "crypto", ts, opened, high, low, close, chance.lognormal(5.0, 1.0, bars))


def _split(series: Candles) -> Candles:
    """State prices and volumes as they were traded."""
    units = np.ones(len(series.ts))
    for at, ratio in SPLITS:
        units[series.ts >= at] *= ratio
    return replace(repriced(series, 1.0 / units), volume=series.volume * units, splits=SPLITS)


def _values(bars: int, chance: np.random.Generator) -> dict[str, Vintages]:
    days = bars // 24
    # From two weeks before the first bar: features compare with a week earlier.
    return {
        "btc_dominance": _series(52.0 + _drifting(chance, bars + 336), BAR_SECONDS, 300, 14),
        "sentiment": _series(np.tanh(_drifting(chance, bars + 336)), BAR_SECONDS, BAR_SECONDS + 600, 14),
        "mentions": _series(chance.lognormal(4.0, 0.5, bars + 336), BAR_SECONDS, BAR_SECONDS + 600, 14),
        "usdt_dominance": _series(5.0 + 0.1 * _drifting(chance, days + 14), DAY, DAY + 600, 14),
        "vix": _series(18.0 * np.exp(0.3 * _drifting(chance, days + 14)), DAY, DAY + 14 * BAR_SECONDS, 14),
        "real_yield": _revised(
            _series(2.0 + 0.2 * _drifting(chance, days + 14), DAY, DAY + 12 * BAR_SECONDS, 14), chance
        ),
        "inflation": _released(days, chance),
    }


def _drifting(chance: np.random.Generator, n: int) -> Floats:
    found: Floats = np.cumsum(chance.normal(0.0, 0.1, n))
    return found


def _series(value: Floats, every: int, delay: int, days_before: int) -> Vintages:
    of = START - days_before * DAY + every * np.arange(len(value), dtype=np.int64)
    return Vintages(of, of + delay, value)


def _revised(series: Vintages, chance: np.random.Generator) -> Vintages:
    """Let every value be revised some days and hours after it was first known."""
    value = np.concatenate((series.value, series.value * chance.uniform(0.9, 1.1, len(series.value))))
    of = np.concatenate((series.of, series.of))
    known = np.concatenate((series.known, series.known + 3 * DAY + 3 * BAR_SECONDS))
    order = np.lexsort((of, known))
    return Vintages(of[order], known[order], value[order])


def _released(days: int, chance: np.random.Generator) -> Vintages:
    """Make releases every fourth day at 12:30: what is expected, known two days before, then the outcome."""
    of = START + 4 * DAY * np.arange(1, days // 4, dtype=np.int64) + 12 * BAR_SECONDS + 1_800
    expected = chance.normal(0.3, 0.1, len(of))
    known = np.concatenate((of - 2 * DAY, of))
    value = np.concatenate((expected, expected + chance.normal(0.0, 0.1, len(of))))
    order = np.argsort(known, kind="stable")
    return Vintages(np.concatenate((of, of))[order], known[order], value[order])
