"""How the models' parts become one forecast, and how sure it is compared with the asset's own recent forecasts.

The parts form a linear opinion pool (Stone 1961): a weighted mean, whose variance is the weighted mean of the parts'
variances plus the spread of their means. The mean is then scaled towards no move, as far as the past says it deserves.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.contracts.messages import Forecast, ForecastPart
from services.inference.ensemble import Blend


@dataclass(frozen=True, slots=True)
class Params:
    """Which models are weighed, and how confidence is ranked (see ``models.yaml``)."""

    counted: tuple[str, ...]
    horizon_hours: int
    history: int
    at_least: int


@dataclass(frozen=True, slots=True)
class ScoreHistory:
    """The asset's last scores, oldest first, and the same in ascending order.

    A score is |expected_return| / uncertainty of a forecast that named a direction.
    """

    recent: tuple[float, ...] = ()
    ordered: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """What all models said about one asset at one slice, and how it is to be combined."""

    symbol: str
    asset_class: str
    close: float
    parts: tuple[ForecastPart, ...]
    blend: Blend
    trained_at: datetime | None = None
    """As in :class:`Forecast`."""


def decide(history: ScoreHistory, event: Parts, params: Params) -> tuple[ScoreHistory, Forecast]:
    """Combine the parts, rank the score among those strictly before it, and remember it."""
    pooled, uncertainty = combine(event.parts, event.blend.weights)
    expected = event.blend.slope * pooled
    score = score_of(expected, uncertainty)
    confidence = percentile(history, score, params.at_least) if score > 0.0 else 0.0
    forecast = Forecast(
        symbol=event.symbol,
        asset_class=event.asset_class,
        horizon_hours=params.horizon_hours,
        close=event.close,
        expected_return=expected,
        uncertainty=uncertainty,
        confidence=confidence,
        bucket=min(9, int(confidence * 10.0)),
        p_up=event.blend.p_up(math.copysign(score, expected)),
        low=expected + event.blend.low * uncertainty,
        high=expected + event.blend.high * uncertainty,
        parts=event.parts,
        without=tuple(name for name in params.counted if all(part.model != name for part in event.parts)),
        trained_at=event.trained_at,
    )
    return remember(history, score, params.history), forecast


def combine(parts: Sequence[ForecastPart], weights: Mapping[str, float]) -> tuple[float, float]:
    """Pool the parts that are there; where none of them has a weight, all count alike."""
    shares = [weights.get(part.model, 0.0) for part in parts]
    whole = math.fsum(shares)
    if whole <= 0.0:
        shares, whole = [1.0] * len(parts), float(len(parts))
    expected = math.fsum(w * part.expected_return for w, part in zip(shares, parts, strict=True)) / whole
    variance = math.fsum(
        w * (part.uncertainty**2 + (part.expected_return - expected) ** 2)
        for w, part in zip(shares, parts, strict=True)
    )
    return expected, math.sqrt(variance / whole)


def score_of(expected_return: float, uncertainty: float) -> float:
    """Count the standard deviations between the forecast and no move; 0.0 where there is no uncertainty."""
    return abs(expected_return) / uncertainty if uncertainty > 0.0 else 0.0


def percentile(history: ScoreHistory, score: float, at_least: int) -> float:
    """Rank a score in [0, 1] among the remembered ones, ties counting half; 0.0 with fewer than ``at_least``."""
    known = len(history.ordered)
    if known < at_least:
        return 0.0
    below = bisect_left(history.ordered, score)
    return (below + bisect_right(history.ordered, score)) / (2.0 * known)


def remember(history: ScoreHistory, score: float, limit: int) -> ScoreHistory:
    """Add a score and forget the oldest beyond ``limit``; 0.0 is no score, for it names no direction."""
    if score == 0.0:
        return history
    recent, ordered = history.recent, history.ordered
    if len(recent) >= limit:
        place = bisect_left(ordered, recent[0])
        recent, ordered = recent[1:], ordered[:place] + ordered[place + 1 :]
    place = bisect_right(ordered, score)
    return ScoreHistory((*recent, score), (*ordered[:place], score, *ordered[place:]))


def rebuild(stored: Iterable[tuple[float, float]], limit: int) -> ScoreHistory:
    """Restore the history from stored (expected_return, uncertainty) pairs, oldest first, exactly as it was."""
    scores = [score for score in (score_of(*pair) for pair in stored) if score != 0.0][-limit:]
    return ScoreHistory(tuple(scores), tuple(sorted(scores)))
