"""How prices become zones, and what a volume profile is."""

import numpy as np
import pytest

from services.domain.volume_profile import BINS, Profile, profile
from services.domain.zones import NAMES, Sides, zones_of


def merged(close: float, day_volatility: float, **prices: float) -> Sides:
    return zones_of([prices.get(name, np.nan) for name in NAMES], close, day_volatility)


def test_prices_within_a_quarter_of_a_days_move_are_one_zone() -> None:
    # A day moves 4 % of 100: a zone is at most 1 wide.
    (near, far), _ = merged(100.0, 0.04, low_7d=90.0, pivot_s1=91.0, fib_618=91.01)
    assert (far.low, far.high, far.made_of) == (90.0, 91.0, ("low_7d", "pivot_s1"))
    assert (near.low, near.high, near.made_of) == (91.01, 91.01, ("fib_618",))


def test_strength_is_the_heaviest_weight_of_each_kind_as_independent_evidence() -> None:
    (alone,), _ = merged(100.0, 0.04, low_7d=90.0)
    assert alone.strength == pytest.approx(0.40)
    (same_kind,), _ = merged(100.0, 0.04, low_24h=90.0, low_7d=90.0)
    assert same_kind.strength == pytest.approx(0.40)
    (two,), _ = merged(100.0, 0.04, low_7d=90.0, pivot_s2=90.5)
    assert two.strength == pytest.approx(1.0 - 0.60 * 0.80)
    (all_kinds,), _ = merged(100.0, 0.04, low_30d=90.0, pivot_s1=90.1, point_of_control=90.2, fib_618=90.3)
    assert all_kinds.strength == pytest.approx(1.0 - 0.45 * 0.75 * 0.50 * 0.70)


def test_a_zone_that_begins_at_the_close_supports_and_one_just_above_resists() -> None:
    supports, resistances = merged(100.0, 0.0, low_7d=100.0, high_7d=100.001)
    assert [zone.made_of for zone in supports] == [("low_7d",)]
    assert [zone.made_of for zone in resistances] == [("high_7d",)]


def test_the_three_nearest_are_kept_on_each_side() -> None:
    below = dict(zip(["pivot_s1", "pivot_s2", "pivot_s3", "low_30d"], [99.0, 98.0, 97.0, 96.0], strict=True))
    above = dict(zip(["pivot_r1", "pivot_r2", "pivot_r3", "high_30d"], [101.0, 102.0, 103.0, 104.0], strict=True))
    supports, resistances = merged(100.0, 0.0, **below, **above)
    assert [zone.low for zone in supports] == [99.0, 98.0, 97.0]
    assert [zone.low for zone in resistances] == [101.0, 102.0, 103.0]


def test_prices_that_are_absent_or_not_positive_make_no_zone() -> None:
    assert merged(100.0, 0.04) == ((), ())
    assert merged(100.0, 0.04, pivot_s3=-3.0, pivot_s2=0.0) == ((), ())


def test_profile_finds_where_most_was_traded_and_seventy_per_cent_around_it() -> None:
    # Fifty bars, each filling one of fifty bins of width 1 from 100 on; bin 20 holds 60, 21 and 22 hold 10 each.
    low = np.arange(100.0, 100.0 + BINS)
    volume = np.full(BINS, 0.5)
    volume[20:23] = 60.0, 10.0, 10.0
    found = profile(low + 1.0, low, volume)
    # All: 60 + 20 + 47 x 0.5 = 103.5; 70 % of it is 72.45: 60, then 10 above, then 10 above make 80.
    assert found == Profile(120.5, 120.0, 123.0)


def test_profile_spreads_a_bar_over_its_range() -> None:
    found = profile(np.array([150.0, 110.0]), np.array([100.0, 105.0]), np.array([50.0, 50.0]))
    # Bins of 1: the first bar puts 1 in each, the second 10 in each of 105 to 110, which makes 55 of 100 there.
    assert found is not None
    assert found.point_of_control == 105.5
    assert found.value_area_high - found.value_area_low == pytest.approx(20.0)


def test_profile_of_bars_of_one_price_each_lies_in_the_bins_they_stand_in() -> None:
    price = np.array([100.0, 130.0, 150.0, 150.0])
    found = profile(price, price, np.array([1.0, 1.0, 2.0, 2.0]))
    assert found is not None
    assert found.point_of_control == 149.5
    assert found.value_area_high == 150.0


def test_no_profile_where_nothing_was_traded_or_volume_is_unknown() -> None:
    price = np.array([100.0, 101.0])
    assert profile(price + 1.0, price, np.zeros(2)) is None
    assert profile(price + 1.0, price, np.array([1.0, np.nan])) is None


def test_profile_of_a_price_that_never_moved_is_that_price() -> None:
    price = np.full(5, 70.0)
    assert profile(price, price, np.ones(5)) == Profile(70.0, 70.0, 70.0)
