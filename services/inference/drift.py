"""Whether the present still looks like what a model learnt from, judged by its features' distributions. Pure.

The measure is the population stability index over deciles of the training rows (Siddiqi 2006). Its usual reading, above
0.25 is a marked shift, is for independent rows: two weeks of a slow feature always look shifted. So each feature's
newest index is compared with those of stretches as long within the training rows, and counts when it beats them all.
"""

from dataclasses import dataclass

import numpy as np

from services.inference.series import Floats

DECILES = 10
LEAST_SHARE = 1e-4
"""Stands for an empty decile, whose logarithm would be infinite."""
MARKED_SHARE = 0.25
"""Of the features: so many beyond all they have been is drift."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How much of the features lies beyond what it has been, and the feature that moved most beyond its own past."""

    share: float
    worst: str
    index: float
    usual: float
    """The largest index of the worst feature within the training rows."""

    @property
    def marked(self) -> bool:
        """Whether the models should be trained anew, and trusted less until then."""
        return self.share > MARKED_SHARE

    def __str__(self) -> str:
        return (
            f"{self.share:.0%} of the features lie beyond all they have been in the training rows; most of all "
            f"{self.worst}: stability index {self.index:.2f}, at most {self.usual:.2f} before"
        )


def stability_index(before: Floats, now: Floats) -> float:
    """Compare two samples of one feature (n,), (m,), NaN left out; 0.0 where either holds nothing or no spread."""
    before, now = before[np.isfinite(before)], now[np.isfinite(now)]
    edges = _edges(before)
    if len(now) == 0 or len(edges) < 1:
        return 0.0
    return _index(_shares(before, edges), _shares(now, edges))


def feature_drift(x: Floats, newest: int, names: tuple[str, ...]) -> Drift | None:
    """Compare the last ``newest`` rows of features (n, F), in time order, with all before; None with too few of those.

    At least four stretches of ``newest`` rows have to lie before.
    """
    stretches = (len(x) - newest) // newest
    if newest < 1 or stretches < 4:
        return None
    first = len(x) - newest * (stretches + 1)
    beyond: list[tuple[float, str, float, float]] = []
    for i, name in enumerate(names):
        parts = [x[first + k * newest : first + (k + 1) * newest, i] for k in range(stretches + 1)]
        before = np.concatenate(parts[:-1])
        before = before[np.isfinite(before)]
        edges = _edges(before)
        if len(edges) < 1:
            continue
        expected = _shares(before, edges)
        indices = [_index(expected, _shares(part[np.isfinite(part)], edges)) for part in parts]
        usual = max(indices[:-1])
        beyond.append((indices[-1] - usual, name, indices[-1], usual))
    if not beyond:
        return None
    _, worst, index, usual = max(beyond)
    return Drift(float(np.mean([one[0] > 0.0 for one in beyond])), worst, index, usual)


def _edges(before: Floats) -> Floats:
    if len(before) == 0:
        return np.empty(0)
    inner = np.linspace(0.0, 1.0, DECILES + 1)[1:-1]
    edges: Floats = np.unique(np.quantile(before, inner))
    return edges if before.min() < before.max() else np.empty(0)


def _shares(values: Floats, edges: Floats) -> Floats:
    counts = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
    return np.maximum(counts / max(1, len(values)), LEAST_SHARE)


def _index(expected: Floats, seen: Floats) -> float:
    return float(np.sum((seen - expected) * np.log(seen / expected)))
