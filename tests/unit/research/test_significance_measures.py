"""Intervals and p-values that know about overlap and about how much was looked at."""

import numpy as np
import pytest

from services.research.significance import (
    benjamini_hochberg,
    holm,
    independent_stretches,
    mean_of_trades,
    means,
    resamples,
)

P_VALUES = [0.01, 0.04, None, 0.03, 0.005]


def test_holm_steps_down_and_never_falls() -> None:
    assert holm(P_VALUES) == pytest.approx([0.03, 0.06, None, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_benjamini_hochberg_steps_up() -> None:
    assert benjamini_hochberg(P_VALUES) == pytest.approx([0.02, 0.04, None, 0.04, 0.02])
    assert benjamini_hochberg([None]) == [None]


def test_corrections_agree_with_statsmodels() -> None:
    multi = pytest.importorskip("statsmodels.stats.multitest", reason="statsmodels checks our arithmetic where it is")
    chance = np.random.default_rng(1).uniform(size=40) ** 3
    assert holm(chance.tolist()) == pytest.approx(multi.multipletests(chance, method="holm")[1])
    assert benjamini_hochberg(chance.tolist()) == pytest.approx(multi.multipletests(chance, method="fdr_bh")[1])


def test_every_resample_has_whole_blocks_and_every_row_is_as_likely() -> None:
    draws = resamples(100, 10, 4_000, seed=1)
    assert draws.shape == (4_000, 100)
    assert (draws.sum(axis=1) == 100).all()
    assert draws.mean(axis=0) == pytest.approx(np.ones(100), abs=0.1)
    assert (resamples(5, 10, 3, seed=1).sum(axis=1) == 5).all()


def test_stretches_that_share_no_bar() -> None:
    assert independent_stretches(np.arange(100), 12) == 9
    assert independent_stretches(np.array([0, 5, 11, 12, 40]), 12) == 3
    assert independent_stretches(np.array([], dtype=np.int64), 12) == 0


def test_overlapping_returns_get_an_interval_that_holds_as_often_as_it_says() -> None:
    chance, horizon, n = np.random.default_rng(6), 12, 1_500
    draws = resamples(n, 8 * horizon, 300, seed=2)
    rows = np.arange(n)
    missed = 0
    for _ in range(200):
        values = np.convolve(chance.normal(0.0, 0.01, n + horizon - 1), np.ones(horizon), "valid")
        (found,) = means(values, [rows], [n // horizon], draws, rows, 8 * horizon)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        missed += not found.low <= 0.0 <= found.high
    # 5 % is meant; an interval that took the rows for independent would miss about half of the time.
    assert missed < 26


def test_a_group_without_enough_stretches_has_a_mean_and_no_interval() -> None:
    values = np.random.default_rng(7).normal(size=200)
    rows = np.arange(200)
    groups = [rows[:30], rows, rows[:0]]
    few, all_rows, none = means(values, groups, [3, 17, 0], resamples(200, 16, 100, seed=1), rows, 16)
    assert none is None
    assert few is not None
    assert few.mean == pytest.approx(values[:30].mean())
    assert (few.low, few.high, few.p_value) == (None, None, None)
    assert all_rows is not None
    assert all_rows.p_value is not None


def test_a_group_in_few_blocks_of_time_has_no_interval_however_many_stretches_it_has() -> None:
    values = np.random.default_rng(7).normal(size=200)
    rows = np.arange(200)
    (found,) = means(values, [rows], [17], resamples(200, 24, 100, seed=1), rows, 24)
    assert found is not None
    assert (found.independent, found.p_value) == (9, None)


def test_mean_of_trades_is_student() -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy comes with lightgbm")
    values = np.random.default_rng(8).normal(0.3, 1.0, 40)
    found, known = mean_of_trades(values), stats.ttest_1samp(values, 0.0, alternative="greater")
    assert found is not None
    assert found.p_value == pytest.approx(known.pvalue)
    assert mean_of_trades(np.array([])) is None
    single = mean_of_trades(np.array([1.0]))
    assert single is not None
    assert single.low is None
