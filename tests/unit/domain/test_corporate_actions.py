"""Splits and renames: declared strictly, adjusted for and back, found where nobody declared them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.domain.candles import FIELDS, Candles, Timeframe, Values, epoch, moment
from services.domain.corporate_actions import (
    CORPORATE_ACTIONS_FILE,
    CorporateAction,
    CorporateActions,
    adjust,
    comparable,
    dated_splits,
    factors,
    raw_splits,
    restated,
    split_log_return,
    stretches,
    terms,
    unadjust,
)
from services.domain.split_detection import suspected_splits
from services.kernel.config import load
from services.kernel.errors import ConfigError

T0 = datetime(2024, 1, 1, tzinfo=UTC)
FAR = datetime(2030, 1, 1, tzinfo=UTC)


def split(day: date, new: int = 10, old: int = 1, symbol: str = "NVDA") -> CorporateAction:
    return CorporateAction(
        symbol=symbol, kind="split", date=day, new=new, old=old, evidence="announced", source="made up"
    )


def walk(days: int = 120, seed: int = 1, volatility: float = 0.02, symbol: str = "NVDA") -> Candles:
    """A made-up calm daily series."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, volatility, days)))
    opened = np.roll(close, 1) * np.exp(random.normal(0, volatility / 4, days))
    opened[0] = close[0]
    ts = np.array([epoch(T0 + timedelta(days=day)) for day in range(days)], dtype=np.int64)
    high, low = np.maximum(opened, close) * 1.01, np.minimum(opened, close) / 1.01
    return Candles(symbol, "1d", "made up", ts, opened, high, low, close, random.uniform(1e6, 2e6, days))


def assert_close(a: Candles, b: Candles) -> None:
    for name in FIELDS:
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-12)


some_splits = st.lists(
    st.builds(
        lambda day, new, old: split(T0.date() + timedelta(days=day), new, old),
        st.integers(-5, 130),
        st.integers(2, 20),
        st.just(1),
    )
    | st.builds(
        lambda day, old: split(T0.date() + timedelta(days=day), 1, old), st.integers(-5, 130), st.integers(2, 20)
    ),
    max_size=4,
    unique_by=lambda action: action.date,
)
some_time = st.integers(-10, 200).map(lambda days: T0 + timedelta(days=days))


@given(actions=some_splits, as_of=some_time)
def test_unadjusting_what_was_adjusted_gives_the_raw_series(actions: list[CorporateAction], as_of: datetime) -> None:
    raw = walk()
    assert_close(unadjust(adjust(raw, actions, as_of), actions, as_of), raw)


@given(actions=some_splits, as_of=some_time)
def test_what_was_paid_and_every_days_own_returns_stay_the_same(
    actions: list[CorporateAction], as_of: datetime
) -> None:
    raw = walk()
    after = adjust(raw, actions, as_of)
    np.testing.assert_allclose(after.close * after.volume, raw.close * raw.volume, rtol=1e-12)
    np.testing.assert_allclose(after.close / after.open, raw.close / raw.open, rtol=1e-12)


@given(actions=some_splits)
def test_adjusting_undoes_the_splits_of_a_series_that_was_traded_through_them(actions: list[CorporateAction]) -> None:
    true = walk()
    traded = unadjust(true, actions, FAR)
    assert_close(adjust(traded, actions, FAR), true)


def test_a_split_that_has_not_happened_yet_changes_nothing() -> None:
    raw, action = walk(), split(date(2024, 3, 1))
    assert set(factors(raw, [action], datetime(2024, 2, 29, tzinfo=UTC)).tolist()) == {1.0}
    assert set(factors(raw, [action], datetime(2024, 3, 1, tzinfo=UTC)).tolist()) == {1.0, 10.0}


def test_splits_of_other_symbols_change_nothing() -> None:
    assert set(factors(walk(), [split(date(2024, 3, 1), symbol="TSLA")], FAR).tolist()) == {1.0}


@pytest.mark.parametrize(
    ("timeframe", "symbol", "begins"),
    [
        ("1d", "NVDA", "2024-06-10T00:00"),
        ("1h", "NVDA", "2024-06-10T04:00"),  # midnight in New York
        ("1h", "MATIC/USDT", "2024-06-10T00:00"),
    ],
)
def test_new_terms_begin_with_the_exchanges_day(timeframe: Timeframe, symbol: str, begins: str) -> None:
    action = split(date(2024, 6, 10), symbol=symbol)
    assert moment(action.begins(timeframe)) == datetime.fromisoformat(begins).replace(tzinfo=UTC)


@pytest.mark.parametrize(("new", "old"), [(2, 1), (10, 1), (3, 2), (1, 10)])
def test_terms_are_read_from_the_step_over_the_split(new: int, old: int) -> None:
    action, true = split(date(2024, 3, 1), new, old), walk()
    traded = unadjust(true, [action], FAR)
    assert terms(traded, action) == "raw"
    assert terms(true, action) == "adjusted"
    assert terms(true, split(date(2025, 3, 1), new, old)) == "unknown"
    assert_close(comparable(traded, [action], FAR), true)
    assert_close(comparable(true, [action], FAR), true)


Columns = tuple[Values, Values, Values, Values, Values]


def columns(candles: Candles) -> Columns:
    return (candles.open, candles.high, candles.low, candles.close, candles.volume)


def shown(candles: Candles, actions: list[CorporateAction]) -> tuple[tuple[int, float], ...]:
    return raw_splits(dated_splits(actions, "1d").get("NVDA", ()), candles.ts, candles.open, candles.close)


inner_splits = st.lists(
    st.builds(
        lambda day, ratio: split(T0.date() + timedelta(days=day), *ratio),
        st.integers(1, 118),
        st.sampled_from([(2, 1), (3, 1), (10, 1), (1, 4), (1, 10), (7, 3)]),
    ),
    max_size=4,
    unique_by=lambda action: action.date,
)


@given(actions=inner_splits)
def test_the_splits_that_a_series_shows_raw_are_those_it_was_traded_through(actions: list[CorporateAction]) -> None:
    true = walk()
    ordered = sorted(actions, key=lambda one: one.date)
    assert shown(true, actions) == ()
    assert shown(unadjust(true, actions, FAR), actions) == tuple((one.begins("1d"), one.factor) for one in ordered)


@given(actions=inner_splits, adjusted_until=st.integers(0, 120))
def test_a_series_recorded_between_two_splits_shows_the_later_ones(
    actions: list[CorporateAction], adjusted_until: int
) -> None:
    later = [one for one in actions if one.date > T0.date() + timedelta(days=adjusted_until)]
    assert {at for at, _ in shown(unadjust(walk(), later, FAR), actions)} == {one.begins("1d") for one in later}


def test_a_split_over_a_gap_is_known_with_the_first_bar_that_shows_it() -> None:
    action = split(T0.date() + timedelta(days=50))
    raw = unadjust(walk(), [action], FAR)
    kept = raw.take((raw.ts < raw.ts[45]) | (raw.ts >= raw.ts[60]))
    assert shown(kept, [action]) == ((int(raw.ts[60]), 10.0),)
    assert shown(kept.take(slice(0, 45)), [action]) == ()
    two = [action, split(T0.date() + timedelta(days=55), 3)]
    both = unadjust(walk(), two, FAR)
    kept = both.take((both.ts < both.ts[45]) | (both.ts >= both.ts[60]))
    assert shown(kept, two) == ((int(both.ts[60]), 10.0), (int(both.ts[60]), 3.0))
    assert_close(comparable(kept, two, FAR), walk().take((both.ts < both.ts[45]) | (both.ts >= both.ts[60])))


@given(actions=inner_splits, end=st.integers(1, 120), window=st.integers(1, 40))
def test_a_row_gets_the_same_bits_from_a_whole_history_and_from_its_window_alone(
    actions: list[CorporateAction], end: int, window: int
) -> None:
    raw = unadjust(walk(), actions, FAR)
    splits = shown(raw, actions)
    row = end - 1
    (part,) = [one for one in stretches(raw.ts, splits, window) if one.start <= row < one.stop]
    rows = raw.take(slice(part.first, part.stop))
    whole = restated(rows.ts, *columns(rows), splits)
    alone = raw.take(slice(max(0, end - window), end))
    known = shown(alone, actions)  # nothing after the row is known, and nothing before its window
    window_only = restated(alone.ts, *columns(alone), known)
    for one, other in zip(whole, window_only, strict=True):
        at = row - part.first
        assert one[max(0, at - window + 1) : at + 1].tobytes() == other.tobytes()


@given(actions=inner_splits, window=st.integers(1, 40))
def test_stretches_cover_every_row_once_on_one_terms(actions: list[CorporateAction], window: int) -> None:
    raw = unadjust(walk(), actions, FAR)
    splits = shown(raw, actions)
    cut = stretches(raw.ts, splits, window)
    assert [row for one in cut for row in range(one.start, one.stop)] == list(range(len(raw)))
    for one in cut:
        assert one.first == max(0, one.start - window + 1)
        assert not [at for at, _ in splits if raw.ts[one.start] < at <= raw.ts[one.stop - 1]]


def test_bars_without_a_split_among_them_are_handed_on_untouched() -> None:
    raw = walk()
    same = restated(raw.ts, *columns(raw), [(int(raw.ts[0]), 10.0), (int(raw.ts[-1]) + 1, 2.0)])
    assert all(one is other for one, other in zip(same, columns(raw), strict=True))
    assert stretches(raw.ts[:0], [], 5) == []


@given(actions=inner_splits, ahead=st.integers(1, 30))
def test_returns_over_a_split_are_those_of_the_true_series(actions: list[CorporateAction], ahead: int) -> None:
    true = walk()
    raw = unadjust(true, actions, FAR)
    since, until = raw.ts[:-ahead], raw.ts[ahead:]
    gained = np.log(raw.close[ahead:] / raw.close[:-ahead]) + split_log_return(since, until, shown(raw, actions))
    np.testing.assert_allclose(gained, np.log(true.close[ahead:] / true.close[:-ahead]), atol=1e-12)


@given(
    day=st.integers(10, 110), ratio=st.sampled_from([(2, 1), (3, 1), (10, 1), (1, 4), (1, 10)]), seed=st.integers(0, 50)
)
def test_an_undeclared_split_is_found_with_its_day_and_ratio(day: int, ratio: tuple[int, int], seed: int) -> None:
    action = split((T0 + timedelta(days=day)).date(), *ratio)
    (found,) = suspected_splits(unadjust(walk(seed=seed), [action], FAR))
    assert (found.ts.date(), found.new, found.old) == (action.date, *ratio)


@given(seed=st.integers(0, 300))
def test_a_series_without_splits_shows_none(seed: int) -> None:
    assert suspected_splits(walk(seed=seed, volatility=0.06)) == []


def test_a_crash_of_a_half_within_a_wild_day_is_no_split() -> None:
    calm = walk()
    wild = unadjust(calm, [split(T0.date() + timedelta(days=60), 2)], FAR)
    high, low = wild.high.copy(), wild.low.copy()
    high[60], low[60] = high[60] * 1.5, low[60] / 1.3
    assert suspected_splits(replace(wild, high=high, low=low)) == []


def write(folder: Path, entry: str) -> Path:
    (folder / CORPORATE_ACTIONS_FILE).write_text(f"actions:\n  - {entry}\n")
    return folder


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            "{symbol: A, kind: split, date: 2024-01-02, new: 1, old: 1, evidence: announced, source: x}",
            "changes the count",
        ),
        ("{symbol: A, kind: rename, date: 2024-01-02, evidence: announced, source: x}", "needs the new name"),
        ("{symbol: A, kind: split, date: 2024-01-02, new: 0, evidence: announced, source: x}", "actions.0.new"),
        ("{symbol: A, kind: split, date: 2024-01-02, new: 2, evidence: hearsay, source: x}", "actions.0.evidence"),
        ("{symbol: A, kind: split, date: 2024-01-02, new: 2, evidence: announced}", "source' is missing"),
        ("{symbol: A, kind: split, date: 2024-01-02, ratio: 2, evidence: announced, source: x}", "unknown key"),
    ],
)
def test_a_table_that_says_too_little_is_refused(tmp_path: Path, entry: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(CorporateActions, CORPORATE_ACTIONS_FILE, write(tmp_path, entry))


def test_one_action_declared_twice_is_refused(tmp_path: Path) -> None:
    entry = "{symbol: A, kind: split, date: 2024-01-02, new: 2, evidence: announced, source: x}"
    with pytest.raises(ConfigError, match="stands twice"):
        load(CorporateActions, CORPORATE_ACTIONS_FILE, write(tmp_path, f"{entry}\n  - {entry}"))


def test_the_shipped_table_names_our_assets_and_the_known_cases() -> None:
    table, assets = load(CorporateActions, CORPORATE_ACTIONS_FILE), load(AssetsConfig, ASSETS_FILE)
    assert {action.symbol for action in table.actions} <= set(assets.assets)
    assert [(one.ratio, one.date) for one in table.of("NVDA")][-1] == ("10:1", date(2024, 6, 10))
    (renamed,) = table.of("MATIC/USDT")
    assert (renamed.to, renamed.factor) == ("POL/USDT", 1.0)
    assert set(assets.assets["MATIC/USDT"].venue_symbols.values()) == {renamed.to}
