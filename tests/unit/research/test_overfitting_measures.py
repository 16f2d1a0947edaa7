"""Sharpe ratios after a search: against the papers' own examples, and against noise and planted skill."""

import math

import numpy as np
import pytest

from services.research.overfitting import (
    Moments,
    best_of_noise,
    deflated_sharpe,
    moments,
    overfitting,
    probabilistic_sharpe,
    variance_of,
)


def test_deflated_sharpe_matches_the_example_of_its_paper() -> None:
    # Annual Sharpe 2.5 over 1,250 days of 250 a year, skew -3, kurtosis 10, best of 100 whose variance is 1/2 a year.
    found = Moments(n=1_250, sharpe=2.5 / math.sqrt(250), skew=-3.0, kurtosis=10.0)
    assert best_of_noise(100, 0.5 / 250) == pytest.approx(0.1132, abs=1e-4)
    assert deflated_sharpe(found, 100, 0.5 / 250) == pytest.approx(0.9004, abs=1e-3)


def test_probabilistic_sharpe_of_nothing_is_one_half_and_falls_with_the_benchmark() -> None:
    assert probabilistic_sharpe(Moments(500, 0.0, 0.0, 3.0)) == 0.5
    found = Moments(500, 0.05, 0.0, 3.0)
    assert probabilistic_sharpe(found) > probabilistic_sharpe(found, 0.03) > 0.5
    fat = Moments(500, 0.05, -2.0, 12.0)
    assert probabilistic_sharpe(fat) < probabilistic_sharpe(found)


def test_the_best_of_a_thousand_noise_strategies_over_two_years_looks_splendid_and_is_expected() -> None:
    days = np.random.default_rng(2).normal(0.0, 0.01, (504, 1_000))
    sharpes = days.mean(axis=0) / days.std(axis=0, ddof=1)
    expected = best_of_noise(1_000, variance_of(sharpes.tolist()))
    assert sharpes.max() * math.sqrt(252) > 2.0
    assert sharpes.max() == pytest.approx(expected, rel=0.15)
    best = moments(days[:, int(sharpes.argmax())])
    assert best is not None
    assert probabilistic_sharpe(best) > 0.99
    assert deflated_sharpe(best, 1_000, variance_of(sharpes.tolist())) < 0.80


def test_moments_are_those_of_scipy_and_undefined_without_variation() -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy comes with lightgbm")
    values = np.random.default_rng(3).gamma(2.0, 0.01, 400)
    found = moments(values)
    assert found is not None
    assert found.skew == pytest.approx(stats.skew(values))
    assert found.kurtosis == pytest.approx(stats.kurtosis(values, fisher=False))
    assert moments(np.zeros(100)) is None
    assert moments(np.array([0.1, 0.2])) is None


def test_overfitting_is_near_one_half_on_noise_over_many_draws() -> None:
    chance = np.random.default_rng(4)
    found = [overfitting(chance.normal(0.0, 0.01, (365, 30)), blocks=8) for _ in range(40)]
    probabilities = [one.probability for one in found if one is not None]
    assert len(probabilities) == 40
    assert 0.38 < float(np.mean(probabilities)) < 0.60
    assert float(np.std(probabilities)) > 0.08


def test_overfitting_is_small_where_one_configuration_has_skill() -> None:
    days = np.random.default_rng(5).normal(0.0, 0.01, (365, 30))
    days[:, 7] += 0.004
    found = overfitting(days)
    assert found is not None
    assert found.splits == 924
    assert found.probability < 0.02
    assert found.loss < 0.02
    assert found.rank_median > 0.9


def test_overfitting_is_not_claimed_for_one_configuration_or_a_few_days() -> None:
    assert overfitting(np.zeros((400, 1))) is None
    assert overfitting(np.zeros((20, 5))) is None
    still = overfitting(np.zeros((400, 5)))
    assert still is not None
    assert still.probability == 0.5
