"""Which candles are believed, and what is said of the others."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.candles import (
    SECONDS,
    CandleRules,
    Candles,
    concatenate,
    epoch,
    find_gaps,
    from_rows,
    moment,
    rules_for,
    timeframe_of,
    validate,
)

T0 = epoch(datetime(2024, 1, 1, tzinfo=UTC))
NOW = moment(T0 + 1000 * 3600)
Row = tuple[int, float, float, float, float, float]
GOOD = (100.0, 110.0, 90.0, 105.0, 7.0)
NAN = float("nan")


def batch(rows: list[Row]) -> Candles:
    return from_rows("BTC/USDT", "1h", "test", rows)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((100.0, 89.0, 90.0, 95.0, 1.0), "high below low"),
        ((100.0, 104.0, 90.0, 105.0, 1.0), "high below open or close"),
        ((100.0, 110.0, 101.0, 105.0, 1.0), "low above open or close"),
        ((0.0, 110.0, 0.0, 105.0, 1.0), "zero or negative price"),
        ((100.0, 110.0, -1.0, 105.0, 1.0), "zero or negative price"),
        ((NAN, 110.0, 90.0, 105.0, 1.0), "not a finite number"),
        ((100.0, float("inf"), 90.0, 105.0, 1.0), "not a finite number"),
        ((100.0, 110.0, 90.0, 105.0, NAN), "not a finite number"),
        ((100.0, 110.0, 90.0, 105.0, -1.0), "negative volume"),
    ],
)
def test_refuses_impossible_values_with_row_and_reason(values: tuple[float, ...], reason: str) -> None:
    checked = validate(batch([(T0, *GOOD), (T0 + 3600, *values), (T0 + 7200, *GOOD)]), NOW)  # type: ignore[list-item]
    assert [(one.row, one.ts, one.reason) for one in checked.refused] == [(1, T0 + 3600, reason)]
    assert checked.good.ts.tolist() == [T0, T0 + 7200]
    assert f"open={values[0]!r}" in checked.refused[0].raw


def test_refuses_bars_of_the_future_bars_still_forming_and_bars_off_the_grid() -> None:
    now = moment(T0 + 10 * 3600 + 1800)
    hours = [T0 + 9 * 3600, T0 + 9 * 3600 + 60, T0 + 10 * 3600, T0 + 11 * 3600]
    checked = validate(batch([(ts, *GOOD) for ts in hours]), now)
    assert checked.good.ts.tolist() == [T0 + 9 * 3600]
    assert [one.reason for one in checked.refused] == ["not aligned to 1h", "not closed yet", "in the future"]


def test_keeps_one_of_equal_repetitions_and_counts_the_rest() -> None:
    checked = validate(batch([(T0, *GOOD), (T0, *GOOD), (T0, *GOOD), (T0 + 3600, *GOOD)]), NOW)
    assert (len(checked.good), checked.repeated, checked.refused) == (2, 2, [])


def test_refuses_a_duplicate_time_with_other_values() -> None:
    other = (100.0, 110.0, 90.0, 106.0, 7.0)
    checked = validate(batch([(T0, *GOOD), (T0, *other)]), NOW)
    assert checked.good.close.tolist() == [105.0]
    assert [one.reason for one in checked.refused] == ["duplicate time with other values"]


def test_refuses_a_row_out_of_order() -> None:
    checked = validate(batch([(T0, *GOOD), (T0 + 7200, *GOOD), (T0 + 3600, *GOOD), (T0 + 10800, *GOOD)]), NOW)
    assert checked.good.ts.tolist() == [T0, T0 + 7200, T0 + 10800]
    assert [(one.row, one.reason) for one in checked.refused] == [(2, "out of order")]


def test_a_refused_first_row_does_not_hide_the_good_one_of_that_time() -> None:
    checked = validate(batch([(T0, 100.0, 89.0, 90.0, 95.0, 1.0), (T0, *GOOD)]), NOW)
    assert checked.good.close.tolist() == [105.0]


def test_commodities_may_trade_below_zero() -> None:
    oil = batch([(T0, 18.0, 18.0, -40.0, -36.98, 1.0)])
    assert len(validate(oil, NOW, rules_for("commodities", "1h")).good) == 1
    assert len(validate(oil, NOW, rules_for("crypto", "1h")).good) == 0


def test_stock_bars_may_open_at_half_past() -> None:
    half_past = batch([(T0 + 1800, *GOOD)])
    assert len(validate(half_past, NOW, rules_for("stocks", "1h")).good) == 1
    assert len(validate(half_past, NOW, rules_for("crypto", "1h")).good) == 0


def test_an_empty_batch_is_fine() -> None:
    checked = validate(batch([]), NOW)
    assert (len(checked.good), checked.refused, checked.repeated) == (0, [], 0)


prices = st.one_of(st.floats(-5, 50), st.sampled_from([NAN, float("inf"), 0.0, 10.0]))
times = st.integers(-2, 12).map(lambda h: T0 + h * 1800)
rows = st.lists(st.tuples(times, prices, prices, prices, prices, prices), max_size=30)


@given(rows=rows)
def test_every_row_is_believed_refused_or_repeated(rows: list[Row]) -> None:
    now = moment(T0 + 5 * 3600)
    given_batch = batch(rows)
    checked = validate(given_batch, now)
    good = checked.good
    assert len(good) + len(checked.refused) + checked.repeated == len(rows)
    assert len({one.row for one in checked.refused} | set(checked.rows.tolist())) == len(rows) - checked.repeated
    assert (np.diff(good.ts) > 0).all()
    assert (good.ts + 3600 <= epoch(now)).all()
    assert (good.ts % 3600 == 0).all()
    assert np.isfinite(good.values()).all()
    assert (good.low > 0).all()
    assert (good.volume >= 0).all()
    assert (good.high >= np.maximum(good.open, good.close)).all()
    assert (good.low <= np.minimum(good.open, good.close)).all()
    assert (good.values() == given_batch.values()[checked.rows]).all()


@given(rows=rows)
def test_what_was_believed_once_is_believed_whole(rows: list[Row]) -> None:
    good = validate(batch(rows), NOW).good
    again = validate(good, NOW)
    assert (len(again.good), again.refused, again.repeated) == (len(good), [], 0)


@given(present=st.sets(st.integers(0, 40)))
def test_gaps_and_stored_bars_make_up_what_is_expected(present: set[int]) -> None:
    since, until = moment(T0), moment(T0 + 41 * 3600)
    stored = np.array(sorted(T0 + hour * 3600 for hour in present), dtype=np.int64)
    gaps = find_gaps(stored, "1h", lambda a, b: np.arange(epoch(a), epoch(b), 3600, dtype=np.int64), since, until)
    missing = {hour for gap in gaps for hour in range((epoch(gap.since) - T0) // 3600, (epoch(gap.until) - T0) // 3600)}
    assert missing == set(range(41)) - present
    assert sum(gap.bars for gap in gaps) == 41 - len(present)


def test_a_million_rows_are_checked_without_a_loop() -> None:
    n = 200_000
    ts = T0 + 60 * np.arange(n, dtype=np.int64)
    ones = np.ones(n)
    minutes = Candles("X", "1m", "test", ts, ones, ones, ones, ones, ones)
    checked = validate(minutes, moment(T0 + n * 60))
    assert checked.good is minutes


def test_batches_of_unequal_columns_or_wrong_types_are_refused() -> None:
    ones = np.ones(2)
    with pytest.raises(ValueError, match="int64"):
        Candles("X", "1h", "t", ones, ones, ones, ones, ones, ones)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="volume"):
        Candles("X", "1h", "t", np.zeros(2, dtype=np.int64), ones, ones, ones, ones, np.ones(3))
    with pytest.raises(ValueError, match="cannot join"):
        concatenate([batch([]), from_rows("ETH/USDT", "1h", "t", [])])
    with pytest.raises(ValueError, match="time zone"):
        epoch(datetime(2024, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="1h, 4h"):
        timeframe_of("2h")


def test_intervals_are_half_open() -> None:
    hours = batch([(T0 + hour * 3600, *GOOD) for hour in range(5)])
    assert len(hours.between(moment(T0), moment(T0 + 2 * 3600))) == 2
    assert len(hours.closed_by(moment(T0 + 2 * 3600))) == 2
    assert timeframe_of("4h") == "4h"
    assert timedelta(seconds=SECONDS["4h"]) == timedelta(hours=4)
    assert CandleRules(60).allow_negative is False
