"""Made-up contexts for the tests of the features, and the longest line of bars they are computed from."""

import numpy as np
from inference_cases import walk

from services.inference.context import Context, Observed
from services.inference.features import READINGS
from services.inference.series import BAR_SECONDS, Candles, Ints

HOURS = 700
SEED = 5


def readings(candles: Candles, seed: int, every: int = 3) -> dict[str, Observed]:
    """One value of each series every few hours, from 20 days before the candles begin until they end."""
    chance = np.random.default_rng(seed)
    since, until = int(candles.ts[0]) - 20 * 86_400, int(candles.close_ts[-1])
    found = {}
    for reading in READINGS:
        available: Ints = np.arange(since, until, every * BAR_SECONDS, dtype=np.int64)
        found[reading.name] = Observed(available, chance.lognormal(3.0, 0.2, len(available)))
    return found


def context(candles: Candles, seed: int = 50) -> Context:
    """Two leaders over the same hours and a value of every series."""
    n, start = len(candles.ts), int(candles.ts[0])
    leaders = (walk(n, seed + 1, "ETH/USDT", start), walk(n, seed + 2, "SOL/USDT", start))
    return Context(leaders, readings(candles, seed + 3))


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether both are equal to the bit, NaN included."""
    return one.shape == other.shape and one.tobytes() == other.tobytes()
