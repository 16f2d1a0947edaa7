"""Divide the portfolio: score and normalise, within bounds, the rest cash. Pure."""

from collections.abc import Mapping


def allocate(
    scores: Mapping[str, float], *, min_weight: float, max_weight: float, min_cash: float
) -> tuple[dict[str, float], float]:
    """Return weights per symbol and the cash weight; their sum is 1 (to float rounding).

    Weights are proportional to positive scores and share at most ``1 - min_cash``. What a weight loses to the upper
    bound goes to the others; where the lower bound cannot be met for all, the lowest score leaves.
    """
    wanted = {symbol: score for symbol, score in sorted(scores.items()) if score > 0}
    budget = 1.0 - min_cash
    while wanted and len(wanted) * min_weight > budget + 1e-12:
        del wanted[_lowest(wanted)]
    while wanted:
        weights = _water_fill(wanted, max_weight, budget)
        lowest = _lowest(weights)
        if weights[lowest] >= min_weight - 1e-12:
            return weights, 1.0 - sum(weights.values())
        del wanted[lowest]
    return {}, 1.0


def _water_fill(scores: dict[str, float], max_weight: float, budget: float) -> dict[str, float]:
    """Share ``budget`` by score; those above the bound stay at it and the rest is shared again."""
    capped: set[str] = set()
    while True:
        free = {symbol: score for symbol, score in scores.items() if symbol not in capped}
        left = budget - max_weight * len(capped)
        total = sum(free.values())
        weights = dict.fromkeys(scores, max_weight)
        weights.update({symbol: left * score / total for symbol, score in free.items()})
        over = {symbol for symbol in free if weights[symbol] > max_weight}
        if not over:
            return weights
        capped |= over


def _lowest(values: dict[str, float]) -> str:
    return min(values, key=lambda symbol: (values[symbol], symbol))
