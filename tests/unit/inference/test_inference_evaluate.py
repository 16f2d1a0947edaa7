import math

import numpy as np
import pytest

from services.inference.evaluate import diebold_mariano, measure, verdict, wilson

CHANCE = np.random.default_rng(11)
REALISED = CHANCE.normal(0.0, 0.02, 3_000)


def test_a_forecast_of_nothing_is_the_random_walk_itself() -> None:
    errors = measure(np.zeros(3_000), REALISED, 12)
    assert errors is not None
    assert errors.ratio == 1.0
    assert errors.rmse == errors.rmse_random_walk
    assert errors.direction_n == 0
    assert errors.direction_right is None
    assert verdict("BTC/USDT", errors, 12).startswith("BTC/USDT: only the random walk has forecast so far (3,000 hours")


def test_a_forecast_that_knows_is_called_better() -> None:
    errors = measure(REALISED * 0.5, REALISED, 12)
    assert errors is not None
    assert errors.ratio == pytest.approx(0.5)
    assert errors.direction_right == 1.0
    assert errors.p_value is not None
    assert errors.p_value < 0.001
    assert "better than the random walk (RMSE" in verdict("BTC/USDT", errors, 12)


def test_noise_is_called_no_better() -> None:
    errors = measure(CHANCE.normal(0.0, 0.01, 3_000), REALISED, 12)
    assert errors is not None
    assert errors.ratio > 1.0
    text = verdict("BTC/USDT", errors, 12)
    assert "worse than the random walk" in text
    assert "about 250 independent" in text


def test_direction_interval_counts_independent_stretches_and_not_hours() -> None:
    errors = measure(np.abs(REALISED), REALISED, 12)
    assert errors is not None
    assert errors.direction_right is not None
    assert (errors.direction_low, errors.direction_high) == wilson(errors.direction_right, 250)


def test_unknown_outcomes_are_left_out() -> None:
    expected, realised = np.array([0.01, math.nan, 0.02]), np.array([0.02, 0.01, math.nan])
    errors = measure(expected, realised, 1)
    assert errors is not None
    assert errors.n == 1
    assert measure(np.array([math.nan]), np.array([1.0]), 1) is None
    assert verdict("X", None, 1) == "X: no forecast could be compared with what came."


def test_wilson_interval_matches_its_published_example() -> None:
    low, high = wilson(0.5, 10)
    assert low == pytest.approx(0.2366, abs=1e-4)
    assert high == pytest.approx(0.7634, abs=1e-4)


def test_diebold_mariano_needs_enough_rows_and_some_difference() -> None:
    assert diebold_mariano(np.ones(24), 12) is None
    assert diebold_mariano(np.zeros(100), 12) is None


def test_diebold_mariano_is_rarely_sure_about_pure_chance() -> None:
    chance = np.random.default_rng(5)
    sure = sum(
        (diebold_mariano(np.convolve(chance.normal(size=600), np.ones(12), "valid"), 12) or 1) < 0.05
        for _ in range(200)
    )
    assert sure < 40
