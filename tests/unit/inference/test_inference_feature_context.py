import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from feature_cases import context
from inference_cases import START, walk, without

from services.domain.calendars import expected_opens
from services.inference.context import Context, Observed
from services.inference.features import CONTEXT_SECONDS, FEATURES, READINGS, WINDOW, column, compute
from services.inference.series import Floats, Ints, epoch

HOUR, DAY = 3_600, 86_400


def of(values: Floats, name: str) -> Floats:
    return values[:, column(name)]


def at(*moments: int) -> Ints:
    return np.array(moments, dtype=np.int64)


def only(name: str, available: Ints, value: list[float]) -> Context:
    return Context(values={name: Observed(available, np.array(value))})


def test_a_leader_is_read_at_the_bars_that_open_with_the_assets_own() -> None:
    candles, leader = walk(400, 1), walk(1000, 2, "BTC/USDT", START - 300 * HOUR)
    values, _ = compute(candles, Context((leader,)))
    same = compute(candles, Context((leader.between(300, 700),)))[0]
    assert values.tobytes() == same.tobytes()
    close = leader.close[300:700]
    assert of(values, "leader_return_6")[-1] == pytest.approx(math.log(close[-1] / close[-7]), rel=1e-9)


def test_a_missing_bar_of_the_leader_leaves_the_row_valid_and_its_windows_unknown() -> None:
    candles = walk(500)
    leader = without(walk(500, 2), np.array([300]))
    values, valid = compute(candles, Context((leader,)))
    assert valid[WINDOW - 1 :].all()
    for name, bars in (("leader_return_1", 1), ("leader_return_24", 24), ("leader_beta_72", 72)):
        known = np.isfinite(of(values, name)[WINDOW - 1 :])
        gone = np.arange(WINDOW - 1, 500)[~known]
        assert gone.tolist() == list(range(300, 300 + bars + 1)), name
    assert np.isfinite(of(values, "return_24")[WINDOW - 1 :]).all()


def test_a_leader_that_ends_early_is_not_carried_on() -> None:
    candles, leader = walk(400), walk(399, 2)
    values, valid = compute(candles, Context((leader,)))
    assert valid[-1]
    assert np.isnan(values[-1, [i for i, spec in enumerate(FEATURES) if spec.source == "leader"]]).all()
    assert np.isfinite(of(values, "leader_return_1")[-2])


@pytest.mark.parametrize("bad", [math.nan, 0.0, -3.0, math.inf])
def test_an_impossible_price_of_a_leader_counts_as_none(bad: float) -> None:
    candles, leader = walk(400), walk(400, 2)
    leader.close[390] = bad
    values, valid = compute(candles, Context((leader,)))
    assert valid[-1]
    assert np.isnan(of(values, "leader_return_12")[390:]).all()
    assert np.isnan(of(values, "leader_return_1")[390:392]).all()
    assert np.isfinite(of(values, "leader_return_1")[392:]).all()


def test_a_leader_of_another_timeframe_is_refused_for_its_bars_close_at_other_times() -> None:
    with pytest.raises(ValueError, match="ETH/USDT leads BTC/USDT in 4h, not 1h"):
        compute(walk(300), Context((replace(walk(300, 2, "ETH/USDT"), timeframe="4h"),)))


def test_an_asset_that_is_its_leader_has_beta_and_correlation_one() -> None:
    candles = walk(400)
    values, _ = compute(candles, Context((candles, candles)))
    for name in ("leader_beta_72", "leader_correlation_168", "second_correlation_72"):
        assert of(values, name)[-1] == pytest.approx(1.0)
    for name in ("leader_residual_24", "leader_relative_168", "leader_volatility_ratio_24"):
        assert of(values, name)[-1] == pytest.approx(0.0, abs=1e-9)


def test_the_leaders_of_a_stock_are_matched_over_its_nights() -> None:
    ts = expected_opens("stock", "1h", datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 5, 1, tzinfo=UTC))
    stock = replace(walk(len(ts)), asset_class="stock", ts=ts)
    leader = replace(walk(len(ts), 2), asset_class="stock", ts=ts)
    values, valid = compute(stock, Context((leader,)))
    assert valid[-1]
    assert np.isfinite(of(values, "leader_correlation_168")[WINDOW - 1 :]).all()


def test_a_value_counts_from_the_close_at_which_it_could_be_known() -> None:
    candles = walk(300)
    close = int(candles.close_ts[250])
    values, valid = compute(candles, only("btc_dominance", at(close, close + 1), [54.0, 55.0]))
    assert valid[-1]
    seen = of(values, "btc_dominance")
    assert np.isnan(seen[249])
    assert seen[250] == 54.0
    assert (seen[251:298] == 55.0).all()


@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: reading.name)
def test_a_value_counts_no_more_when_it_is_too_old(reading: object) -> None:
    from services.inference.features import Reading

    assert isinstance(reading, Reading)
    candles = walk(700)
    close = int(candles.close_ts[300])
    known = {one.name: Observed(candles.close_ts[:301], np.full(301, 5.0)) for one in READINGS}
    level = {"mentions": "mentions_score", "real_yield": "real_yield_change_7d", "dollar": "dollar_change_7d"}
    seen = of(
        compute(candles, Context(values=known))[0], level.get(reading.name, reading.name).replace("3_month", "term")
    )
    age = candles.close_ts - close
    limit = 10 * DAY if reading.name == "vix_3_month" else reading.max_age
    assert np.isfinite(seen[(age >= 0) & (age < limit)]).all()
    assert np.isnan(seen[age >= limit]).all()


def test_the_newest_of_values_known_at_once_is_the_last_one() -> None:
    candles = walk(300)
    close = int(candles.close_ts[280])
    values, _ = compute(candles, only("sentiment", at(close, close), [0.1, 0.4]))
    assert of(values, "sentiment")[280] == 0.4


def test_changes_compare_with_what_was_known_then_and_not_with_later_revisions() -> None:
    candles = walk(500)
    close = int(candles.close_ts[-1])
    available = at(close - 8 * DAY, close - 7 * DAY + 1, close - DAY, close - 5)
    values, _ = compute(candles, only("usdt_dominance", available, [4.0, 9.0, 4.5, 5.5]))
    assert of(values, "usdt_dominance")[-1] == 5.5
    assert of(values, "usdt_dominance_change_1d")[-1] == pytest.approx(1.0)
    assert of(values, "usdt_dominance_change_7d")[-1] == pytest.approx(1.5)


def test_macro_values_are_logs_of_ratios_and_differences_of_yields() -> None:
    candles = walk(300)
    known = at(int(candles.close_ts[-1]) - 8 * DAY, int(candles.close_ts[-1]))
    pairs = {"vix": [16.0, 24.0], "vix_3_month": [18.0, 20.0], "real_yield": [1.5, 1.9], "dollar": [120.0, 123.0]}
    beside = Context(values={name: Observed(known, np.array(pair)) for name, pair in pairs.items()})
    values, _ = compute(candles, beside)
    expected = {
        "vix": math.log(24 / 20),
        "vix_change_7d": math.log(24 / 16),
        "vix_term": math.log(24 / 20),
        "real_yield_change_7d": 0.4,
        "dollar_change_7d": math.log(123 / 120),
    }
    for name, value in expected.items():
        assert of(values, name)[-1] == pytest.approx(value), name


def test_mentions_are_compared_with_the_same_hour_of_the_seven_days_before() -> None:
    candles = walk(500)
    close = int(candles.close_ts[-1])
    days = at(*(close - day * DAY for day in range(7, -1, -1)))
    values, _ = compute(candles, only("mentions", days, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 19.0]))
    assert of(values, "mentions_score")[-1] == pytest.approx(math.log(20.0 / 5.0))
    assert np.isnan(of(values, "mentions_score")[-8])
    short, _ = compute(candles, only("mentions", days[1:], [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 19.0]))
    assert np.isnan(of(short, "mentions_score")[-1])


def test_values_that_begin_so_long_before_the_close_are_enough() -> None:
    candles = walk(400)
    beside = context(candles)
    since = int(candles.close_ts[-1]) - CONTEXT_SECONDS
    cut = {
        name: Observed(one.available[one.available >= since], one.value[one.available >= since])
        for name, one in beside.values.items()
    }
    short = compute(candles, Context(beside.leaders, cut))[0]
    assert short[-1].tobytes() == compute(candles, beside)[0][-1].tobytes()


def test_series_without_values_and_unknown_names_say_nothing() -> None:
    candles = walk(300)
    values, valid = compute(
        candles, Context(values={"vix": Observed(at(), np.empty(0)), "weather": Observed(at(1), np.ones(1))})
    )
    assert valid[-1]
    assert np.isnan(of(values, "vix")).all()


def test_the_clock_knows_the_turn_of_the_month() -> None:
    candles = walk(800)  # from Monday 2024-01-01 00:00, so the first close is at 01:00
    turn = of(compute(candles)[0], "month_turn")
    days = [datetime.fromtimestamp(int(ts), UTC) for ts in candles.close_ts]
    for said, day in zip(turn[WINDOW:], days[WINDOW:], strict=True):
        assert said == (1.0 if day.day <= 3 or (day.month, day.day) == (1, 31) else 0.0)


def test_the_clock_knows_new_yorks_sessions_and_their_holidays() -> None:
    start = epoch(datetime(2024, 6, 24, tzinfo=UTC))
    values, _ = compute(walk(400, start=start))
    closes = {datetime.fromtimestamp(start + (i + 1) * HOUR, UTC): i for i in range(400)}

    def said(day: int, hour: int, month: int = 7) -> tuple[float, float]:
        row = closes[datetime(2024, month, day, hour, tzinfo=UTC)]
        return float(of(values, "new_york_open")[row]), round(float(of(values, "new_york_age")[row]) * 24, 9)

    assert said(2, 13) == (0.0, 23.5)  # Tuesday 09:00 in New York
    assert said(2, 14) == (1.0, 0.5)
    assert said(2, 19) == (1.0, 5.5)
    assert said(2, 20) == (0.0, 6.5)
    assert said(4, 15)[0] == 0.0  # Independence Day
    assert said(5, 15) == (1.0, 1.5)


def test_hours_beyond_the_known_sessions_stay_valid_without_them() -> None:
    values, valid = compute(walk(300, start=epoch(datetime(1995, 1, 2, tzinfo=UTC))))
    assert valid[-1]
    assert np.isnan(of(values, "new_york_open")).all()
    assert np.isfinite(of(values, "hour_sin")[-1])
