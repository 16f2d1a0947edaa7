"""Support and resistance: near enough, where the stop and the target stand, and how much weight they allow."""

from typing import Any

import pytest
from decision_cases import forecast, mirrored, reading
from hypothesis import given
from hypothesis import strategies as st
from signal_cases import LEVELS, declared, entry, target_of, with_settings

from services.contracts.messages import Forecast
from services.contracts.readings import Reading, Zone
from services.signals.entry import Entry
from services.signals.levels import bars_per_day, bracket

DAY = 0.02
BAR = DAY / 24**0.5
START = entry("BTC/USDT").ts


def zone(low: float, high: float, strength: float = 0.6) -> Zone:
    return Zone(low, high, strength, ("low_7d", "pivot_s1"))


def at_100(below: tuple[Zone, ...], above: tuple[Zone, ...], expected: float = 0.02) -> Entry:
    return entry("BTC/USDT", expected, volatility=BAR, supports=below, resistances=above)


def test_a_long_near_a_support_stops_below_it_and_takes_profit_at_the_next_resistance() -> None:
    found = bracket(at_100((zone(98.5, 99.5),), (zone(103.0, 104.0),)), LEVELS)
    assert found.refusals == ()
    assert found.stop == pytest.approx(100 * (1 - 0.015 - 0.25 * DAY))
    assert found.take == pytest.approx(103.0)
    assert found.max_weight == pytest.approx(0.01 / (0.015 + 0.25 * DAY))
    assert found.notes == (
        "support 98.5 to 99.5 (low_7d, pivot_s1), 0.25 daily volatilities away",
        "stop 2.00% away, target 3.00% ahead, reward to risk 1.50",
    )


def test_a_short_is_the_mirror_image() -> None:
    found = bracket(at_100((zone(96.0, 97.0),), (zone(100.5, 101.5),), -0.02), LEVELS)
    assert found.refusals == ()
    assert found.stop == pytest.approx(100 * (1 + 0.015 + 0.25 * DAY))
    assert found.take == pytest.approx(97.0)


def test_a_zone_that_the_price_stands_in_is_at_hand_for_both() -> None:
    inside = zone(99.7, 100.3)
    long = bracket(at_100((inside, zone(97, 98)), (zone(103.0, 104.0),)), LEVELS)
    short = bracket(at_100((inside, zone(96.5, 97)), (zone(103.0, 104.0),), -0.02), LEVELS)
    assert (long.refusals, short.refusals) == ((), ())
    assert long.stop == pytest.approx(99.0)  # half a day's volatility: the zone's edge is nearer
    assert short.stop == pytest.approx(101.0)
    assert long.take == pytest.approx(103.0)
    assert short.take == pytest.approx(97.0)


def test_a_support_too_far_away_refuses_a_purchase_and_says_how_far() -> None:
    far, near = (zone(97.0, 98.9),), (zone(97.0, 99.01),)
    found = bracket(at_100(far, (zone(105.0, 106.0),)), LEVELS)
    assert found.refusals == (
        "no support near: the nearest is 1.10% below, 0.55 daily volatilities, more than 0.50",
    )  # fmt: skip
    assert bracket(at_100(near, (zone(105.0, 106.0),)), LEVELS).refusals == ()


def test_a_resistance_too_far_away_refuses_a_short() -> None:
    (refusal,) = bracket(at_100((zone(90.0, 91.0),), (zone(102.0, 103.0),), -0.02), LEVELS).refusals
    assert refusal.startswith("no resistance near: the nearest is 2.00% above, 1.00 daily volatilities")


def test_no_support_at_all_refuses_unless_it_is_not_asked_for() -> None:
    alone = at_100((), (zone(105.0, 106.0),))
    assert bracket(alone, LEVELS).refusals == ("no support is known below",)
    unasked = LEVELS.model_copy(update={"buy_needs_support": False})
    found = bracket(alone, unasked)
    assert found.refusals == ()
    assert found.stop is None, "the asset's own stop holds"
    assert found.take == pytest.approx(105.0)
    lonely_short = at_100((zone(93.0, 94.0),), (), -0.02)
    assert bracket(lonely_short, LEVELS).refusals == ("no resistance is known above",)
    assert bracket(lonely_short, LEVELS.model_copy(update={"sell_needs_resistance": False})).refusals == ()


def test_weak_zones_are_not_looked_at() -> None:
    weak, strong = zone(99.0, 99.5, 0.29), zone(98.6, 98.9, 0.30)
    wide = LEVELS.model_copy(update={"near_in_daily_volatilities": 1.0})
    found = bracket(at_100((weak, strong), (zone(100.1, 100.2, 0.29), zone(104.0, 105.0))), wide)
    assert found.stop == pytest.approx(100 * (1 - 0.014 - 0.25 * DAY))
    assert found.take == pytest.approx(104.0)


def test_the_stop_is_never_wider_than_the_assets_own_and_never_within_the_noise() -> None:
    wild = entry("BTC/USDT", volatility=4 * BAR, supports=(zone(90.0, 97.0),), resistances=(zone(106.0, 107.0),))
    assert bracket(wild, LEVELS).stop == pytest.approx(96.0), "BTC's own stop is 4 %"
    tight = at_100((zone(99.9, 99.95),), (zone(103.0, 104.0),))
    assert bracket(tight, LEVELS).stop == pytest.approx(99.0)


def test_the_target_is_never_further_than_the_assets_own() -> None:
    found = bracket(at_100((zone(98.5, 99.5),), (zone(120.0, 121.0),)), LEVELS)
    assert found.take == pytest.approx(106.0)


def test_without_a_resistance_the_assets_own_target_holds() -> None:
    found = bracket(at_100((zone(98.5, 99.5),), ()), LEVELS)
    assert found.take is None
    assert found.notes[-1] == "stop 2.00% away, target 6.00% ahead, reward to risk 3.00"


def test_too_little_reward_for_the_risk_refuses() -> None:
    near = bracket(at_100((zone(98.5, 99.5),), (zone(101.9, 103.0),)), LEVELS)
    assert near.refusals == ("reward to risk 0.95 is below 1.00: target 1.90% ahead, stop 2.00% behind",)
    assert bracket(at_100((zone(98.5, 99.5),), (zone(102.1, 103.0),)), LEVELS).refusals == ()


@pytest.mark.parametrize(
    "unknown",
    [{"supports": (), "resistances": ()}, {"volatility": None}, {"volatility": 0.0}],
    ids=["no zones", "no volatility", "a price that never moved"],
)
def test_unknown_levels_refuse_unless_the_configuration_lets_them_pass(unknown: dict[str, Any]) -> None:
    blind = entry("BTC/USDT", **unknown)
    assert bracket(blind, LEVELS).refusals == ("its levels are not known yet: too little history",)
    allowed = bracket(blind, LEVELS.model_copy(update={"unknown_refuses": False}))
    assert allowed.refusals == ()
    assert (allowed.stop, allowed.take) == (None, None)
    assert allowed.max_weight == pytest.approx(0.01 / 0.04), "by the asset's own stop"


def test_days_are_counted_in_the_hours_that_a_market_trades() -> None:
    assert bars_per_day("crypto", "1h") == 24
    assert bars_per_day("forex", "1h") == 24
    assert bars_per_day("stocks", "1h") == 6.5
    assert bars_per_day("stocks", "1d") == 1
    assert bars_per_day("crypto", "1m") == 1440


def test_the_weight_is_cut_so_that_the_stop_loses_no_more_than_the_risk_per_trade() -> None:
    said = forecast("BTC/USDT", 0.02, 0.15)
    free = target_of(said, reading("BTC/USDT"))
    tight = target_of(said, reading("BTC/USDT"), with_settings(levels={"risk_per_trade": 0.001}))
    assert free.weight == pytest.approx(0.45)
    assert tight.stop is not None
    assert tight.weight == pytest.approx(0.001 / (1 - tight.stop / 100.0))
    assert 0.0 < (tight.weight or 0.0) < 0.10, "below the least weight, which gives way"


def test_explored_entries_need_levels_too_and_their_weight_is_cut_alike() -> None:
    said = forecast("BTC/USDT", 0.0001, 0.15)
    assert target_of(said, reading("BTC/USDT")).weight == 0.10
    cut = target_of(said, reading("BTC/USDT"), with_settings(levels={"risk_per_trade": 0.001}))
    assert cut.weight is not None
    assert 0.0 < cut.weight < 0.10
    refused = target_of(said, mirrored(reading("BTC/USDT")))
    assert refused.action == "HOLD"
    assert refused.reasons[0].startswith("no support near")


def test_without_the_part_nothing_is_asked_and_no_price_is_named() -> None:
    off = with_settings(parts={"levels": False})
    target = target_of(forecast("BTC/USDT", 0.02, 0.15), reading("BTC/USDT", supports=(), resistances=()), off)
    assert (target.action, target.weight, target.stop, target.take) == ("BUY", 0.45, None, None)


def test_an_asset_without_a_reading_is_not_entered_while_levels_are_asked() -> None:
    target = target_of(forecast("BNB/USDT", 0.05))
    assert target.action == "HOLD"
    assert target.reasons[0] == "its levels are not known yet: too little history"


prices = st.floats(60.0, 140.0)
zones = st.lists(st.tuples(prices, st.floats(0.0, 5.0), st.floats(0.0, 1.0)), max_size=6)


@given(zones, st.floats(1e-5, 0.05), st.booleans())
def test_wherever_zones_lie_the_stop_is_behind_the_target_ahead_and_the_risk_bounded(
    made: list[tuple[float, float, float]], volatility: float, long: bool
) -> None:
    both = [Zone(low, low + width, strength, ("pivot_p",)) for low, width, strength in sorted(made)]
    below = tuple(reversed([z for z in both if z.low <= 100.0]))
    above = tuple(z for z in both if z.low > 100.0)
    asset = declared("AVAX/USDT")
    said: Forecast = forecast("AVAX/USDT", 0.02 if long else -0.02)
    read = Reading("AVAX/USDT", volatility=volatility, supports=below, resistances=above)
    found = bracket(Entry(START, "1h", said, read, asset, long), LEVELS)
    sign = 1 if long else -1
    stop = found.stop if found.stop is not None else 100 * (1 - sign * asset.stop_loss)
    take = found.take if found.take is not None else 100 * (1 + sign * asset.take_profit)
    assert 0 < sign * (100 - stop) <= 100 * asset.stop_loss + 1e-9
    assert 0 <= sign * (take - 100) <= 100 * asset.take_profit + 1e-9
    assert found.max_weight is not None
    assert found.max_weight * abs(stop - 100) / 100 <= LEVELS.risk_per_trade + 1e-12
    if not found.refusals:
        assert sign * (take - 100) >= LEVELS.min_reward_to_risk * sign * (100 - stop) - 1e-9
