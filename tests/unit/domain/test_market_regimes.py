"""The whole market's regime from dominance: each rule at its bound, and what is said where dominance is missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.market_regimes import NEVER, Share, base_weights, market_state, share_at

NOW = 1_700_000_000
DAY = 86_400


def share(value: float, before: float | None = None, age: int = 0) -> Share:
    return Share(NOW - age, value, before)


@pytest.mark.parametrize(
    ("btc", "usdt", "regime"),
    [
        (share(60.0), share(5.1), "risk_off"),
        (share(40.0), share(5.1, 6.0), "risk_off"),
        (share(60.0), share(4.6, 4.0), "risk_off"),
        (share(60.0), share(4.6, 4.2), "btc_dominant"),
        (share(60.0), share(3.9, 3.0), "btc_dominant"),
        (share(50.1, 50.5), share(4.5), "btc_dominant"),
        (share(50.0), share(4.5), "balanced"),
        (share(51.0, 52.0), share(4.5), "balanced"),
        (share(44.9, 44.0), share(4.5), "alt_season"),
        (share(44.9, 43.9), share(4.5), "balanced"),
        (share(45.0), share(5.0), "balanced"),
    ],
)
def test_levels_and_directions_name_the_regime(btc: Share, usdt: Share, regime: str) -> None:
    assert market_state(NOW, btc, usdt).regime == regime


def test_why_shows_the_figures_and_the_rule() -> None:
    state = market_state(NOW, share(57.31, 58.0), share(4.5))
    assert state.why == "BTC.D is above 50; BTC.D 57.3 (-0.7 in 7 days), USDT.D 4.5 (7-day change unknown)"
    assert (state.btc, state.usdt, state.known) == (57.31, 4.5, NOW)


def test_two_days_old_dominance_is_missing_since_it_was_known_and_nothing_is_guessed() -> None:
    state = market_state(NOW, share(57.0, age=2 * DAY), share(4.5, age=60))
    assert (state.regime, state.btc, state.usdt, state.known) == ("unknown", None, 4.5, NOW - 60)
    assert state.why == "dominance: BTC.D is missing since 2023-11-12 22:13"
    assert market_state(NOW, share(57.0, age=2 * DAY - 1), share(4.5)).regime == "btc_dominant"
    never = market_state(NOW, NEVER, share(6.0))
    assert (never.regime, never.why) == ("unknown", "dominance: BTC.D is missing for more than 9 days")
    assert market_state(NOW, NEVER, NEVER).known is None


def test_a_share_is_read_as_it_was_known_then_and_a_week_before() -> None:
    known, values = [NOW - 8 * DAY, NOW - 7 * DAY + 1, NOW - DAY, NOW + 1], [50.0, 51.0, 52.0, 53.0]
    assert share_at(known, values, NOW) == Share(NOW - DAY, 52.0, 50.0)
    assert share_at(known, values, NOW + 1) == Share(NOW + 1, 53.0, 51.0)
    assert share_at(known[2:], values[2:], NOW) == Share(NOW - DAY, 52.0, None)
    assert share_at(known[:1], values[:1], NOW) == Share(NOW - 8 * DAY, 50.0, 50.0)
    assert share_at(known, values, NOW - 9 * DAY) == NEVER
    assert share_at(known[:1], values[:1], NOW + 2 * DAY) == NEVER
    assert share_at([], [], NOW) == NEVER


@given(
    seconds=st.lists(st.integers(NOW - 20 * DAY, NOW + 5 * DAY), unique=True, max_size=30),
    later=st.floats(0.0, 100.0),
)
def test_later_values_change_nothing(seconds: list[int], later: float) -> None:
    known = sorted(seconds)
    values = [40.0 + i for i in range(len(known))]
    changed = [value if at <= NOW else later for at, value in zip(known, values, strict=True)]
    assert share_at(known, values, NOW) == share_at(known, changed, NOW)
    upto = [at for at in known if at <= NOW]
    assert share_at(upto, values[: len(upto)], NOW) == share_at(known, values, NOW)


def test_base_weights_are_the_plans_and_sum_to_one() -> None:
    assert base_weights(50.1) == {"BTC/USDT": 0.70, "ETH/USDT": 0.15, "SOL/USDT": 0.15}
    assert base_weights(44.9) == {"BTC/USDT": 0.30, "ETH/USDT": 0.40, "SOL/USDT": 0.30}
    for middle in (45.0, 47.0, 50.0):
        assert base_weights(middle) == {"BTC/USDT": 0.50, "ETH/USDT": 0.25, "SOL/USDT": 0.25}
    for level in (44.0, 47.0, 57.0):
        weights = base_weights(level)
        assert weights is not None
        assert sum(weights.values()) == pytest.approx(1.0)
    assert base_weights(None) is None
