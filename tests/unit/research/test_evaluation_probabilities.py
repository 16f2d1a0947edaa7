"""p_up keeps its word or not, and the report says which."""

from dataclasses import replace

import numpy as np
import pytest
from evaluation_cases import asset

from services.research.evaluation_scores import calibration


def test_honest_probabilities_have_a_small_calibration_error() -> None:
    chance = np.random.default_rng(1)
    rows = asset(n=6_000, seed=3)
    p_up = chance.uniform(0.2, 0.8, 6_000)
    realised = np.where(chance.uniform(size=6_000) < p_up, 0.01, -0.01)
    found = calibration([replace(rows, p_up=p_up, realised=realised)])
    assert found is not None
    assert found.expected_error < 0.03
    assert found.brier < found.brier_base_rate
    assert [one.n for one in found.bins[:2]] == [0, 0]
    assert found.bins[0].rose is None
    assert sum(one.n for one in found.bins) == found.n == 6_000
    assert all(one.n == 600 for one in found.tenths)
    edges = [(one.low, one.high) for one in found.tenths]
    assert edges == sorted(edges)
    for one in found.bins[2:8]:
        assert one.said == pytest.approx(one.rose, abs=0.08)


def test_boasting_probabilities_are_found_out() -> None:
    found = calibration([asset(honest_p_up=False)])
    assert found is not None
    assert found.expected_error > 0.2
    assert found.brier > found.brier_base_rate


def test_always_saying_the_base_rate_is_calibrated_and_worth_its_brier_score() -> None:
    rows = asset(n=2_000)
    rose = float(np.mean(rows.realised[np.isfinite(rows.realised)] > 0.0))
    found = calibration([replace(rows, p_up=np.full(2_000, rose))])
    assert found is not None
    assert found.expected_error == pytest.approx(0.0, abs=1e-12)
    assert found.brier == pytest.approx(found.brier_base_rate)
    assert found.base_rate == pytest.approx(rose)


def test_pooled_assets_add_rows_but_no_independent_ones() -> None:
    one, both = calibration([asset(seed=1)]), calibration([asset(seed=1), asset("ETH/USDT", seed=2)])
    assert one is not None
    assert both is not None
    assert both.n == 2 * one.n
    assert both.independent == one.independent
    assert both.symbol == "*"


def test_a_forecast_without_probability_is_not_calibrated() -> None:
    rows = asset(n=500)
    assert calibration([replace(rows, p_up=np.full(500, np.nan))]) is None
