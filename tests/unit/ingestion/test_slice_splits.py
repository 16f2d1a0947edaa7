"""Which slice says that a symbol has split: the one whose bar is the first on the new terms, if prices show it."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.messages import Bar, FeedAdvanced, SliceClosed, Split, encode
from services.domain.corporate_actions import CorporateAction, dated_splits
from services.ingestion.clock import ClockState, advance
from services.ingestion.slice_splits import Carried, with_splits

HOUR = timedelta(hours=1)
MIDNIGHT = datetime(2024, 6, 10, 4, tzinfo=UTC)
"""Of New York, where the new terms begin."""
OPENS = datetime(2024, 6, 10, 13, 30, tzinfo=UTC)
BEFORE = datetime(2024, 6, 7, 19, 30, tzinfo=UTC)
"""The last bar on the old terms opened here, on Friday."""


def action(day: date = date(2024, 6, 10), new: int = 10, old: int = 1, symbol: str = "NVDA") -> CorporateAction:
    return CorporateAction(
        symbol=symbol, kind="split", date=day, new=new, old=old, evidence="announced", source="made up"
    )


DECLARED = dated_splits([action()], "1h")


def slice_of(opened: datetime, price: float, close: float | None = None, symbol: str = "NVDA") -> SliceClosed:
    """A slice with one bar that opened at half past."""
    low, high = sorted((price, close or price))
    one = Bar(symbol, "stocks", price, high, low, close or price, 1e6, opened)
    return SliceClosed(opened + 1.5 * HOUR, "1h", (one,))


def found(*closed: SliceClosed, declared: object = DECLARED) -> dict[datetime, tuple[Split, ...]]:
    made, _ = with_splits(closed, {}, declared, HOUR)  # type: ignore[arg-type]
    return {one.ts: one.splits for one in made if one.splits}


def test_the_first_slice_with_a_bar_on_the_new_terms_carries_the_split() -> None:
    night = [SliceClosed(MIDNIGHT + n * HOUR, "1h", ()) for n in range(1, 9)]
    slices = [slice_of(BEFORE, 1208.0), *night, slice_of(OPENS, 120.4), slice_of(OPENS + HOUR, 121.0)]
    assert found(*slices) == {OPENS + 1.5 * HOUR: (Split("NVDA", 10, 1),)}


def test_prices_that_their_source_has_adjusted_already_are_left_alone() -> None:
    assert found(slice_of(BEFORE, 120.8), slice_of(OPENS, 120.4)) == {}


def test_a_late_first_bar_takes_the_split_with_it_to_the_slice_that_carries_one() -> None:
    """The bar at the open came after its slice had closed: the next one is measured against the last one carried."""
    late = SliceClosed(OPENS + 1.5 * HOUR, "1h", ())
    slices = [slice_of(BEFORE, 1208.0), late, slice_of(OPENS + HOUR, 119.0)]
    assert found(*slices) == {OPENS + 2.5 * HOUR: (Split("NVDA", 10, 1),)}


def test_a_split_is_measured_over_a_gap_of_weeks() -> None:
    old = BEFORE - timedelta(days=40)
    assert found(slice_of(old, 900.0), slice_of(OPENS + timedelta(days=30), 125.0)) == {
        OPENS + timedelta(days=30) + 1.5 * HOUR: (Split("NVDA", 10, 1),)
    }
    assert found(slice_of(old, 90.0), slice_of(OPENS + timedelta(days=30), 125.0)) == {}


def test_the_first_bar_of_all_has_no_split_for_nothing_can_be_held() -> None:
    assert found(slice_of(OPENS, 120.4), slice_of(OPENS + HOUR, 121.0)) == {}


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (1000.0, ()),  # adjusted for both
        (500.0, ((2, 1),)),  # recorded between them: the earlier one is in the prices
        (170.0, ((3, 1), (2, 1))),  # as traded
    ],
)
def test_of_two_splits_in_one_gap_the_later_ones_that_explain_the_step_count(
    price: float, expected: tuple[tuple[int, int], ...]
) -> None:
    both = dated_splits([action(date(2024, 6, 14), 2), action(date(2024, 6, 10), 3)], "1h")
    later = OPENS + timedelta(days=7)
    assert found(slice_of(BEFORE, 1000.0), slice_of(later, price), declared=both) == (
        {later + 1.5 * HOUR: tuple(Split("NVDA", *ratio) for ratio in expected)} if expected else {}
    )


def test_renames_and_other_symbols_splits_are_no_splits_here() -> None:
    renamed = CorporateAction(
        symbol="NVDA", kind="rename", date=date(2024, 6, 10), to="NV", evidence="announced", source="made up"
    )
    declared = dated_splits([renamed, action(symbol="TSLA")], "1h")
    assert found(slice_of(BEFORE, 1208.0), slice_of(OPENS, 120.4), declared=declared) == {}


def test_what_was_carried_decides_and_not_what_a_source_says_today() -> None:
    """A source that restates its history delivered the bar before the split on the old terms: it was traded on."""
    _, carried = with_splits([slice_of(BEFORE, 1208.0)], {}, DECLARED, HOUR)
    assert carried == {"NVDA": Carried(BEFORE, 1208.0)}
    ((made,), _) = with_splits([slice_of(OPENS, 120.4)], carried, DECLARED, HOUR)
    assert made.splits == (Split("NVDA", 10, 1),)


@given(cuts=st.sets(st.integers(0, 60)), at=st.integers(1, 59), gaps=st.sets(st.integers(0, 59)))
def test_batches_of_any_size_and_restarts_between_them_say_the_same(cuts: set[int], at: int, gaps: set[int]) -> None:
    declared = dated_splits([action(symbol="A/USDT", day=(MIDNIGHT + at * HOUR).date())], "1h")
    start = datetime(2024, 6, 9, tzinfo=UTC)
    slices = []
    for n in range(60):
        price = 100.0 if start + n * HOUR < datetime(2024, 6, 11, tzinfo=UTC) else 10.0
        bars = () if n in gaps else (Bar("A/USDT", "crypto", price, price, price, price, 1.0),)
        slices.append(SliceClosed(start + (n + 1) * HOUR, "1h", bars))
    whole, _ = with_splits(slices, {}, declared, HOUR)
    pieces: list[SliceClosed] = []
    state = ClockState()
    edges = sorted({0, 60, *cuts})
    for a, b in pairwise(edges):
        state = msgspec.json.decode(encode(state), type=ClockState)
        made, carried = with_splits(slices[a:b], state.carried, declared, HOUR)
        state = msgspec.structs.replace(state, carried=carried)
        pieces += made
    assert [encode(one) for one in pieces] == [encode(one) for one in whole]


def test_a_promise_keeps_what_was_carried_and_a_state_from_before_is_read() -> None:
    state = ClockState(carried={"NVDA": Carried(BEFORE, 1208.0)})
    assert advance(state, FeedAdvanced(ts=OPENS, source="a", timeframe="1h")).carried == state.carried
    assert msgspec.json.decode('{"through":{},"ended":[],"last":null}', type=ClockState) == ClockState()
