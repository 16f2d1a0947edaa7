"""Water-filling: bounds, classes, cash, and independence of order."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.signals.sharing import Bound, share

COMMON = Bound(0.10, 0.45, "crypto")
BUDGET = 0.80
names = st.text("ABCDEFGHIJKLMNOP", min_size=1, max_size=3)
scores = st.dictionaries(names, st.floats(-1.0, 1e6, allow_nan=False), max_size=14)
CLASSES = ("crypto", "stocks", "meme")


def shared(given_scores: dict[str, float], bound: Bound = COMMON, budget: float = BUDGET) -> dict[str, float]:
    return share(given_scores, dict.fromkeys(given_scores, bound), budget, {})


@pytest.mark.parametrize(
    ("given_scores", "weights"),
    [
        ({}, {}),
        ({"A": 0.0, "B": -1.0}, {}),
        ({"A": 5.0}, {"A": 0.45}),
        ({"A": 1.0, "B": 1.0}, {"A": 0.40, "B": 0.40}),
        ({"A": 3.0, "B": 1.0}, {"A": 0.45, "B": 0.35}),  # what A loses to its bound goes to B
        ({"A": 1.0, "B": 1.0, "C": 0.1}, {"A": 0.40, "B": 0.40}),  # C's share would be 3.8 %
        ({"A": 2.0, "B": 1.0, "C": 1.0}, {"A": 0.40, "B": 0.20, "C": 0.20}),
        ({"A": 5e-324, "B": 1e300}, {"A": 0.35, "B": 0.45}),
    ],
)
def test_shares_follow_scores_within_their_bounds(given_scores: dict[str, float], weights: dict[str, float]) -> None:
    assert shared(given_scores) == pytest.approx(weights)


def test_with_more_assets_than_fit_the_lowest_scores_leave() -> None:
    found = shared({f"S{n:02}": 1.0 + n / 100 for n in range(12)})
    assert sorted(found) == [f"S{n:02}" for n in range(5, 12)]  # of eight, the lowest would get 9.8 %
    equal = shared({f"S{n:02}": 1.0 for n in range(12)})
    assert equal == pytest.approx({f"S{n:02}": 0.10 for n in range(4, 12)})


def test_what_a_class_may_not_have_goes_to_the_others() -> None:
    bounds = {"BTC": COMMON, "NVDA": Bound(0.10, 0.40, "stocks"), "AMD": Bound(0.10, 0.40, "stocks")}
    found = share({"BTC": 1.0, "NVDA": 3.0, "AMD": 1.0}, bounds, BUDGET, {"stocks": 0.40})
    assert found == pytest.approx({"BTC": 0.40, "NVDA": 0.30, "AMD": 0.10})


def test_a_class_that_is_full_gives_up_its_lowest_score() -> None:
    bounds = {"GME": Bound(0.02, 0.02, "meme"), "AMC": Bound(0.02, 0.02, "meme"), "OPEN": Bound(0.02, 0.02, "meme")}
    found = share({"GME": 3.0, "AMC": 1.0, "OPEN": 2.0}, bounds, BUDGET, {"meme": 0.05})
    assert found == pytest.approx({"GME": 0.02, "OPEN": 0.02})


def test_an_asset_with_a_bound_below_the_common_least_gets_that_bound() -> None:
    bounds = {"BTC": COMMON, "NVDA": Bound(0.08, 0.08, "stocks")}
    assert share({"BTC": 1.0, "NVDA": 1.0}, bounds, BUDGET, {}) == pytest.approx({"BTC": 0.45, "NVDA": 0.08})


@st.composite
def markets(draw: st.DrawFn) -> tuple[dict[str, float], dict[str, Bound], float, dict[str, float]]:
    given_scores = draw(scores)
    bounds = {}
    for symbol in given_scores:
        low, high = sorted((draw(st.floats(0.0, 0.5)), draw(st.floats(0.0, 0.5))))
        bounds[symbol] = Bound(low, high, draw(st.sampled_from(CLASSES)))
    caps = draw(st.dictionaries(st.sampled_from(CLASSES), st.floats(0.0, 1.0)))
    return given_scores, bounds, draw(st.floats(0.1, 1.0)), caps


@settings(max_examples=600)
@given(markets())
def test_no_bound_of_an_asset_a_class_or_the_whole_is_passed(
    market: tuple[dict[str, float], dict[str, Bound], float, dict[str, float]],
) -> None:
    given_scores, bounds, budget, caps = market
    weights = share(given_scores, bounds, budget, caps)
    assert sum(weights.values()) <= budget + 1e-9
    for symbol, weight in weights.items():
        assert given_scores[symbol] > 0
        assert bounds[symbol].low - 1e-9 <= weight <= bounds[symbol].high + 1e-9
    for name, cap in caps.items():
        assert sum(w for s, w in weights.items() if bounds[s].asset_class == name) <= cap + 1e-9


@settings(max_examples=300)
@given(markets())
def test_nothing_is_left_that_somebody_in_could_still_have(
    market: tuple[dict[str, float], dict[str, Bound], float, dict[str, float]],
) -> None:
    given_scores, bounds, budget, caps = market
    weights = share(given_scores, bounds, budget, caps)
    if not weights or sum(weights.values()) >= budget - 1e-9:
        return
    for symbol, weight in weights.items():
        name = bounds[symbol].asset_class
        together = sum(w for s, w in weights.items() if bounds[s].asset_class == name)
        assert weight >= bounds[symbol].high - 1e-9 or together >= caps.get(name, 2.0) - 1e-9


@settings(max_examples=200)
@given(markets(), st.randoms(use_true_random=False))
def test_the_order_of_the_scores_does_not_matter(
    market: tuple[dict[str, float], dict[str, Bound], float, dict[str, float]], chance: random.Random
) -> None:
    given_scores, bounds, budget, caps = market
    items = list(given_scores.items())
    chance.shuffle(items)
    assert share(dict(items), bounds, budget, caps) == share(given_scores, bounds, budget, caps)


@settings(max_examples=200)
@given(scores)
def test_a_higher_score_never_gets_a_smaller_share(given_scores: dict[str, float]) -> None:
    weights = shared(given_scores)
    ranked = sorted(weights, key=lambda s: given_scores[s])
    for lower, higher in pairwise(ranked):
        assert weights[lower] <= weights[higher] + 1e-12
