"""Edges after costs: a planted one is found, chance is not, and costs are paid."""

from dataclasses import replace

import numpy as np
import pytest
from evaluation_cases import asset

from services.research.evaluation_edges import edge_verdict, edges
from services.research.evaluation_report import ALL
from services.research.evaluation_rows import NO_BUCKET, AssetForecasts


def planted(bucket: int, gain: float, n: int = 6_000) -> AssetForecasts:
    """Make the forecasts of one bucket right by a fixed gain, the others by nothing."""
    rows = asset(n=n, seed=5)
    signs = np.sign(rows.ensemble.expected)
    noise = np.random.default_rng(6).normal(0.0, 0.01, n)
    return replace(rows, realised=np.where(rows.bucket == bucket, signs * gain, 0.0) + noise)


def test_a_planted_edge_is_found_where_it_is_and_nowhere_else() -> None:
    cells = edges([planted(7, 0.01)], seed=1)
    found = [one for one in cells if one.significant]
    assert found
    assert {one.bucket for one in found} == {7}
    (whole,) = [one for one in cells if one.regime == ALL and one.bucket == 7]
    assert whole.significant
    assert whole.low_bps is not None
    assert whole.high_bps is not None
    assert whole.low_bps < 100.0 - 24.0 < whole.high_bps
    assert "stay above zero at a false discovery rate of 5 %: BTC/USDT" in edge_verdict(cells)


def test_an_edge_smaller_than_the_costs_is_none() -> None:
    cells = edges([planted(7, 0.0015)], seed=1)
    (whole,) = [one for one in cells if one.regime == ALL and one.bucket == 7]
    assert whole.gross_bps > 0.0
    assert whole.edge_bps == pytest.approx(whole.gross_bps - 24.0)
    assert not whole.significant
    assert edge_verdict(cells).startswith("No edge after costs")


def test_chance_rarely_passes_the_false_discovery_control() -> None:
    passed = sum(
        any(one.significant for one in edges([asset(n=1_500, seed=i, cost_bps=0.0)], seed=i)) for i in range(40)
    )
    assert passed <= 5


def test_every_forecast_with_a_direction_is_in_one_bucket_and_one_regime() -> None:
    rows = asset(n=3_000)
    rows.bucket[:100] = NO_BUCKET
    cells = edges([rows], seed=1)
    (everything,) = [one for one in cells if one.regime == ALL and one.bucket is None]
    assert everything.n == 3_000 - 100 - 12
    assert sum(one.n for one in cells if one.regime == ALL and one.bucket is not None) == everything.n
    classified = sum(one.n for one in cells if one.regime != ALL and one.bucket is None)
    assert 0 < classified < everything.n


def test_cells_with_few_independent_forecasts_have_no_interval() -> None:
    cells = edges([asset(n=1_500)], seed=1)
    few = [one for one in cells if one.independent < 10]
    assert few
    assert all(one.low_bps is None and one.q_value is None and not one.significant for one in few)


def test_all_assets_together_keep_their_moments_together() -> None:
    first = asset("BTC/USDT", n=2_000, seed=1)
    twin = replace(first, symbol="ETH/USDT")
    cells = edges([first, twin], seed=1)
    (alone,) = [one for one in cells if (one.symbol, one.regime, one.bucket) == ("BTC/USDT", ALL, None)]
    (both,) = [one for one in cells if (one.symbol, one.regime, one.bucket) == (ALL, ALL, None)]
    assert both.n == 2 * alone.n
    assert both.edge_bps == pytest.approx(alone.edge_bps)
    # A copy of an asset adds nothing: the interval must not shrink.
    assert both.low_bps == pytest.approx(alone.low_bps, rel=0.02)
    assert both.independent == alone.independent
