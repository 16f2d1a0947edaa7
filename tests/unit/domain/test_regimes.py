"""Regimes read the past only, and say what their rule says."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.ranks import trailing_rank
from services.domain.regimes import HELD_DAYS, REGIMES, UNCLASSIFIED, classify, window_bars

BARS = 6
"""Bars a day, to keep the windows short."""


def walk(n: int, seed: int, scale: float = 0.01) -> np.ndarray:
    return np.exp(np.cumsum(np.random.default_rng(seed).normal(0.0, scale, n)))


def test_rank_counts_the_past_with_ties_as_half() -> None:
    ranks = trailing_rank(np.array([1.0, 2.0, 2.0, np.nan, 0.0, 3.0]), history=4, at_least=2)
    assert np.isnan(ranks[:2]).all()
    assert ranks[2] == 0.75
    assert np.isnan(ranks[3])
    assert ranks[4] == 0.0
    assert ranks[5] == 1.0


def test_rank_forgets_what_is_older_than_its_history() -> None:
    ranks = trailing_rank(np.array([9.0, 1.0, 1.0, 2.0]), history=2, at_least=1)
    assert ranks[3] == 1.0


@settings(max_examples=30, deadline=None)
@given(cut=st.integers(260, 700), seed=st.integers(0, 1_000))
def test_later_prices_change_no_earlier_regime(cut: int, seed: int) -> None:
    close = walk(800, seed)
    changed = close.copy()
    changed[cut:] *= np.random.default_rng(seed + 1).uniform(0.5, 2.0, 800 - cut)
    assert (classify(close, BARS)[:cut] == classify(changed, BARS)[:cut]).all()
    assert (classify(close, BARS)[:cut] == classify(close[:cut], BARS)).all()


def test_a_burst_of_volatility_is_high_vol_whatever_the_trend() -> None:
    steps = np.random.default_rng(3).normal(0.0, 0.001, 600)
    steps[-BARS:] = 0.02
    assert classify(np.exp(np.cumsum(steps)), BARS)[-1] == "high_vol"


def test_a_week_in_one_direction_is_a_trend_and_a_week_back_and_forth_is_chop() -> None:
    quiet = np.random.default_rng(4).normal(0.0, 0.01, 600)
    week = 7 * BARS
    for drift, name in ((0.004, "trend_up"), (-0.004, "trend_down")):
        steps = quiet.copy()
        steps[-week:] = drift
        assert classify(np.exp(np.cumsum(steps)), BARS)[-1] == name
    steps = quiet.copy()
    steps[-week:] = 0.004 * (-1.0) ** np.arange(week)
    assert classify(np.exp(np.cumsum(steps)), BARS)[-1] == "chop"


def test_too_short_a_past_or_a_hole_in_the_week_is_unclassified() -> None:
    close = walk(600, 5)
    assert set(classify(close[: 30 * BARS], BARS)) == {UNCLASSIFIED}
    close[590] = np.nan
    found = classify(close, BARS)
    assert found[591] == UNCLASSIFIED
    assert found[589] in REGIMES


@settings(max_examples=30, deadline=None)
@given(at=st.integers(200, 899), seed=st.integers(0, 1_000), hole=st.booleans())
def test_a_fixed_number_of_bars_says_what_the_whole_history_says(at: int, seed: int, hole: bool) -> None:
    close = walk(900, seed)
    if hole:
        close[at - 50] = np.nan
    window = close[max(0, at + 1 - window_bars(BARS)) : at + 1]
    whole = classify(close, BARS)
    assert classify(window, BARS)[-1] == whole[at]
    assert classify(window, BARS, since=len(window) - 1)[-1] == whole[at]
    assert (classify(close, BARS, since=at)[at:] == whole[at:]).all()


def changes(said: np.ndarray) -> int:
    return int((said[1:] != said[:-1]).sum())


def test_what_lies_between_the_bounds_changes_nothing() -> None:
    # Without its lower bound the rule would change its word wherever the value passes the upper one.
    close = walk(3_000, 9)
    step = np.diff(np.log(close), prepend=np.nan)
    week = 7 * BARS
    size = np.sqrt(np.lib.stride_tricks.sliding_window_view(step * step, week).sum(axis=-1))
    way = np.log(close[week - 1 :] / np.concatenate(([np.nan], close[:-week]))[: len(size)])
    once = np.select([way > size, way < -size], ["trend_up", "trend_down"], "chop")
    found = classify(close, BARS)[week - 1 :]
    calm = (found != UNCLASSIFIED) & (found != "high_vol")
    assert changes(found[calm]) < 0.7 * changes(once[calm])
    assert set(found[calm]) == {"trend_up", "trend_down", "chop"}


def test_a_regime_that_is_not_confirmed_ends_after_three_days() -> None:
    # A volatility that stays between the percentiles: high_vol is believed for a while and no longer.
    chance = np.random.default_rng(12)
    scales = np.repeat(chance.uniform(0.5, 1.5, 110), BARS)
    steps = scales * 0.01 * np.tile([1.0, -1.0], len(scales) // 2)
    past = np.sort(scales[-90 * BARS - BARS : -BARS])
    burst, between = past[-1] * 1.5, past[int(0.75 * len(past))]
    after = np.repeat([burst, between], [BARS, 10 * BARS]) * 0.01 * np.tile([1.0, -1.0], 11 * BARS // 2)
    found = classify(np.exp(np.cumsum(np.concatenate((steps, after)))), BARS)[-10 * BARS :]
    assert (found[: HELD_DAYS * BARS] == "high_vol").all()
    assert (found[(HELD_DAYS + 1) * BARS :] == "chop").all()
