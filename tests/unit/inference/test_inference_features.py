import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_cases import columns, scaled, walk, without

from services.inference import rolling
from services.inference.features import FEATURES, WINDOW, column, compute, features_hash


def test_one_bar_at_a_time_gives_the_same_bits_as_all_at_once() -> None:
    candles = walk(600)
    batch, valid = compute(*columns(candles))
    assert valid[WINDOW - 1 :].all()
    assert not valid[: WINDOW - 1].any()
    for end in range(WINDOW, 601):
        alone, alone_valid = compute(*columns(candles.between(end - WINDOW, end)))
        assert alone_valid[-1]
        assert alone[-1].tobytes() == batch[end - 1].tobytes()


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 400), length=st.integers(1, 500))
def test_any_stretch_of_bars_gives_the_same_bits(start: int, length: int) -> None:
    candles = walk(700, seed=5)
    batch, _ = compute(*columns(candles))
    part, valid = compute(*columns(candles.between(start, start + length)))
    assert valid.sum() == max(0, min(length, 700 - start) - WINDOW + 1)
    rows = np.flatnonzero(valid)
    assert part[rows].tobytes() == batch[start + rows].tobytes()


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(WINDOW, 399), factor=st.floats(0.01, 100.0), gone=st.booleans())
def test_later_candles_change_no_feature(cut: int, factor: float, gone: bool) -> None:
    candles = walk(400, seed=2)
    later = candles.between(0, cut) if gone else scaled(candles, cut, factor)
    before, after = compute(*columns(candles))[0], compute(*columns(later))[0]
    assert before[:cut].tobytes() == after[:cut].tobytes()


def test_a_missing_bar_makes_every_row_that_looks_back_on_it_invalid() -> None:
    candles = without(walk(600), np.array([300]))
    values, valid = compute(*columns(candles))
    assert valid[299]
    assert not valid[300 : 300 + WINDOW - 1].any()
    assert valid[300 + WINDOW - 1]
    assert np.isnan(values[~valid]).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0, -1.0])
def test_an_impossible_price_is_never_filled(bad: float) -> None:
    candles = walk(500)
    candles.close[250] = bad
    _, valid = compute(*columns(candles))
    assert valid[249]
    assert not valid[250 : 250 + WINDOW].any()
    assert valid[250 + WINDOW]


def test_a_flat_market_without_volume_has_finite_features() -> None:
    candles = walk(WINDOW + 5)
    flat = np.full(WINDOW + 5, 7.0)
    values, valid = compute(candles.ts, flat, flat, flat, flat, np.zeros(WINDOW + 5))
    assert valid[-1]
    assert np.isfinite(values[-1]).all()
    assert values[-1, column("rsi_14")] == 0.5
    assert values[-1, column("volume_score_24")] == 0.0


def test_fewer_bars_than_a_window_give_no_valid_row() -> None:
    for n in (0, 1, WINDOW - 1):
        values, valid = compute(*columns(walk(n)))
        assert values.shape == (n, len(FEATURES))
        assert not valid.any()


def test_features_mean_what_their_formulas_say() -> None:
    candles = walk(400, seed=9)
    values, _ = compute(*columns(candles))
    close, last = candles.close, 399
    steps = np.diff(np.log(close))
    expected = {
        "return_24": math.log(close[last] / close[last - 24]),
        "volatility_72": math.sqrt(np.mean(steps[-72:] ** 2)),
        "sma_distance_168": math.log(close[last] / close[-168:].mean()),
        "channel_24": (close[last] - candles.low[-24:].min()) / (candles.high[-24:].max() - candles.low[-24:].min()),
        "bollinger_20": (close[last] - close[-20:].mean()) / (2 * close[-20:].std()),
        "rsi_14": np.maximum(steps[-14:], 0).sum() / np.abs(steps[-14:]).sum(),
        "autocorrelation_72": (steps[-72:] * steps[-73:-1]).sum() / (steps[-72:] ** 2).sum(),
        # 399 hours after Monday 2024-01-01 00:00 opens Wednesday 15:00, which closes at 16:00
        "hour_sin": math.sin(2 * math.pi * 16 / 24),
        "weekday_cos": math.cos(2 * math.pi * 2 / 7),
    }
    for name, value in expected.items():
        assert values[last, column(name)] == pytest.approx(value, rel=1e-9), name


def test_truncated_exponential_mean_weighs_by_age_and_sums_to_one() -> None:
    assert rolling.exponential_mean(np.full(40, 3.0), 12, 32)[-1] == pytest.approx(3.0)
    impulse = np.zeros(40)
    impulse[35] = 1.0
    decay = 1 - 2 / 13
    assert rolling.exponential_mean(impulse, 12, 32)[39] == pytest.approx(decay**4 * (1 - decay) / (1 - decay**32))


def test_each_feature_has_a_name_of_its_own_and_the_hash_follows_the_table() -> None:
    assert len({spec.name for spec in FEATURES}) == len(FEATURES)
    assert all(1 <= spec.bars <= WINDOW and spec.formula and spec.unit for spec in FEATURES)
    assert len(features_hash()) == 64


@pytest.mark.parametrize("spec", FEATURES, ids=lambda spec: spec.name)
def test_a_feature_looks_back_no_further_than_it_declares(spec: object) -> None:
    from services.inference.features import FeatureSpec

    assert isinstance(spec, FeatureSpec)
    candles = walk(2 * WINDOW, seed=4)
    place = column(spec.name)
    first = len(candles.ts) - spec.bars
    other = walk(2 * WINDOW, seed=8)
    mixed = [np.concatenate((o[:first], c[first:])) for o, c in zip(columns(other), columns(candles), strict=True)]
    assert compute(*mixed)[0][-1, place] == compute(*columns(candles))[0][-1, place]
