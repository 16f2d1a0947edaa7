"""The division of the portfolio: bounds, cash, and independence of order."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.signals.allocation import allocate

BOUNDS = {"min_weight": 0.10, "max_weight": 0.45, "min_cash": 0.20}
names = st.text("ABCDEFGHIJKLMNOP", min_size=1, max_size=3)
scores = st.dictionaries(names, st.floats(-1.0, 1e6, allow_nan=False), max_size=14)


@pytest.mark.parametrize(
    ("given_scores", "weights", "cash"),
    [
        ({}, {}, 1.0),
        ({"A": 0.0, "B": -1.0}, {}, 1.0),
        ({"A": 5.0}, {"A": 0.45}, 0.55),
        ({"A": 1.0, "B": 1.0}, {"A": 0.40, "B": 0.40}, 0.20),
        ({"A": 3.0, "B": 1.0}, {"A": 0.45, "B": 0.35}, 0.20),  # what A loses to its bound goes to B
        ({"A": 1.0, "B": 1.0, "C": 0.1}, {"A": 0.40, "B": 0.40}, 0.20),  # C's share would be 3.8 %
        ({"A": 2.0, "B": 1.0, "C": 1.0}, {"A": 0.40, "B": 0.20, "C": 0.20}, 0.20),
    ],
)
def test_shares_follow_scores_within_their_bounds(
    given_scores: dict[str, float], weights: dict[str, float], cash: float
) -> None:
    found, left = allocate(given_scores, **BOUNDS)
    assert found == pytest.approx(weights)
    assert left == pytest.approx(cash)


def test_with_more_assets_than_fit_the_lowest_scores_leave() -> None:
    found, _ = allocate({f"S{n:02}": 1.0 + n / 100 for n in range(12)}, **BOUNDS)
    assert sorted(found) == [f"S{n:02}" for n in range(5, 12)]  # of eight, the lowest would get 9.8 %
    equal, _ = allocate({f"S{n:02}": 1.0 for n in range(12)}, **BOUNDS)
    assert equal == pytest.approx({f"S{n:02}": 0.10 for n in range(4, 12)})


@settings(max_examples=400)
@given(scores)
def test_weights_stay_within_bounds_and_sum_with_cash_to_one(given_scores: dict[str, float]) -> None:
    weights, cash = allocate(given_scores, **BOUNDS)
    assert sum(weights.values()) + cash == pytest.approx(1.0, abs=1e-12)
    assert cash >= 0.20 - 1e-9
    for symbol, weight in weights.items():
        assert given_scores[symbol] > 0
        assert 0.10 - 1e-9 <= weight <= 0.45 + 1e-9


@settings(max_examples=200)
@given(scores, st.randoms(use_true_random=False))
def test_the_order_of_the_scores_does_not_matter(given_scores: dict[str, float], chance: object) -> None:
    items = list(given_scores.items())
    chance.shuffle(items)  # type: ignore[attr-defined]
    assert allocate(dict(items), **BOUNDS) == allocate(given_scores, **BOUNDS)


@settings(max_examples=200)
@given(scores)
def test_a_higher_score_never_gets_a_smaller_share(given_scores: dict[str, float]) -> None:
    weights, _ = allocate(given_scores, **BOUNDS)
    ranked = sorted(weights, key=lambda s: given_scores[s])
    for lower, higher in pairwise(ranked):
        assert weights[lower] <= weights[higher] + 1e-12


@settings(max_examples=200)
@given(scores, st.floats(0.01, 0.5), st.floats(0.01, 0.5), st.floats(0.0, 0.9))
def test_any_bounds_in_order_are_kept(given_scores: dict[str, float], a: float, b: float, min_cash: float) -> None:
    low, high = sorted((a, b))
    weights, cash = allocate(given_scores, min_weight=low, max_weight=high, min_cash=min_cash)
    assert cash >= min_cash - 1e-9
    assert all(low - 1e-9 <= w <= high + 1e-9 for w in weights.values())
