"""A bar is told to have closed once, in order, and never before it has."""

from hypothesis import given
from hypothesis import strategies as st

from services.ingestion.closings import Closings

HOUR = 3600
NOW = 20 * HOUR + 5.0
FRAMES = st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 30), st.booleans()), max_size=60)


@given(FRAMES)
def test_whatever_comes_each_closing_is_told_once_and_only_forward(frames: list[tuple[str, int, bool]]) -> None:
    closings, told = Closings("1h"), dict[str, list[int]]()
    for n, (symbol, hour, final) in enumerate(frames):
        closed = closings.hear(symbol, hour * HOUR, final=final, now=NOW)
        if closed is None:
            continue
        told.setdefault(symbol, []).append(closed)
        before = [frame for frame in frames[: n + 1] if frame[0] == symbol and frame[1] <= 21]
        said = any(f[1] * HOUR == closed and f[2] for f in before)
        passed = any(f[1] * HOUR == closed for f in before) and any(f[1] * HOUR > closed for f in before)
        assert said or passed
    for opens in told.values():
        assert opens == sorted(set(opens))
        assert opens[-1] <= NOW + HOUR


def test_symbols_do_not_close_each_other() -> None:
    closings = Closings("1h")
    assert closings.hear("A", 3 * HOUR, final=False, now=NOW) is None
    assert closings.hear("B", 4 * HOUR, final=False, now=NOW) is None
    assert closings.hear("A", 4 * HOUR, final=False, now=NOW) == 3 * HOUR


def test_a_bar_that_was_never_seen_open_is_not_made_up() -> None:
    closings = Closings("1h")
    assert closings.hear("A", 3 * HOUR, final=False, now=NOW) is None
    assert closings.hear("A", 9 * HOUR, final=False, now=NOW) == 3 * HOUR, "the poll finds those between"
