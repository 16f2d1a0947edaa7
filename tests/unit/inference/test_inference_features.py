import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from feature_cases import HOURS, SEED, context, same_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_cases import columns, scaled, walk, without

from services.domain.calendars import expected_opens
from services.inference import features
from services.inference.context import NOTHING, Context
from services.inference.features import (
    CONTEXT_SECONDS,
    FEATURES,
    WINDOW,
    FeatureSpec,
    column,
    compute,
    features_hash,
    newest,
    table,
)
from services.inference.series import Candles

NAMES = ("ts", "open", "high", "low", "close", "volume")
OWN = [i for i, spec in enumerate(FEATURES) if spec.source == "own candles"]
AROUND = [i for i, spec in enumerate(FEATURES) if spec.source not in {"own candles", "clock"}]


def rough(seed: int) -> Candles:
    """A walk with missing bars, prices that stand still and hours without volume."""
    chance = np.random.default_rng(seed)
    candles = walk(HOURS, seed)
    still, silent = chance.integers(0, HOURS - 60, 2)
    for price in (candles.open, candles.high, candles.low, candles.close):
        price[still : still + 60] = candles.close[still] * 1.1
    candles.volume[silent : silent + 60] = 0.0
    return without(candles, chance.integers(0, HOURS, int(chance.integers(0, 3))))


def test_one_bar_at_a_time_gives_the_same_bits_as_all_at_once() -> None:
    candles = walk(600)
    beside = context(candles)
    batch, valid = compute(candles, beside)
    assert valid[WINDOW - 1 :].all()
    assert not valid[: WINDOW - 1].any()
    assert np.isfinite(batch[WINDOW - 1 :]).all()
    for end in range(WINDOW, 601, 7):
        alone, alone_valid = compute(candles.between(end - WINDOW, end), beside)
        assert alone_valid[-1]
        assert same_bits(alone[-1], batch[end - 1])


def test_the_newest_bars_of_32_assets_at_once_give_the_same_bits_as_each_alone() -> None:
    batch = []
    for seed in range(32):
        candles = walk(WINDOW + 7 * seed, seed)
        beside = (context(candles, 100 + seed), NOTHING, Context(context(candles).leaders[:1]))[seed % 3]
        batch.append((candles, beside))
    for (candles, beside), found in zip(batch, newest(batch), strict=True):
        assert found is not None
        assert same_bits(found, compute(candles, beside)[0][-1])


def test_the_newest_bar_is_none_where_its_window_is_not_whole() -> None:
    good = walk(400)
    torn, bad = without(good, np.array([300])), scaled(good, 390, -1.0)
    found = newest([(good, NOTHING), (torn, NOTHING), (walk(WINDOW - 1), NOTHING), (bad, NOTHING), (walk(0), NOTHING)])
    assert [one is None for one in found] == [False, True, True, True, True]
    assert newest([]) == []
    assert newest([(walk(3), NOTHING)]) == [None]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 50), start=st.integers(0, 400), length=st.integers(1, 500), leads=st.integers(0, 2))
def test_any_stretch_of_bars_gives_the_same_bits(seed: int, start: int, length: int, leads: int) -> None:
    candles = rough(seed)
    beside = context(candles)
    beside = Context(beside.leaders[:leads], beside.values if seed % 2 else {})
    batch, whole = compute(candles, beside)
    part, valid = compute(candles.between(start, start + length), beside)
    assert not (valid & ~whole[start : start + length]).any()
    assert same_bits(valid[WINDOW - 1 :], whole[start + WINDOW - 1 : start + length])
    rows = np.flatnonzero(valid)
    assert same_bits(part[rows], batch[start + rows])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 50), ends=st.lists(st.integers(1, HOURS - 3), min_size=1, max_size=5))
def test_the_newest_bars_of_torn_histories_are_the_rows_of_the_batch_or_none(seed: int, ends: list[int]) -> None:
    candles = rough(seed)
    beside = context(candles) if seed % 2 else NOTHING
    batch, whole = compute(candles, beside)
    for end, found in zip(ends, newest([(candles.between(0, end), beside) for end in ends]), strict=True):
        assert (found is not None) == whole[end - 1]
        assert found is None or same_bits(found, batch[end - 1])


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(WINDOW, 399), factor=st.floats(0.01, 100.0), gone=st.booleans())
def test_later_candles_leaders_and_values_change_no_feature(cut: int, factor: float, gone: bool) -> None:
    candles = walk(400, seed=2)
    beside = context(candles)
    now = int(candles.close_ts[cut - 1])
    leaders = tuple(scaled(leader, cut, factor) for leader in beside.leaders)
    values = {
        name: replace(one, value=np.where(one.available > now, factor, one.value))
        for name, one in beside.values.items()
    }
    later = candles.between(0, cut) if gone else scaled(candles, cut, factor)
    before, after = compute(candles, beside)[0], compute(later, Context(leaders, values))[0]
    assert same_bits(before[:cut], after[:cut])


def test_a_missing_bar_makes_every_row_that_looks_back_on_it_invalid() -> None:
    candles = without(walk(600), np.array([300]))
    values, valid = compute(candles)
    assert valid[299]
    assert not valid[300 : 300 + WINDOW - 1].any()
    assert valid[300 + WINDOW - 1]
    assert np.isnan(values[~valid]).all()


def test_a_night_and_a_weekend_of_a_stock_are_no_gap_but_a_missing_hour_is() -> None:
    ts = expected_opens("stock", "1h", datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC))
    prices = walk(len(ts))
    stock = replace(prices, symbol="NVDA", asset_class="stock", ts=ts)
    _, valid = compute(stock)
    assert valid[WINDOW - 1 :].all()
    torn = without(stock, np.array([300]))
    assert compute(torn)[1][298:302].tolist() == [True, True, False, False]
    assert newest([(stock, NOTHING)])[0] is not None


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0, -1.0])
def test_an_impossible_price_is_never_filled(bad: float) -> None:
    candles = walk(500)
    candles.close[250] = bad
    _, valid = compute(candles)
    assert valid[249]
    assert not valid[250 : 250 + WINDOW].any()
    assert valid[250 + WINDOW]


def test_a_row_without_anything_beside_it_is_valid_and_knows_only_itself() -> None:
    values, valid = compute(walk(300))
    assert valid[-1]
    assert np.isnan(values[-1, AROUND]).all()
    assert np.isfinite(np.delete(values[-1], AROUND)).all()


@pytest.mark.parametrize("price", [7.0, 0.1, 1e-7, 61_234.56])
def test_a_flat_market_without_volume_has_finite_features_that_say_so(price: float) -> None:
    n = WINDOW + 5
    flat = np.full(n, price)
    candles = replace(walk(n), open=flat, high=flat, low=flat, close=flat, volume=np.zeros(n))
    values, valid = compute(candles)
    assert valid[-1]
    half = {"rsi_14", "mfi_14", "channel_24", "channel_168", "stochastic_14", "downside_share_72"}
    one = {"zero_moves_168", "variance_ratio_6_168"}
    for i in OWN:
        name = FEATURES[i].name
        said = 0.5 if name in half else 1.0 if name in one else 0.0
        assert values[-1, i] == pytest.approx(said, abs=1e-12), name


def test_fewer_bars_than_a_window_give_no_valid_row() -> None:
    for n in (0, 1, WINDOW - 1):
        values, valid = compute(walk(n))
        assert values.shape == (n, len(FEATURES))
        assert not valid.any()


def test_a_table_counts_the_valid_rows_in_line() -> None:
    candles = without(walk(600), np.array([300]))
    found = table(candles)
    x, valid = compute(candles)
    assert same_bits(found.x, x)
    assert found.run[[0, WINDOW - 2, WINDOW - 1, 299, 300]].tolist() == [0, 0, 1, 300 - WINDOW + 1, 0]
    assert found.run[-1] == 599 - (300 + WINDOW - 1)
    assert ((found.run > 0) == valid).all()


def test_each_feature_has_a_name_of_its_own_and_the_hash_follows_the_table() -> None:
    assert len({spec.name for spec in FEATURES}) == len(FEATURES)
    assert 85 <= len(FEATURES) <= 105
    assert all(1 <= spec.bars <= WINDOW and spec.formula and spec.unit and spec.source for spec in FEATURES)
    assert WINDOW <= 169
    timed = {spec.source for spec in FEATURES if spec.seconds}
    assert timed == {"dominance", "social", "indicator"}
    assert all(0 <= spec.seconds <= CONTEXT_SECONDS for spec in FEATURES)
    assert [column(spec.name) for spec in FEATURES] == list(range(len(FEATURES)))
    assert len(features_hash()) == 64


def test_another_formula_makes_another_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    before = features_hash()
    monkeypatch.setattr(features, "FEATURES", (replace(FEATURES[0], formula="something else"), *FEATURES[1:]))
    assert features_hash() != before


@pytest.mark.parametrize("spec", FEATURES, ids=lambda spec: spec.name)
def test_a_feature_looks_back_no_further_than_it_declares(spec: FeatureSpec) -> None:
    candles, other = walk(2 * WINDOW, SEED), walk(2 * WINDOW, 8)
    beside, instead = context(candles), context(candles, 80)
    first = len(candles.ts) - spec.bars

    def joined(old: Candles, new: Candles) -> Candles:
        parts = zip(NAMES, columns(old), columns(new), strict=True)
        both: dict[str, Any] = {name: np.concatenate((a[:first], b[first:])) for name, a, b in parts}
        return replace(new, **both)

    leaders = tuple(joined(old, new) for old, new in zip(instead.leaders, beside.leaders, strict=True))
    mixed, _ = compute(joined(other, candles), Context(leaders, beside.values))
    place = column(spec.name)
    assert mixed[-1, place] == compute(candles, beside)[0][-1, place]
