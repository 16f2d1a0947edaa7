"""How sure the worth of a part is: series whose verdict is known beforehand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pytest

from services.research.part_worth import NothingToCompare, daily_returns, difference

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def noise(days: int, seed: int = 1, scale: float = 0.01) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0.0, scale, days)


def test_what_moves_both_alike_cancels_and_a_steady_gain_helps() -> None:
    market = noise(200, scale=0.05)
    found = difference(market + 0.0005, market, exercised=True)
    assert found.verdict == "helps"
    assert found.bps_per_day.value == pytest.approx(5.0)
    assert found.bps_per_day.low == pytest.approx(5.0)
    assert found.bps_per_day.high == pytest.approx(5.0)
    assert (found.days, found.days_changed) == (200, 200)
    assert found.total.value == pytest.approx(np.prod(1.0005 + market) - np.prod(1.0 + market))
    assert found.total.low is not None
    assert found.total.high is not None
    assert found.total.low < found.total.value < found.total.high


def test_a_loss_harms_only_where_the_whole_interval_lies_below_zero() -> None:
    market, own = noise(300), noise(300, seed=2, scale=0.002)
    clear = difference(market + own - 0.001, market, exercised=True)
    assert clear.verdict == "harms"
    assert clear.bps_per_day.high is not None
    assert clear.bps_per_day.high < 0.0
    slight = difference(market + own - own.mean() - 0.00005, market, exercised=True)
    assert slight.bps_per_day.value == pytest.approx(-0.5)
    assert slight.verdict == "unproven"


def test_one_bad_day_proves_nothing() -> None:
    market = noise(300)
    with_part = market.copy()
    with_part[150] -= 0.3
    found = difference(with_part, market, exercised=True)
    assert found.days_changed == 1
    assert found.bps_per_day.value == pytest.approx(-10.0)
    assert found.verdict == "unproven"


def test_interval_of_independent_days_is_that_of_the_central_limit() -> None:
    own = noise(1_000, seed=3)
    found = difference(own, np.zeros(1_000), exercised=True)
    half = 1.96 * own.std() / np.sqrt(1_000) * 1e4
    assert found.bps_per_day.low == pytest.approx(own.mean() * 1e4 - half, abs=half / 10)
    assert found.bps_per_day.high == pytest.approx(own.mean() * 1e4 + half, abs=half / 10)


def test_days_that_hang_together_widen_the_interval() -> None:
    weeks = np.repeat(noise(100, seed=4), 5)
    together = difference(weeks, np.zeros(500), exercised=True).bps_per_day
    apart = difference(np.random.default_rng(5).permutation(weeks), np.zeros(500), exercised=True).bps_per_day
    assert None not in (together.low, together.high, apart.low, apart.high)
    assert together.high - together.low > 1.4 * (apart.high - apart.low)  # type: ignore[operator]


def test_a_part_that_is_worth_nothing_is_seldom_said_to_be() -> None:
    claims = 0
    for seed in range(60):
        market = noise(120, seed=1_000 + seed)
        claims += difference(market + noise(120, seed=seed, scale=0.003), market, exercised=True).verdict != "unproven"
    assert claims <= 7


def test_the_same_days_give_the_same_interval() -> None:
    one, other = noise(90), noise(90, seed=7)
    assert difference(one, other, exercised=True) == difference(one.copy(), other.copy(), exercised=True)


def test_too_few_days_give_no_interval_and_claim_nothing() -> None:
    found = difference(np.full(49, 0.001), np.zeros(49), exercised=True)
    assert (found.bps_per_day.low, found.bps_per_day.high, found.total.low) == (None, None, None)
    assert found.verdict == "unproven"
    assert difference(np.full(50, 0.001), np.zeros(50), exercised=True).verdict == "helps"


def test_a_part_that_decided_nothing_is_not_exercised() -> None:
    market = noise(100)
    assert difference(market, market, exercised=False).verdict == "not exercised"
    assert difference(market[:5], market[:5], exercised=False).verdict == "not exercised"


def test_refuses_days_that_are_not_the_same() -> None:
    with pytest.raises(NothingToCompare, match="100 days with the part, 99 without it"):
        difference(noise(100), noise(99), exercised=True)


def test_daily_returns_start_from_the_cash_and_midnight_ends_its_day() -> None:
    equity = [(START + HOUR, "101"), (START + 24 * HOUR, "110"), (START + 25 * HOUR, "99"), (START + 30 * HOUR, "121")]
    found = daily_returns([(ts, Decimal(value)) for ts, value in equity], Decimal(100))
    assert found.tolist() == pytest.approx([0.10, 0.10])


def test_daily_returns_name_the_day_on_which_nothing_was_left() -> None:
    equity = [(START + n * 24 * HOUR, Decimal(value)) for n, value in ((1, 50), (2, 0), (3, 10))]
    with pytest.raises(NothingToCompare, match=r"the equity fell to 0\.00 on 2024-01-02"):
        daily_returns(equity, Decimal(100))
    with pytest.raises(NothingToCompare, match="no slice"):
        daily_returns([], Decimal(100))
