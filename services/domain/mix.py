"""How far an asset's trades are, by regime and confidence bucket, from what research expects of it. Pure.

A few trades over many cells are always far from their expectation: ten trades that follow it over twelve equal cells
are at a total variation distance of 0.42 on average. So the distance is corrected for chance: 0 is as far as luck alone
goes on average with so many trades (or nearer), 1 is wholly elsewhere.
"""

import math
from collections.abc import Mapping

Cell = tuple[str, int]
"""Regime and confidence bucket."""

ALL_CHANCE = 1.0 - 1e-9
"""With an expected distance above it, nothing can be told from chance."""


def mix_distance(counts: Mapping[Cell, int], expected: Mapping[Cell, float]) -> float | None:
    """Compare counted trades with expected shares, which are taken as adding up to 1; None without either."""
    n, whole = sum(counts.values()), math.fsum(expected.values())
    if n == 0 or whole <= 0.0:
        return None
    shares = {cell: share / whole for cell, share in expected.items()}
    cells = sorted(shares.keys() | counts.keys())
    distance = math.fsum(abs(counts.get(cell, 0) / n - shares.get(cell, 0.0)) for cell in cells) / 2.0
    chance = math.fsum(_deviation(n, shares[cell]) for cell in sorted(shares)) / n / 2.0
    if chance > ALL_CHANCE:
        return None
    return max(0.0, (distance - chance) / (1.0 - chance))


def _deviation(n: int, p: float) -> float:
    """Return the mean absolute deviation of a binomial count (de Moivre 1730)."""
    if p <= 0.0 or p >= 1.0:
        return 0.0
    m = min(math.floor(n * p) + 1, n)
    logs = math.lgamma(n + 1) - math.lgamma(m + 1) - math.lgamma(n - m + 1)
    return 2.0 * m * math.exp(logs + m * math.log(p) + (n - m + 1) * math.log1p(-p))
