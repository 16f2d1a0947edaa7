"""When flags go up and come down: after long enough, never before, by themselves, and without flapping."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watchdog_cases import NOON, SETTINGS

from services.watchdog.conditions import Found, Key
from services.watchdog.decide import WatchState, decide

FEED: Key = ("stale_feed", "BTC/USDT")
CHECK = SETTINGS.checks.stale_feed
UP, DOWN = timedelta(seconds=CHECK.raise_after_seconds), timedelta(seconds=CHECK.clear_after_seconds)
LONGEST = SETTINGS.forget_after_seconds
Looks = list[tuple[datetime, bool]]

# Seconds between two looks (some longer than the watchdog bridges) and whether the condition then holds.
STEPS = st.lists(
    st.tuples(st.sampled_from([1.0, 15.0, 60.0, 119.0, 120.0, 121.0, 4000.0]), st.booleans()), max_size=120
)
LONG_RUNS = st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=8).map(
    lambda runs: [(100.0, holds) for holds, times in runs for _ in range(times)]
)


def looks_at(steps: list[tuple[float, bool]]) -> Looks:
    at, looks = NOON, []
    for seconds, holds in steps:
        at += timedelta(seconds=seconds)
        looks.append((at, holds))
    return looks


def followed(looks: Looks, blind: frozenset[str] = frozenset()) -> list[tuple[datetime, bool]]:
    """Return when the flag went up (True) and came down."""
    state, up, changed = WatchState(), set[Key](), []
    for at, holds in looks:
        found = Found({FEED: "3 bars are missing"} if holds else {}, blind)
        state, changes = decide(state, at, found, up, SETTINGS)
        for change in changes:
            key = (change.name, change.subject)
            (up.discard if change.detail is None else up.add)(key)
            changed.append((at, change.detail is not None))
    return changed


def expected(looks: Looks) -> list[tuple[datetime, bool]]:
    """The same, said the other way round: look back from each moment over an unbroken run of looks."""
    up, changed = False, []
    for n, (at, holds) in enumerate(looks):
        if holds == up:
            continue
        first = n
        while (
            first
            and looks[first - 1][1] == holds
            and (looks[first][0] - looks[first - 1][0]).total_seconds() <= LONGEST
        ):
            first -= 1
        if at - looks[first][0] >= (DOWN if up else UP):
            up = not up
            changed.append((at, up))
    return changed


@settings(max_examples=300, deadline=None)
@given(st.one_of(STEPS, LONG_RUNS))
def test_a_flag_is_up_exactly_when_its_condition_has_held_long_enough_without_a_break(
    steps: list[tuple[float, bool]],
) -> None:
    looks = looks_at(steps)
    assert followed(looks) == expected(looks)


@settings(max_examples=300, deadline=None)
@given(st.one_of(STEPS, LONG_RUNS))
def test_a_flag_never_flaps(steps: list[tuple[float, bool]]) -> None:
    changed = followed(looks_at(steps))
    assert [up for _, up in changed] == [n % 2 == 0 for n in range(len(changed))]
    for (before, was_up), (after, _) in pairwise(changed):
        assert after - before >= (DOWN if was_up else UP), "it stands, or stays down, for the whole wait"


@settings(max_examples=100, deadline=None)
@given(st.one_of(STEPS, LONG_RUNS))
def test_whatever_came_before_a_flag_comes_down_once_its_condition_is_over(steps: list[tuple[float, bool]]) -> None:
    quiet = [(100.0, False)] * (int(DOWN.total_seconds()) // 100 + 2)
    changed = followed(looks_at(steps + quiet))
    assert not changed or changed[-1][1] is False


def test_a_condition_that_alternates_at_every_look_raises_nothing() -> None:
    assert followed(looks_at([(15.0, n % 2 == 0) for n in range(1000)])) == []


def test_what_cannot_be_looked_at_changes_nothing() -> None:
    looks = looks_at([(60.0, True)] * 60)
    assert followed(looks, blind=frozenset({"stale_feed"})) == []
    state, changes = decide(
        WatchState(NOON, {}), NOON + timedelta(seconds=15), Found({}, frozenset({"stale_feed"})), {FEED}, SETTINGS
    )
    assert (changes, state.since) == ((), {})


def test_a_clock_that_is_set_back_raises_and_clears_nothing() -> None:
    state = WatchState(NOON, {"stale_feed|BTC/USDT": NOON - timedelta(hours=5)})
    state, changes = decide(state, NOON - timedelta(hours=1), Found({FEED: "words"}), set(), SETTINGS)
    assert changes == ()
    assert state.since == {"stale_feed|BTC/USDT": NOON - timedelta(hours=1)}


def test_a_fact_raises_its_flag_at_the_first_look() -> None:
    found = Found({("equity_mismatch", "all"): "by 0.01"})
    _, (change,) = decide(WatchState(), NOON, found, set(), SETTINGS)
    assert (change.name, change.subject, change.detail) == ("equity_mismatch", "all", "by 0.01")


@pytest.mark.parametrize("kills", [1, 2, 3])
def test_a_restart_goes_on_counting_from_what_is_stored(kills: int) -> None:
    state, raised = WatchState(), list[datetime]()
    for n in range(20):
        at = NOON + timedelta(seconds=15 * n)
        if n % kills == 0:
            state = WatchState(state.looked_at, dict(state.since))
        up = {FEED} if raised else set()
        state, changes = decide(state, at, Found({FEED: "words"}), up, SETTINGS)
        raised += [at for _ in changes]
    assert raised == [NOON + UP]
