"""When slices close, and which bars are in them."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.contracts.messages import Bar, FeedAdvanced
from services.ingestion.clock import ClockState, advance, by_slice, closable, close_slice

T0 = datetime(2024, 1, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def promise(source: str, hours: float, *, begins: datetime | None = None, ended: bool = False) -> FeedAdvanced:
    return FeedAdvanced(ts=T0 + hours * HOUR, source=source, timeframe="1h", begins=begins, ended=ended)


def bar(symbol: str, price: float = 1.0) -> Bar:
    return Bar(symbol, "crypto", price, price, price, price, 1.0)


def test_closes_what_every_source_has_promised() -> None:
    state = advance(advance(ClockState(), promise("a", 3, begins=T0)), promise("b", 2))
    assert closable(state, HOUR, None) == [T0 + HOUR, T0 + 2 * HOUR]


def test_waits_for_the_slowest_source_only_for_the_grace_time() -> None:
    state = advance(advance(ClockState(), promise("a", 1, begins=T0)), promise("b", 0))
    assert closable(state, HOUR, T0 + HOUR + timedelta(seconds=19)) == []
    assert closable(state, HOUR, T0 + HOUR + timedelta(seconds=20)) == [T0 + HOUR]


def test_does_not_close_a_slice_that_no_source_has_reached() -> None:
    state = advance(ClockState(), promise("a", 1, begins=T0))
    assert closable(state, HOUR, T0 + 50 * HOUR) == [T0 + HOUR]


def test_a_source_that_has_ended_is_not_waited_for() -> None:
    state = advance(advance(ClockState(), promise("a", 1, begins=T0, ended=True)), promise("b", 3))
    assert closable(state, HOUR, None) == [T0 + n * HOUR for n in (1, 2, 3)]


def test_nothing_closes_before_the_first_promise() -> None:
    assert closable(ClockState(), HOUR, T0) == []


@given(st.permutations([promise("a", n, begins=T0 if n == 1 else None) for n in (1, 2, 3, 5)]))
def test_promises_never_go_back(order: list[FeedAdvanced]) -> None:
    state = advance(ClockState(), promise("a", 1, begins=T0))
    for one in order:
        state = advance(state, one)
    assert state.through["a"] == T0 + 5 * HOUR


@given(st.integers(min_value=0, max_value=40 * 3600))
def test_a_bar_is_in_the_first_slice_at_or_after_its_close(seconds: int) -> None:
    opened = T0 + timedelta(seconds=seconds)
    ((ts, found),) = by_slice([(opened, bar("X"))], HOUR).items()
    assert opened + HOUR <= ts < opened + 2 * HOUR
    assert (ts - T0) % HOUR == timedelta(0)
    kept = found["X"].opened_at
    assert kept == (opened if seconds % 3600 else None)


def test_names_what_is_owed_and_not_there() -> None:
    closed = close_slice(T0, "1h", {"B": bar("B")}, {"B": "crypto", "A": "crypto", "NVDA": "stocks"}, HOUR)
    assert [(m.symbol, m.reason) for m in closed.missing] == [("A", "no candle by the close")]


def test_a_stock_owes_its_half_past_bar_to_the_slice_after_its_close() -> None:
    # New York opens at 14:30 UTC in January: the first bar closes at 15:30 and belongs to the slice of 16:00.
    at = {
        hour: close_slice(T0.replace(hour=hour), "1h", {}, {"NVDA": "stocks"}, HOUR)
        for hour in (14, 15, 16, 21, 22, 23)
    }
    assert {hour: len(closed.missing) for hour, closed in at.items()} == {14: 0, 15: 0, 16: 1, 21: 1, 22: 1, 23: 0}
