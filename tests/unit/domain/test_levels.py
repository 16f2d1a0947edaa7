"""Supports and resistances: their definitions against values worked out by hand, and that they read the past only."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.readings import Zone
from services.domain.levels import WINDOW_DAYS, Sides, zones_at
from services.domain.zones import NOTHING

BARS = 4
"""Bars a day, to keep the windows short."""
WINDOW = WINDOW_DAYS * BARS


class Made(NamedTuple):
    high: npt.NDArray[Any]
    low: npt.NDArray[Any]
    close: npt.NDArray[Any]
    volume: npt.NDArray[Any]
    day: npt.NDArray[Any]
    volatility: npt.NDArray[Any]

    def at(self, rows: list[int]) -> list[Sides]:
        wanted = np.array(rows, dtype=np.int64)
        return zones_at(self.high, self.low, self.close, self.volume, self.day, wanted, BARS, self.volatility[rows])

    def cut(self, first: int, stop: int) -> "Made":
        return Made(*(column[first:stop].copy() for column in self))


def market(bars: int, seed: int = 1, scale: float = 0.01) -> Made:
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, scale, bars)))
    high, low = close * np.exp(rng.uniform(0.0, scale, bars)), close * np.exp(-rng.uniform(0.0, scale, bars))
    return Made(high, low, close, rng.uniform(1.0, 9.0, bars), np.arange(bars) // BARS, np.full(bars, scale))


def flat(bars: int, price: float = 50.0) -> Made:
    same = np.full(bars, price)
    return Made(same, same.copy(), same.copy(), np.ones(bars), np.arange(bars) // BARS, np.zeros(bars))


def named(sides: Sides) -> dict[str, Zone]:
    return {name: zone for side in sides for zone in side for name in zone.made_of}


def everything(made: Made, closes: Sequence[float]) -> dict[str, float]:
    """Say where each price stands that shows in a zone by itself, looked at from several last closes."""
    seen: dict[str, float] = {}
    for close in closes:
        made.close[-1] = close
        for name, zone in named(made.at([len(made.close) - 1])[0]).items():
            if zone.low == zone.high:
                seen[name] = zone.low
    return seen


def test_highs_and_lows_of_a_day_and_a_week_are_those_up_to_and_with_the_bar() -> None:
    made = flat(WINDOW, 100.0)
    closes = (91.5, 99.5, 100.5, 109.0)
    made.low[-1], made.high[-BARS] = 99.0, 101.0
    made.low[-BARS - 1], made.high[-BARS - 1] = 98.0, 102.0  # the first bar that the last day leaves out
    made.low[-7 * BARS], made.high[-7 * BARS] = 95.0, 105.0
    made.low[-7 * BARS - 1], made.high[-7 * BARS - 1] = 92.0, 108.0  # the first bar that the last week leaves out
    seen = everything(made, closes)
    assert (seen["low_24h"], seen["low_7d"], seen["low_30d"]) == (99.0, 95.0, 92.0)
    assert (seen["high_24h"], seen["high_7d"], seen["high_30d"]) == (101.0, 105.0, 108.0)


def test_pivots_are_those_of_the_last_whole_day() -> None:
    made = flat(WINDOW, 100.0)
    yesterday = slice(WINDOW - 2 * BARS, WINDOW - BARS)
    made.high[yesterday], made.low[yesterday], made.close[yesterday] = 110.0, 90.0, 106.0
    seen = everything(made, (75.0, 83.0, 95.0, 101.0, 105.0, 113.0, 115.0))
    # P = (110 + 90 + 106) / 3; R1 = 204 - 90; S1 = 204 - 110; S2 = 102 - 20; R3 = 110 + 2 x 12; S3 = 90 - 2 x 8.
    assert {name: price for name, price in seen.items() if name.startswith("pivot")} == pytest.approx(
        {
            "pivot_p": 102.0,
            "pivot_s1": 94.0,
            "pivot_s2": 82.0,
            "pivot_s3": 74.0,
            "pivot_r1": 114.0,
            "pivot_r2": 122.0,
            "pivot_r3": 134.0,
        }
    )


@pytest.mark.parametrize(
    ("low_at", "high_at", "expected"),
    [
        (10, 40, {"fib_236": 176.4, "fib_382": 161.8, "fib_500": 150.0, "fib_618": 138.2, "fib_786": 121.4}),
        (40, 10, {"fib_236": 123.6, "fib_382": 138.2, "fib_500": 150.0, "fib_618": 161.8, "fib_786": 178.6}),
    ],
)
def test_retracements_go_back_from_the_end_of_the_swing_that_came_last(
    low_at: int, high_at: int, expected: dict[str, float]
) -> None:
    made = flat(WINDOW, 130.0)
    made.low[low_at], made.high[high_at] = 100.0, 200.0
    seen = everything(made, (105.0, 122.0, 135.0, 145.0, 160.0, 170.0, 190.0))
    assert {name: price for name, price in seen.items() if name.startswith("fib")} == pytest.approx(expected)


def test_month_is_as_of_the_last_whole_day_and_the_same_all_day() -> None:
    made = market(WINDOW + BARS)
    today = slice(WINDOW, WINDOW + BARS)
    made.low[today] = 1.0
    made.high[today] = 1e4
    rows = list(range(WINDOW, WINDOW + BARS))
    slow = [
        {name: (zone.low, zone.high) for name, zone in named(sides).items() if name in ("low_30d", "high_30d")}
        for sides in made.at(rows)
    ]
    assert all(found == slow[0] for found in slow)
    assert 1.0 not in [low for found in slow for low, _ in found.values()]


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(WINDOW, 3 * WINDOW - 1), seed=st.integers(0, 1_000))
def test_later_bars_change_no_earlier_zone(cut: int, seed: int) -> None:
    made = market(3 * WINDOW, seed)
    rows = list(range(0, cut, 5))
    changed = made.cut(0, 3 * WINDOW)
    for column in changed[:4]:
        column[cut:] *= np.random.default_rng(seed + 1).uniform(0.1, 9.0, 3 * WINDOW - cut)
    assert made.at(rows) == changed.at(rows)
    assert made.at(rows) == made.cut(0, cut).at(rows)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1_000), scale=st.sampled_from([1e-9, 0.002, 0.03]), short=st.integers(0, BARS - 1))
def test_many_rows_at_once_equal_each_row_from_its_own_window_to_the_last_bit(
    seed: int, scale: float, short: int
) -> None:
    made = market(2 * WINDOW, seed, scale)
    made = Made(
        *(np.delete(column, range(WINDOW, WINDOW + short)) for column in made)
    )  # a short day, as before a feast
    every = made.at(list(range(len(made.close))))
    for row in range(len(made.close)):
        first = max(0, row - WINDOW + 1)
        assert made.cut(first, row + 1).at([row - first])[0] == every[row]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-6, 0.2), volatility=st.floats(0.0, 0.2))
def test_supports_begin_at_or_below_the_close_resistances_above_nearest_first(
    seed: int, scale: float, volatility: float
) -> None:
    made = market(WINDOW, seed, scale)
    supports, resistances = made._replace(volatility=np.full(WINDOW, volatility)).at([WINDOW - 1])[0]
    close = made.close[-1]
    assert len(supports) <= 3
    assert len(resistances) <= 3
    assert supports, "the low of the last day is at or below its last close"
    assert all(zone.low <= close for zone in supports)
    assert all(zone.low > close for zone in resistances)
    ladder = [*reversed(supports), *resistances]
    assert all(lower.high < upper.low for lower, upper in pairwise(ladder))
    assert all(0.0 < zone.strength <= 1.0 and zone.low <= zone.high and zone.low > 0.0 for zone in ladder)


def test_prices_that_never_moved_make_one_support_at_the_price() -> None:
    (support,), resistances = flat(WINDOW).at([WINDOW - 1])[0]
    assert resistances == ()
    assert (support.low, support.high) == (50.0, 50.0)
    assert {"low_30d", "high_30d", "pivot_p", "point_of_control"} <= set(support.made_of)
    assert not any(name.startswith("fib") for name in support.made_of), "without a swing nothing is retraced"


@pytest.mark.parametrize("volume", [0.0, np.nan])
def test_without_volume_there_is_no_profile_and_the_other_zones_stay(volume: float) -> None:
    made = market(WINDOW)
    without = named(made._replace(volume=np.full(WINDOW, volume)).at([WINDOW - 1])[0])
    assert without
    assert not {"point_of_control", "value_area_low", "value_area_high"} & set(without)


@pytest.mark.parametrize("column", ["high", "low", "close"])
@pytest.mark.parametrize("hole", [np.nan, 0.0, -1.0, np.inf])
def test_a_hole_leaves_the_rows_whose_window_it_is_in_without_zones(column: str, hole: float) -> None:
    made = market(3 * WINDOW)
    getattr(made, column)[WINDOW] = hole
    found = made.at([WINDOW - 1, WINDOW, 2 * WINDOW - 1, 2 * WINDOW])
    assert [sides == NOTHING for sides in found] == [False, True, True, False]


def test_no_zones_before_the_window_is_full_without_volatility_or_in_a_day_that_is_too_long() -> None:
    made = market(2 * WINDOW)
    assert made.at([WINDOW - 2, WINDOW - 1])[0] == NOTHING
    assert made.at([WINDOW - 1])[0] != NOTHING
    assert made.cut(0, 3).at([0, 2]) == [NOTHING, NOTHING]
    assert made.at([]) == []
    assert made._replace(volatility=np.full(2 * WINDOW, np.nan)).at([2 * WINDOW - 1]) == [NOTHING]
    long = made._replace(day=np.zeros(2 * WINDOW, dtype=np.int64))
    assert long.at([2 * WINDOW - 1]) == [NOTHING]
