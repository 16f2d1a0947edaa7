"""The Diebold-Mariano test against statsmodels, and its size on forecasts without skill."""

import numpy as np
import pytest

from services.inference.evaluate import diebold_mariano, measure

statsmodels = pytest.importorskip("statsmodels.tsa.stattools", reason="statsmodels checks our arithmetic where it is")

CHANCE = np.random.default_rng(21)


def losses(realised: np.ndarray, expected: np.ndarray) -> np.ndarray:
    gain: np.ndarray = realised**2 - (realised - expected) ** 2
    return gain


def test_one_bar_ahead_equals_statsmodels_to_the_last_digit() -> None:
    realised, expected = CHANCE.normal(0.0, 0.01, 500), CHANCE.normal(0.0, 0.004, 500)
    known = statsmodels.diebold_mariano_test(
        realised, np.zeros(500), expected, lags=0, harvey_adj=True, horizon=1
    ).pvalue
    assert diebold_mariano(losses(realised, expected), 1) == pytest.approx(known, rel=1e-9)


def test_falling_weights_equal_statsmodels_where_equal_weights_give_no_variance() -> None:
    noise = CHANCE.normal(0.0, 0.01, 202)
    # Differences of differences: what one row gains the next loses, so that equal weights over one lag go below zero.
    realised = 0.05 + np.diff(noise, n=2)
    gain = realised
    centred = gain - gain.mean()
    assert float(centred @ centred) + 2.0 * float(centred[1:] @ centred[:-1]) < 0.0
    # With a loss that is the series itself, statsmodels tests the same mean.
    known = statsmodels.diebold_mariano_test(
        realised, np.zeros(200), realised, criterion=lambda y, f: y - f, lags=8, harvey_adj=True, horizon=2
    ).pvalue
    assert diebold_mariano(gain, 2) == pytest.approx(known, rel=1e-6)


def test_twelve_bars_ahead_agrees_with_statsmodels_over_a_wide_bandwidth() -> None:
    steps = CHANCE.normal(0.0, 0.01, 9_011)
    realised = np.convolve(steps, np.ones(12), "valid")
    expected = 0.05 * realised + np.repeat(CHANCE.normal(0.0, 0.004, 90), 100)
    known = statsmodels.diebold_mariano_test(
        realised, np.zeros(9_000), expected, lags=96, harvey_adj=True, horizon=12
    ).pvalue
    ours = diebold_mariano(losses(realised, expected), 12)
    assert ours is not None
    assert ours == pytest.approx(known, abs=0.05)


def test_overlapping_forecasts_without_skill_are_rarely_called_significant() -> None:
    called = 0
    for _ in range(300):
        steps = CHANCE.standard_t(4, 611) * 0.01
        realised = np.convolve(steps, np.ones(12), "valid")
        expected = np.convolve(CHANCE.normal(0.0, 0.0006, 647), np.ones(48), "valid")
        # The forecast's own square is what it costs on average: with it given back, neither side is better.
        gain = losses(realised, expected) + expected**2
        called += (diebold_mariano(gain, 12) or 1.0) < 0.05
    assert called < 27, "5 % is meant; weights that fall over the overlap give 10 %"


def test_measure_uses_the_same_test() -> None:
    realised, expected = CHANCE.normal(0.0, 0.01, 400), CHANCE.normal(0.0, 0.002, 400)
    errors = measure(expected, realised, 12)
    assert errors is not None
    assert errors.p_value == diebold_mariano(losses(realised, expected), 12)
