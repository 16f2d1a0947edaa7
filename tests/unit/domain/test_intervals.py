"""Ninety per cent intervals: they hold the true value as often as they say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.intervals import profit_factor_interval, sharpe_interval, wilson
from services.domain.sharpe import moments


def test_a_share_is_bound_as_wilson_has_it() -> None:
    assert wilson(58, 100) == pytest.approx((0.4978, 0.6580), abs=1e-4)
    assert wilson(0, 10)[0] == pytest.approx(0.0)
    assert wilson(10, 10)[1] == pytest.approx(1.0)


@given(st.integers(1, 500), st.data())
def test_a_share_lies_within_its_bounds_and_more_trials_bring_them_closer(n: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, n))
    low, high = wilson(successes, n)
    assert 0.0 <= low <= successes / n <= high <= 1.0
    closer = wilson(successes * 4, n * 4)
    assert closer[1] - closer[0] < high - low


def test_nine_of_ten_sharpe_intervals_hold_the_true_value_tails_or_not() -> None:
    chance = np.random.default_rng(3)
    for draw in (chance.standard_normal, lambda size: chance.standard_t(5, size) / math.sqrt(5 / 3)):
        held = 0
        for _ in range(1500):
            found = moments(np.asarray(draw(120)) * 0.01 + 0.001)
            assert found is not None
            low, high = sharpe_interval(found, 365)
            held += low <= 0.1 * math.sqrt(365) <= high
        assert held / 1500 == pytest.approx(0.90, abs=0.03)


def test_the_profit_factors_interval_is_the_bootstraps() -> None:
    chance = np.random.default_rng(5)
    profits, losses = chance.exponential(1.3, 250), chance.exponential(1.0, 250)
    drawn = chance.integers(0, 250, (20_000, 250))
    wanted = np.quantile(profits[drawn].sum(axis=1) / losses[drawn].sum(axis=1), [0.05, 0.95])
    assert profit_factor_interval(profits, losses) == pytest.approx(wanted.tolist(), rel=0.02)


def test_nine_of_ten_profit_factor_intervals_hold_the_true_value() -> None:
    chance = np.random.default_rng(8)
    held = 0
    for _ in range(2000):
        pnl = chance.normal(0.1, 1.0, 100)
        low, high = profit_factor_interval(np.maximum(pnl, 0.0), np.maximum(-pnl, 0.0)) or (0.0, 0.0)
        held += low <= 1.285 <= high  # E max(x, 0) / E max(-x, 0) of this normal law
    assert held / 2000 == pytest.approx(0.90, abs=0.03)


def test_a_profit_factor_has_an_interval_only_with_profits_and_losses_on_two_days() -> None:
    one, none = np.array([1.0, 2.0]), np.zeros(2)
    assert profit_factor_interval(one, none) is None
    assert profit_factor_interval(none, one) is None
    assert profit_factor_interval(one[:1], one[:1]) is None
    found = profit_factor_interval(one, one[::-1])
    assert found is not None
    assert found[0] < 1.0 < found[1]
    assert found[0] * found[1] == pytest.approx(1.0)
