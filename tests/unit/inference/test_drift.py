import numpy as np

from services.inference.drift import feature_drift, stability_index
from services.inference.series import Floats

NAMES = ("steady", "moving")


def table(shift: float, n: int = 4_000, newest: int = 400) -> Floats:
    """Synthetic features: the first never changes its distribution, the second moves in the newest rows."""
    chance = np.random.default_rng(3)
    x = chance.normal(0.0, 1.0, (n, 2))
    x[-newest:, 1] += shift
    return x


def test_the_same_distribution_is_no_drift() -> None:
    found = feature_drift(table(0.0), 400, NAMES)
    assert found is not None
    assert not found.marked


def test_a_shift_is_named_with_the_feature_and_what_was_usual() -> None:
    found = feature_drift(table(3.0), 400, NAMES)
    assert found is not None
    assert found.worst == "moving"
    assert found.marked
    assert found.index > 10 * found.usual
    assert "most of all moving: stability index" in str(found)


def test_a_slow_feature_that_always_wanders_is_not_called_drift() -> None:
    chance = np.random.default_rng(5)
    seasons = np.repeat(chance.normal(0.0, 2.0, 20), 200)
    slow = np.column_stack([seasons + chance.normal(0.0, 0.1, 4_000), chance.normal(0.0, 1.0, 4_000)])
    slow[-200:, 0] = slow[2_000:2_200, 0]
    found = feature_drift(slow, 200, NAMES)
    assert found is not None
    assert stability_index(slow[:-200, 0], slow[-200:, 0]) > 0.25, "the usual reading would have cried drift"
    assert not found.marked


def test_too_little_past_or_no_spread_says_nothing() -> None:
    assert feature_drift(table(0.0)[:1_500], 400, NAMES) is None
    assert feature_drift(np.ones((4_000, 2)), 400, NAMES) is None
    assert stability_index(np.array([np.nan, np.nan]), np.array([1.0])) == 0.0


def test_the_index_is_that_of_its_definition() -> None:
    before, now = np.arange(1_000, dtype=np.float64), np.concatenate([np.zeros(500), np.arange(500, 1_000.0)])
    edges = np.quantile(before, np.linspace(0.0, 1.0, 11)[1:-1])
    expected = np.array([np.mean(np.searchsorted(edges, before) == i) for i in range(10)])
    seen = np.maximum([np.mean(np.searchsorted(edges, now) == i) for i in range(10)], 1e-4)
    assert stability_index(before, now) == float(np.sum((seen - expected) * np.log(seen / expected)))
