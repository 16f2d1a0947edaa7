"""Trades beside what research expects: by regime and bucket, corrected for what chance does with few trades."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from services.domain.mix import _deviation, mix_distance

TWELVE = {("high_vol", n): 1 / 12 for n in range(12)}
FOUR = {("trend_down", n): 0.25 for n in (5, 6, 7, 8)}
cells = st.sampled_from([("chop", n) for n in range(5)])


def test_trades_exactly_as_expected_are_at_no_distance_and_wholly_elsewhere_at_one() -> None:
    assert mix_distance(dict.fromkeys(FOUR, 5), FOUR) == 0.0
    assert mix_distance({("chop", 1): 10}, FOUR) == pytest.approx(1.0)
    assert mix_distance({("trend_down", 5): 40}, FOUR) == pytest.approx(0.72, abs=0.01), "one of four cells only"


def test_without_trades_or_without_an_expectation_there_is_none() -> None:
    assert mix_distance({}, FOUR) is None
    assert mix_distance({("chop", 1): 3}, {}) is None
    assert mix_distance({("chop", 1): 3}, {("chop", 1): 0.0}) is None


def test_one_trade_over_many_cells_tells_nothing_from_chance_but_is_elsewhere_when_it_is() -> None:
    assert mix_distance({("high_vol", 3): 1}, TWELVE) == pytest.approx(0.0)
    assert mix_distance({("chop", 3): 1}, TWELVE) == pytest.approx(1.0)


def test_ten_trades_that_follow_the_expectation_stay_far_below_the_gate_of_one_half() -> None:
    chance = np.random.default_rng(11)
    found, raw = [], []
    for _ in range(2000):
        counted = np.bincount(chance.integers(0, 12, 10), minlength=12)
        counts = {("high_vol", n): int(count) for n, count in enumerate(counted) if count}
        found.append(mix_distance(counts, TWELVE) or 0.0)
        raw.append(np.abs(counted / 10 - 1 / 12).sum() / 2)
    assert np.mean(raw) == pytest.approx(0.42, abs=0.01), "what chance alone does, as the module says"
    assert np.mean(found) < 0.06
    assert np.quantile(found, 0.99) < 0.4


@given(st.dictionaries(cells, st.integers(1, 30), min_size=1), st.dictionaries(cells, st.floats(0.01, 1.0), min_size=1))
def test_the_distance_is_a_fraction_and_does_not_depend_on_how_shares_are_scaled(
    counts: dict[tuple[str, int], int], expected: dict[tuple[str, int], float]
) -> None:
    found = mix_distance(counts, expected)
    assert found is not None
    assert 0.0 <= found <= 1.0 + 1e-12
    assert found == pytest.approx(mix_distance(counts, {cell: share * 7 for cell, share in expected.items()}), abs=1e-9)


@pytest.mark.parametrize("n", [1, 2, 10, 50])
@pytest.mark.parametrize("p", [0.0, 0.01, 0.25, 0.5, 0.9, 0.999999999999, 1.0])
def test_the_mean_deviation_of_a_count_is_the_binomials(n: int, p: float) -> None:
    law = binom.pmf(np.arange(n + 1), n, p)
    assert _deviation(n, p) == pytest.approx(float(np.abs(np.arange(n + 1) - n * p) @ law), rel=1e-9, abs=1e-11)
